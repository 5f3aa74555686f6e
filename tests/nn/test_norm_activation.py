"""Activation of lengths."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from pyg_equivariant.nn import NormActivation
from pyg_equivariant.testing import assert_equivariant, random_irreps


def filled(*args, **kwargs) -> NormActivation:
    module = NormActivation(*args, **kwargs).double()
    if module.bias is not None:
        torch.nn.init.normal_(module.bias)
    return module


@pytest.mark.parametrize("seed", range(25))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    act = ("silu", "tanh", torch.sigmoid)[seed % 3]
    module = filled(random_irreps(generator), act, bias=seed % 2 == 0)
    assert_equivariant(module, generator=generator)


def test_lengths_are_activated_and_directions_kept() -> None:
    module = filled("2x0e+3x1o", F.softplus, eps=1e-30)
    x = module.irreps_in.randn(5, -1, dtype=torch.float64)
    y = module(x)
    torch.testing.assert_close(y[:, :2], F.softplus(x[:, :2]))
    v, w = x[:, 2:].view(5, 3, 3), y[:, 2:].view(5, 3, 3)
    length = v.norm(dim=1)
    torch.testing.assert_close(w.norm(dim=1), F.softplus(length + module.bias).abs())
    torch.testing.assert_close(F.normalize(w, dim=1), F.normalize(v, dim=1))


def test_odd_scalars_have_a_length_too() -> None:
    module = NormActivation("2x0o", "relu", bias=False, eps=1e-30).double()
    x = torch.tensor([[2.0, -3.0]], dtype=torch.float64)
    torch.testing.assert_close(module(x), x)
    assert NormActivation("2x0o").bias.shape == (2,)
    assert NormActivation("2x0e").bias is None


def test_scalars_may_have_a_length_too() -> None:
    """With a bias of their own, as in the N-body networks of the SE(3)-Transformer."""
    module = filled("3x0e+2x1o", "relu", eps=0.0, scalars=True)
    assert module.bias.shape == (5,)
    x = module.irreps_in.randn(5, -1, dtype=torch.float64)
    x[0] = 0
    expected = F.relu(x[:, :3].abs() + module.bias[:3]) * x[:, :3].sign()
    torch.testing.assert_close(module(x)[:, :3], expected)
    assert not module(x)[0].any()
    fresh = NormActivation("500x0e", scalars=True).requires_grad_(False)
    assert 0.8 < fresh.bias.std() < 1.2


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    module = filled("2x0e+2x1o+1x2e")
    x = module.irreps_in.randn(3, -1, dtype=torch.float64)
    x[0] = 0
    x[1, 2:5] = 0
    check_derivatives(module, x)


def test_zero_vectors_stay_zero_with_finite_derivatives() -> None:
    for dtype in (torch.float32, torch.float64):
        module = filled("1x1o").to(dtype)
        x = torch.zeros(1, 3, dtype=dtype, requires_grad=True)
        y = module(x)
        assert torch.equal(y, torch.zeros_like(y))
        (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        assert first.isfinite().all()
        assert second.isfinite().all()


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"eps.* got 0"):
        NormActivation("1o", eps=0)
    with pytest.raises(ValueError, match="'sofplus'"):
        NormActivation("1o", "sofplus")


def test_repr() -> None:
    assert repr(NormActivation("8x0e+4x1o")) == "NormActivation(8x0e+4x1o, act=silu)"
