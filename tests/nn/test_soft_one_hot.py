"""Functions on an interval."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import soft_one_hot_linspace
from pyg_equivariant.nn.soft_one_hot import BASES


@pytest.mark.parametrize("cutoff", [False, True])
@pytest.mark.parametrize("basis", BASES[:4])
def test_squares_sum_to_about_one(basis: str, cutoff: bool) -> None:
    x = torch.linspace(-0.5, 1.0, 1001, dtype=torch.float64)[200:-200]
    y = soft_one_hot_linspace(x, -0.5, 1.0, 10, basis, cutoff)
    assert y.shape == (601, 10)
    assert (y.square().sum(-1).mean() - 1).abs() < 0.05


@pytest.mark.parametrize("basis", BASES[1:])
def test_nothing_outside_of_a_cutoff(basis: str) -> None:
    x = torch.tensor([-2.0, -0.5, 1.0, 3.0])
    assert not soft_one_hot_linspace(x, -0.5, 1.0, 4, basis, True).any()


@pytest.mark.parametrize("cutoff", [False, True])
@pytest.mark.parametrize("basis", BASES)
def test_derivatives_are_finite_and_right(basis: str, cutoff: bool) -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return soft_one_hot_linspace(x, 0.0, 2.0, 3, basis, cutoff)

    inside = torch.tensor([0.1, 0.6, 1.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, (inside,))
    assert torch.autograd.gradgradcheck(function, (inside,))
    ends = torch.tensor([0.0, 0.5, 1.0, 2.0, 5.0], requires_grad=True)
    (first,) = torch.autograd.grad(function(ends).sum(), ends, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), ends)
    assert first.isfinite().all()
    assert second.isfinite().all()


def test_bad_arguments() -> None:
    x = torch.rand(3)
    with pytest.raises(ValueError, match="got basis 'sine'"):
        soft_one_hot_linspace(x, 0, 1, 3, "sine", True)
    with pytest.raises(ValueError, match="at least 2 functions"):
        soft_one_hot_linspace(x, 0, 1, 1, "gaussian", False)
    with pytest.raises(ValueError, match="start < end"):
        soft_one_hot_linspace(x, 1, 1, 3, "gaussian", True)
    with pytest.raises(TypeError):
        soft_one_hot_linspace(torch.arange(3), 0, 1, 3, "gaussian", True)
