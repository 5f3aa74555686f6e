"""Signals on rotations: coefficients and values."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import SO3Grid
from pyg_equivariant.o3 import angles_to_matrix, rand_matrix, rotate, s2_grid

DOUBLE = {"dtype": torch.float64}


@pytest.mark.parametrize(("lmax", "resolution"), [(0, 1), (1, 2), (2, 3), (2, 4)])
def test_there_and_back(lmax: int, resolution: int) -> None:
    grid = SO3Grid(lmax, resolution).double()
    x = grid.irreps.randn(2, 3, -1, **DOUBLE)
    values = grid.to_grid(x)
    shape = 4 * resolution, 2 * resolution, 4 * resolution
    assert values.shape == (2, 3, *shape)
    torch.testing.assert_close(grid.from_grid(values), x)


def test_rotated_features_are_the_signal_of_products() -> None:
    """The signal of degree 1 at R is a sum of entries of R."""
    grid = SO3Grid(1, 2).double()
    x = grid.irreps.randn(-1, **DOUBLE)
    S = rand_matrix(**DOUBLE)
    beta, alpha = s2_grid(grid.res_beta, grid.res_alpha, **DOUBLE)
    R = angles_to_matrix(alpha[:, None, None], beta[:, None], alpha)

    def signal(R: torch.Tensor) -> torch.Tensor:
        entries = (R.mT * x[1:].view(3, 3)).sum((-2, -1))
        return (x[0] + 3**0.5 * entries) / 10**0.5

    torch.testing.assert_close(grid.to_grid(x), signal(R))
    turned = grid.to_grid(rotate(grid.irreps, x, S))
    torch.testing.assert_close(turned, signal(R @ S))


def test_unit_variance(generator: torch.Generator) -> None:
    grid = SO3Grid(2, 3).double()
    x = grid.irreps.randn(4000, -1, generator=generator, **DOUBLE)
    assert abs(grid.to_grid(x).square().mean() - 1) < 0.05


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="choose resolution=3 or more"):
        SO3Grid(2, 2)
    with pytest.raises(ValueError, match="lmax is a degree"):
        SO3Grid(-1, 2)
    with pytest.raises(ValueError, match=r"expected \(..., 8, 4, 8\), got shape"):
        SO3Grid(1, 2).from_grid(torch.zeros(4, 8, 8))
