"""Distances measured by the sizes of atoms."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import Module

from pyg_equivariant.nn import AgnesiTransform, SoftTransform
from pyg_equivariant.nn.nuclei import COVALENT_RADII

PAIR = torch.tensor([[0, 1], [1, 0]])
Z = torch.tensor([8, 26])
OXYGEN, IRON = COVALENT_RADII[7], COVALENT_RADII[25]


@pytest.mark.parametrize("r", [0.3, 1.0, 1.9, 4.0, 6.0])
def test_agnesi_is_its_formula(r: float) -> None:
    q, p, a = 0.8, 4.2, 1.3
    x = r / ((OXYGEN + IRON) / 2)
    expected = 1 / (1 + a * x**q / (1 + x ** (q - p)))
    length = torch.full((2,), r, dtype=torch.float64)
    for value in AgnesiTransform(q, p, a).double()(Z, PAIR, length).tolist():
        assert math.isclose(value, expected, rel_tol=1e-12)


@pytest.mark.parametrize("r", [0.3, 1.0, 1.9, 4.0])
def test_soft_is_its_formula(r: float) -> None:
    low, high = 0.75 * (OXYGEN + IRON), 4 / 3 * (OXYGEN + IRON)
    x = 3.0 / (high - low) * (r - 0.5 * (low + high))
    expected = low + (r - low) * 0.5 * (1 + math.tanh(x))
    length = torch.full((2,), r, dtype=torch.float64)
    for value in SoftTransform(3.0).double()(Z, PAIR, length).tolist():
        assert math.isclose(value, expected, rel_tol=1e-12)


def test_what_is_bonded_looks_alike() -> None:
    """The transform of a length in units of the radii is the same for all atoms."""
    transform = AgnesiTransform().double()
    z = torch.tensor([1, 1, 92, 92])
    edge_index = torch.tensor([[0, 2], [1, 3]])
    length = 1.7 * transform.radii[torch.tensor([1, 92])]
    first, second = transform(z, edge_index, length).tolist()
    assert math.isclose(first, second, rel_tol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("transform", [AgnesiTransform(), SoftTransform()])
def test_derivatives_are_finite_at_zero(transform: Module, dtype: torch.dtype) -> None:
    r = torch.tensor([0.0, 1.5], dtype=dtype, requires_grad=True)
    out = transform.to(dtype)(Z, PAIR, r)
    assert out.dtype == dtype
    (first,) = torch.autograd.grad(out.sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), r)
    assert all(value.isfinite().all() for value in (out, first, second))


@pytest.mark.parametrize("transform", [AgnesiTransform(), SoftTransform()])
def test_gradcheck(transform: Module) -> None:
    r = torch.tensor([0.0, 0.7, 2.1, 5.0], dtype=torch.float64, requires_grad=True)
    edge_index = PAIR.repeat(1, 2)
    double = transform.double()
    assert torch.autograd.gradcheck(lambda r: double(Z, edge_index, r + 0.1), r)
    assert torch.autograd.gradgradcheck(lambda r: double(Z, edge_index, r + 0.1), r)


def test_what_is_no_transform_is_refused() -> None:
    with pytest.raises(ValueError, match="p > q > 0"):
        AgnesiTransform(q=5.0)
    with pytest.raises(ValueError, match="alpha=0"):
        SoftTransform(0)


def test_say_what_they_are() -> None:
    assert str(AgnesiTransform()) == "AgnesiTransform(0.9183, 4.5791, 1.0805)"
    assert str(SoftTransform().half()) == "SoftTransform(4)"
