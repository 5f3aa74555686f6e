"""The radial functions of Cormorant."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.nn.models._trig_basis import TrigPowerBasis


def test_begins_with_sines_and_cosines_over_powers() -> None:
    basis = TrigPowerBasis(2, 1).double()
    r = torch.tensor([0.3, 1.7], dtype=torch.float64)
    waves = [torch.ones(2).double()]  # in place of the sine of nothing
    waves += [torch.sin(2 * math.pi * a * r) for a in (1, 2)]
    waves += [torch.cos(2 * math.pi * a * r) for a in (0, 1, 2)]
    expected = torch.stack([w / r**p for w in waves for p in (0, 1)], dim=-1)
    torch.testing.assert_close(basis(r), expected, rtol=1e-6, atol=1e-6)


def test_is_zero_at_zero_with_finite_derivatives() -> None:
    basis = TrigPowerBasis(1, 3).double()
    r = torch.tensor([0.0, 0.8], dtype=torch.float64, requires_grad=True)
    assert not basis(r)[0].any()
    (first,) = torch.autograd.grad(basis(r).sin().sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), r)
    assert first[0] == second[0] == 0
    assert second.isfinite().all()
    inside = torch.tensor([0.4, 0.8], dtype=torch.float64, requires_grad=True)
    assert gradcheck(basis, (inside,))
    assert gradgradcheck(basis, (inside,))


@pytest.mark.parametrize("sizes", [(-1, 1), (1, -1)])
def test_sizes_are_not_negative(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        TrigPowerBasis(*sizes)
