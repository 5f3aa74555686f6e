"""What a property is on average, so that the network learns only the rest."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .structures import Structures

NUM_ELEMENTS = 100  # atomic numbers that a network knows, from zero


class Scaling(NamedTuple):
    """A prediction is the network's output times ``scale``, plus the rest of these."""

    mean: float
    scale: float
    atomref: list[float] | None


def fit_scaling(
    structures: Structures, label: str, references: bool, shifted: bool = True
) -> Scaling:
    r"""Fit atom references, mean and mean absolute deviation, in float64.

    The references :math:`r_z` minimize :math:`\sum_m (y_m - \sum_{i \in m} r_{z_i})^2`;
    mean and deviation are those of what they leave. What is no single number for each
    structure, or atom, turns with it: it has a deviation only.

    Args:
        structures: of the training set.
        label: what is predicted.
        references: whether to fit references.
        shifted: whether a mean may be added to the prediction.

    Raises:
        ValueError: if there is no structure, or none with that label.
    """
    values = structures.labels[label].double()
    if not len(structures.sizes):
        raise ValueError("got an empty training set, expected at least one structure")
    known = values.reshape(len(values), -1).isfinite().all(1)
    if not known.any():
        raise ValueError(f"no structure of the training set has a label {label!r}")
    rest, atomref = values[known], None
    if references:
        each = len(values) != len(structures.sizes)
        atoms = count_atoms(structures, each)[known]
        fitted = least_squares(atoms, rest)
        rest = rest - atoms @ fitted
        atomref = fitted.tolist()
    if rest.dim() > 1:
        return Scaling(0.0, _positive(rest.square().mean().sqrt()), atomref)
    mean = float(rest.mean()) if shifted else 0.0
    return Scaling(mean, _positive((rest - rest.mean()).abs().mean()), atomref)


def _positive(deviation: Tensor) -> float:
    return float(deviation) or 1.0


def count_atoms(structures: Structures, each: bool = False) -> Tensor:
    """How many atoms of each element every structure has, or each atom, in float64."""
    if len(structures.z) and int(structures.z.max()) >= NUM_ELEMENTS:
        raise ValueError(
            f"got atomic number {int(structures.z.max())}, expected less than "
            f"{NUM_ELEMENTS}"
        )
    owner = torch.arange(len(structures.z)) if each else structures.batch()
    rows = len(structures.z) if each else len(structures.sizes)
    counts = torch.zeros(rows, NUM_ELEMENTS, dtype=torch.float64)
    one = torch.ones((), dtype=torch.float64)
    return counts.index_put_((owner, structures.z), one, accumulate=True)


def least_squares(counts: Tensor, values: Tensor) -> Tensor:
    """The number of each element whose sums over atoms are nearest to ``values``."""
    present = counts.any(dim=0)
    fitted = torch.zeros(counts.shape[1], dtype=torch.float64)
    # The pseudo-inverse also serves a set of too few structures to tell atoms apart
    fitted[present] = torch.linalg.pinv(counts[:, present]) @ values
    return fitted
