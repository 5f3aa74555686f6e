"""A perceptron on lengths."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import NormMLP
from pyg_equivariant.testing import assert_equivariant

IRREPS = "4x0e+3x1o+1x0o+2x2e"


def filled(num_layers: int, eps: float = 1e-4) -> NormMLP:
    module = NormMLP(IRREPS, num_layers, eps).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))
    return module


@pytest.mark.parametrize("num_layers", [0, 1, 2])
def test_commutes_with_rotations_and_reflections(num_layers: int) -> None:
    module = filled(num_layers)
    assert repr(module) == f"NormMLP({module.irreps_in}, num_layers={num_layers})"
    x = module.irreps_in.randn(5, -1).double()
    assert_equivariant(module, [IRREPS], [IRREPS], [x])


def test_scalars_keep_their_sign_and_lose_their_size() -> None:
    module = NormMLP("4x0e", eps=0).double()
    x = torch.tensor([[1.0, -2.0, 3.0, -7.0]], dtype=torch.float64)
    norm = torch.nn.functional.layer_norm(x.abs(), (4,))
    torch.testing.assert_close(module(x), norm.relu() * x.sign())


def test_smooth_at_zero_vectors_with_eps_alone() -> None:
    smooth, sharp = filled(1, 1e-4), filled(1, 0.0)
    sharp.load_state_dict(smooth.state_dict())
    x = 1e-9 * smooth.irreps_in.randn(3, -1).double()
    assert smooth(x).abs().max() < 1e-5
    assert sharp(x).abs().max() > 1e-2
    assert not sharp(torch.zeros_like(x)).any()


@pytest.mark.parametrize("eps", [0.0, 1e-4])
def test_derivatives_are_finite_at_zero(eps: float) -> None:
    module = filled(0, eps)
    x = torch.zeros(2, module.irreps_in.dim, dtype=torch.float64, requires_grad=True)

    def total(x: Tensor) -> Tensor:
        return module(x).square().sum()

    (first,) = torch.autograd.grad(total(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert first.isfinite().all()
    assert second.isfinite().all()


def test_numbers_are_not_negative() -> None:
    with pytest.raises(ValueError, match="got -1"):
        NormMLP(IRREPS, num_layers=-1)
