"""Signals on the sphere: coefficients and values."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import FromS2Grid, ToS2Grid, spherical_harmonics
from pyg_equivariant.o3 import Irreps

DOUBLE = {"dtype": torch.float64}
RESOLUTIONS = [None, 9, (9, 9), (10, 13), (20, 30)]


@pytest.mark.parametrize("normalization", ["component", "norm", "integral"])
@pytest.mark.parametrize("res", RESOLUTIONS)
def test_there_and_back(res: int | tuple[int, int] | None, normalization: str) -> None:
    to_grid = ToS2Grid(4, res, normalization).double()
    from_grid = FromS2Grid(res, 4, normalization).double()
    x = torch.randn(3, 2, 25, **DOUBLE)
    values = to_grid(x)
    assert values.shape == (3, 2, to_grid.res_beta, to_grid.res_alpha)
    torch.testing.assert_close(from_grid(values), x)


def test_values_are_sums_of_harmonics() -> None:
    module = ToS2Grid(3, normalization="integral").double()
    x = torch.randn(16, **DOUBLE)
    Y = spherical_harmonics(range(4), module.grid, normalization="integral")
    torch.testing.assert_close(module(x), Y @ x)


@pytest.mark.parametrize("normalization", ["component", "norm"])
def test_unit_variance(normalization: str, generator: torch.Generator) -> None:
    irreps = Irreps.spherical_harmonics(3)
    x = irreps.randn(
        20_000, -1, normalization=normalization, generator=generator, **DOUBLE
    )
    values = ToS2Grid(3, normalization=normalization).double()(x)
    assert (values.square().mean(0) - 1).abs().max() < 0.1


def test_a_smaller_degree_is_a_projection() -> None:
    to_grid = ToS2Grid(5, 16).double()
    from_grid = FromS2Grid(16, 2, lmax_in=5).double()
    x = torch.randn(36, **DOUBLE)
    torch.testing.assert_close(from_grid(to_grid(x)), x[:9])


def test_grids_that_are_too_coarse() -> None:
    for res in (8, (9, 8), (8, 9)):
        with pytest.raises(ValueError, match="more than 8 polar angles and azimuths"):
            ToS2Grid(4, res)
    with pytest.raises(ValueError, match="lmax is a degree"):
        ToS2Grid(-1)
    with pytest.raises(ValueError, match="got 'length'"):
        ToS2Grid(1, normalization="length")
    with pytest.raises(ValueError, match=r"expected \(..., 4, 3\), got shape \(3, 4\)"):
        FromS2Grid(None, 1)(torch.zeros(3, 4))
