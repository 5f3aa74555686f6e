"""Lengths of copies."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import Norm
from pyg_equivariant.testing import assert_equivariant, random_irreps


@pytest.mark.parametrize("seed", range(6))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    module = Norm(random_irreps(generator), squared=seed % 2 == 0)
    assert_equivariant(module, generator=generator)


@pytest.mark.parametrize("squared", [False, True])
def test_zero_has_derivatives(squared: bool) -> None:
    module = Norm("2x1o+1x0e", squared)
    x = torch.zeros(3, 7, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(module(x).sum(), x, create_graph=True)
    assert not first.any()
    far = (x + 1).detach().requires_grad_()
    assert torch.autograd.gradgradcheck(module, (far,))


def test_lengths_are_in_the_order_of_copies() -> None:
    x = torch.tensor([[3.0, 0.0, 4.0, 0.0, 0.0, 5.0]])  # components outermost
    assert Norm("2x1o")(x).tolist() == [[5.0, 5.0]]
    assert Norm("2x1o", squared=True)(x).tolist() == [[25.0, 25.0]]
    assert Norm("")(torch.zeros(2, 0)).shape == (2, 0)
