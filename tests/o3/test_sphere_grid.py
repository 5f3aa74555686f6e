"""Quadrature on the sphere is exact to its degree."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.o3 import (
    angles_to_xyz,
    polar_weights,
    s2_grid,
    spherical_harmonics_reference,
)

DOUBLE = {"dtype": torch.float64}


@pytest.mark.parametrize("number", range(1, 14))
def test_polynomials_to_the_degree(number: int) -> None:
    beta, _ = s2_grid(number, 1, **DOUBLE)
    weights = polar_weights(number, **DOUBLE)
    for degree in range(number):
        found = (weights * beta.cos() ** degree).sum()
        expected = 1 / (degree + 1) if degree % 2 == 0 else 0.0
        assert abs(found - expected) < 1e-14
    if number % 2 == 0:  # and not the next one, but odd ones by symmetry
        found = (weights * beta.cos() ** number).sum()
        assert abs(found - 1 / (number + 1)) > 1e-8


def test_harmonics_are_orthonormal_on_the_grid() -> None:
    lmax = 5
    beta, alpha = s2_grid(2 * lmax + 1, 2 * lmax + 1, **DOUBLE)
    points = angles_to_xyz(alpha, beta[:, None])
    Y = spherical_harmonics_reference(range(lmax + 1), points).flatten(0, 1)
    weights = polar_weights(len(beta), **DOUBLE).repeat_interleave(len(alpha))
    found = (Y.T * weights / len(alpha)) @ Y
    torch.testing.assert_close(found, torch.eye(len(found), **DOUBLE))


def test_a_grid_has_points() -> None:
    assert s2_grid(3, 2)[0].dtype == torch.get_default_dtype()
    with pytest.raises(ValueError, match="res_beta=0"):
        s2_grid(0, 3)
