"""Atom references, mean and deviation come from the training set alone."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.training.references import Scaling, fit_scaling
from pyg_equivariant.training.structures import Structures

SIZES = torch.tensor([2, 3, 4, 3])
Z = torch.tensor([1, 1, 1, 6, 8, 6, 6, 1, 8, 8, 6, 1])
VALUES = {1: -13.5, 6: -1029.0, 8: -2042.0}


def sums() -> torch.Tensor:
    each = torch.tensor([VALUES[int(z)] for z in Z], dtype=torch.float64)
    return torch.stack([part.sum() for part in each.split(SIZES.tolist())])


def fit(y: torch.Tensor, references: bool, **kwargs: bool) -> Scaling:
    """Of the first molecules, as many as there are values."""
    sizes = SIZES[: len(y)]
    z = Z[: int(sizes.sum())]
    return fit_scaling(
        Structures(z, torch.zeros(len(z), 3), sizes, {"y": y}),
        "y",
        references,
        **kwargs,
    )


def test_references_are_found_again() -> None:
    scaling = fit(sums(), references=True)
    assert scaling.atomref is not None
    for z, value in VALUES.items():
        assert scaling.atomref[z] == pytest.approx(value, rel=1e-9)
    assert scaling.atomref[7] == 0.0
    assert scaling.mean == pytest.approx(0.0, abs=1e-8)


def test_without_references_the_mean_and_its_deviation() -> None:
    y = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert fit(y, references=False) == (3.0, 1.5, None)


def test_a_moment_is_not_shifted() -> None:
    y = torch.tensor([1.0, 2.0, 3.0, 6.0])
    scaling = fit(y, references=False, shifted=False)
    assert (scaling.mean, scaling.scale) == (0.0, 1.5)


def test_too_few_molecules_to_tell_atoms_apart() -> None:
    scaling = fit(torch.tensor([4.0]), references=True)
    assert scaling.atomref is not None
    assert scaling.atomref[1] == pytest.approx(2.0)
    assert scaling.scale == 1.0


def test_large_energies_keep_their_digits() -> None:
    y = sums() * 1000 + torch.tensor([1e-6, -1e-6, 1e-6, -1e-6], dtype=torch.float64)
    assert fit(y, references=True).scale < 1e-5


def test_an_empty_training_set_is_refused() -> None:
    with pytest.raises(ValueError, match="got an empty training set"):
        fit(torch.zeros(0), references=True)
