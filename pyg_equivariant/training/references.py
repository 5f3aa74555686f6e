"""What a property is on average, so that the network learns only the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from .structures import Structures

_NUM_ELEMENTS = 100
_ROUNDS = 20  # of leaving out what lies far off


class Scaling(NamedTuple):
    """A prediction is the network's output times ``scale``, plus the rest of these."""

    mean: float
    scale: float
    atomref: list[float] | None


def fit_scaling(
    structures: Structures,
    label: str,
    references: bool,
    shifted: bool = True,
) -> Scaling:
    r"""Fit references, mean and mean absolute deviation of a property, in float64.

    The references :math:`r_z` minimize :math:`\sum_m (y_m - \sum_{i \in m} r_{z_i})^2`;
    mean and deviation are those of what they leave.

    Args:
        structures: of the training set.
        label: name of the property, one number for each structure.
        references: whether to fit references.
        shifted: whether a mean may be added to the prediction.

    Raises:
        ValueError: if no structure has the property.
    """
    counts, species, y = _labeled(structures, label)
    atomref = None
    if references:
        fitted = _solve(counts, y, counts.new_ones(len(y)))
        y = y - counts @ fitted
        atomref = _table(species, fitted)
    deviation = float((y - y.mean()).abs().mean())
    mean = float(y.mean()) if shifted else 0.0
    return Scaling(mean, deviation if deviation > 0 else 1.0, atomref)


def fit_references(
    structures: Structures,
    isolated: Mapping[int, float] | None = None,
    outliers: float | None = None,
) -> Scaling:
    r"""Fit energies of the elements and the scale of a potential, in float64.

    The references :math:`r_z` minimize :math:`\sum_m (E_m - \sum_{i \in m} r_{z_i})^2 /
    N_m`. Where compositions do not tell elements apart, as in frames of one molecule,
    those nearest to the mean energy of an atom are taken. Nothing is added to a
    structure as a whole, so energies of parts far apart add up: ``mean`` is 0. The
    scale is the root mean square of the forces, or, where there are none, the standard
    deviation of what the references leave of the energy of an atom.

    Args:
        structures: of the training set, with ``"energy"``, ``"forces"`` or both; those
            without are left out.
        isolated: energies of isolated atoms by atomic number, which are taken as they
            are; only the other elements are fitted.
        outliers: leave out structures whose energy per atom lies farther from the fit
            than so many standard deviations, estimated from the median; 10 is a
            cautious choice. (default: leave out none)

    Raises:
        ValueError: if there is neither an energy nor a force, or ``outliers`` is too
            small to leave anything.

    Example:
        >>> z, sizes = torch.tensor([8, 1, 1, 1, 1]), torch.tensor([3, 2])
        >>> labels = {"energy": torch.tensor([-14.0, -6.0])}
        >>> fit = fit_references(Structures(z, torch.zeros(5, 3), sizes, labels))
        >>> fit.mean, fit.atomref[1], fit.atomref[8]
        (0.0, -3.0, -8.0)
    """
    if outliers is not None and not outliers > 1:
        raise ValueError(f"got outliers={outliers}, expected more than 1 deviation")
    forces = _finite(structures.labels.get("forces", torch.zeros(0, 3)), "forces")
    if len(forces) and not bool(_finite_rows(structures, "energy").any()):
        return Scaling(0.0, _positive(forces.square().mean().sqrt()), None)
    counts, species, energy = _labeled(structures, "energy")
    fitted = _fit_energies(counts, species, energy, isolated or {}, outliers)
    atoms = counts.sum(1)
    rest = (energy - counts @ fitted) / atoms
    spread = forces.square().mean().sqrt() if len(forces) else rest.std(correction=0)
    return Scaling(0.0, _positive(spread), _table(species, fitted))


def _fit_energies(
    counts: Tensor,
    species: Tensor,
    energy: Tensor,
    isolated: Mapping[int, float],
    outliers: float | None,
) -> Tensor:
    """An energy for each of the elements, those of isolated atoms as they are."""
    known = [int(z) in isolated for z in species]
    given = [float(isolated.get(int(z), 0.0)) for z in species]
    fitted = torch.tensor(given, dtype=torch.float64)
    free = ~torch.tensor(known)
    if not free.any():
        return fitted
    atoms = counts.sum(1)
    rest = energy - counts @ fitted
    kept = torch.ones(len(energy), dtype=torch.bool)
    for _ in range(_ROUNDS):
        fitted[free] = _solve(counts[kept][:, free], rest[kept], atoms[kept])
        if outliers is None:
            break
        error = (energy - counts @ fitted) / atoms
        before, kept = kept, _close(error, outliers)
        if torch.equal(before, kept):
            break
    return fitted


def _close(error: Tensor, outliers: float) -> Tensor:
    """What lies within so many standard deviations, estimated from the median."""
    away = (error - error.median()).abs()
    deviation = 1.4826 * away.median()  # that of a normal distribution
    return away <= outliers * deviation.clamp(min=1e-9)


def _solve(counts: Tensor, energy: Tensor, weights: Tensor) -> Tensor:
    """Least squares, each square divided by its weight.

    Among several solutions the nearest to the mean energy of an atom, the same for all
    elements, is taken.
    """
    atoms = counts.sum(1)
    mean = energy[atoms > 0].sum() / atoms.sum().clamp(min=1.0)
    rows = weights.clamp(min=1.0).rsqrt()
    rest = (energy - mean * atoms) * rows
    inverse = torch.linalg.pinv(counts * rows.unsqueeze(1), rtol=1e-10)
    return mean + inverse @ rest


def _labeled(structures: Structures, label: str) -> tuple[Tensor, Tensor, Tensor]:
    """Atoms of each element in each structure that has the label; elements; labels."""
    if not len(structures.sizes):
        raise ValueError("got an empty training set, expected at least one structure")
    has = _finite_rows(structures, label)
    if not has.any():
        raise ValueError(
            f"got no structure with {label!r} to train on, only with "
            f"{sorted(structures.labels)}"
        )
    species, inverse = structures.z.unique(return_inverse=True)
    size = len(structures.sizes), len(species)
    place = structures.batch() * size[1] + inverse
    counts = place.bincount(minlength=size[0] * size[1]).view(size).double()
    return counts[has], species, structures.labels[label][has].double().flatten()


def _finite_rows(structures: Structures, label: str) -> Tensor:
    """Which structures have a label."""
    count = len(structures.sizes)
    value = structures.labels.get(label)
    if value is None:
        return torch.zeros(count, dtype=torch.bool)
    if value.numel() != count:
        raise ValueError(
            f"references are fitted to one number for each of {count} structures, got "
            f"{label!r} of shape {tuple(value.shape)}"
        )
    _finite(value, label)
    return ~value.flatten().isnan()


def _finite(value: Tensor, label: str) -> Tensor:
    """The numbers that are there, which NaN stands for the lack of."""
    if value.isinf().any():
        raise ValueError(f"got an infinite number among {label!r}")
    return value[~value.isnan()].double()


def _table(species: Tensor, values: Tensor) -> list[float]:
    """The values by atomic number, zeros for elements that do not occur."""
    table = values.new_zeros(max(_NUM_ELEMENTS, int(species.max()) + 1))
    table[species] = values
    return table.tolist()


def _positive(spread: Tensor) -> float:
    return float(spread) if float(spread) > 0 else 1.0
