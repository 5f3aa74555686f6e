"""Lengths and directions, with derivatives at and near zero."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.o3 import safe_norm, safe_normalize

FUNCTIONS = [safe_norm, safe_normalize]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def derivatives(function, x: Tensor) -> list[Tensor]:
    """Value, first and second derivatives of the sum over components."""
    x = x.detach().requires_grad_()
    y = function(x)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    second = torch.autograd.grad(first.sum(), x, allow_unused=True)[0]
    return [y, first, torch.zeros_like(x) if second is None else second]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_everything_is_zero_at_zero(function, dtype: torch.dtype) -> None:
    for result in derivatives(function, torch.zeros(2, 3, dtype=dtype)):
        assert torch.equal(result, torch.zeros_like(result))
        assert result.dtype == dtype


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_no_length_gives_anything_infinite(function, dtype: torch.dtype) -> None:
    tiny = torch.finfo(dtype).tiny
    exponents = torch.linspace(0, 1.2, 241, dtype=torch.float64)
    lengths = tiny**exponents
    directions = torch.randn(241, 3, dtype=torch.float64)
    directions[::4, 0] = 0
    x = (directions * lengths[:, None]).to(dtype)
    for result in derivatives(function, x):
        assert result.isfinite().all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_derivatives_away_from_zero(function) -> None:
    x = torch.randn(4, 3, dtype=torch.float64)
    x[0] = torch.tensor([0.0, 0.0, 2.0])
    x.requires_grad_()
    assert gradcheck(function, x)
    assert gradgradcheck(function, x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_those_of_torch(dtype: torch.dtype) -> None:
    x = torch.randn(7, 3, dtype=torch.float64).to(dtype)
    tolerance = 4 * torch.finfo(dtype).eps
    close = {"rtol": tolerance, "atol": 0}
    norm = x.double().norm(dim=-1)
    torch.testing.assert_close(safe_norm(x).double(), norm, **close)
    direction = x.double() / norm[:, None]
    torch.testing.assert_close(safe_normalize(x).double(), direction, **close)


def test_half_precision_keeps_short_vectors() -> None:
    x = torch.tensor([3e-3, 4e-3, 0.0], dtype=torch.float16)
    torch.testing.assert_close(safe_norm(x).item(), 5e-3, rtol=2e-3, atol=0)
    torch.testing.assert_close(safe_normalize(x).norm().item(), 1.0, rtol=2e-3, atol=0)


def test_any_dimension_can_hold_the_components() -> None:
    x = torch.randn(4, 3, 5)
    assert safe_norm(x, dim=1).shape == (4, 5)
    assert safe_norm(x, dim=1, keepdim=True).shape == (4, 1, 5)
    torch.testing.assert_close(safe_normalize(x, dim=1).norm(dim=1), torch.ones(4, 5))
    assert safe_norm(torch.zeros(0, 3)).shape == (0,)


def test_what_counts_as_zero_is_as_documented() -> None:
    for dtype, limit in ((torch.float32, 5e-7), (torch.float64, 5e-52)):
        lengths = torch.tensor([0.9 * limit, 1.1 * limit], dtype=dtype)
        x = torch.stack([lengths, torch.zeros_like(lengths)], dim=-1)
        assert (safe_norm(x) > 0).tolist() == [False, True]
