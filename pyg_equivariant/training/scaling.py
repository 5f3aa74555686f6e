"""Mean and scale of any label."""

from __future__ import annotations

from .references import Scaling, fit_scaling
from .structures import Structures


def scale_label(
    structures: Structures, label: str, references: bool, shifted: bool = True
) -> Scaling:
    """The scaling of a label of any shape, of structures or of atoms.

    What is not one number for each structure has no references, and a mean only if it
    is one number for each atom; numbers of its own kind are all scaled alike.

    Args:
        structures: of the training set.
        label: what is predicted.
        references: whether to fit references, see :func:`fit_scaling`.
        shifted: whether a mean may be added to the prediction.

    Raises:
        ValueError: if no structure has that label.
    """
    if label not in structures.labels:
        known = ", ".join(structures.labels) or "none"
        raise ValueError(f"got no label {label!r} to train on, only {known}")
    values = structures.labels[label]
    if values.numel() == len(structures.sizes):
        return fit_scaling(structures, label, references, shifted)
    known_rows = values.reshape(len(values), -1).isfinite().all(1)
    rest = values[known_rows].double()
    if not len(rest):
        raise ValueError(f"no structure of the training set has a label {label!r}")
    mean = float(rest.mean()) if shifted and rest[0].numel() == 1 else 0.0
    return Scaling(mean, float((rest - mean).square().mean().sqrt()) or 1.0, None)
