from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.nn.activation import (
    Activation,
    SecondMomentActivation,
    ShiftedSoftplus,
    resolve_activation,
    shifted_softplus,
)
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant

NAMES = ["silu", "ssp", "relu", "gelu", "elu", "softplus", "sigmoid", "tanh", "abs"]


def test_repr() -> None:
    assert repr(SecondMomentActivation("tanh", 2.0)) == (
        "SecondMomentActivation(tanh, constant=2)"
    )
    assert repr(Activation("8x0e+4x0o+2x1o", [F.silu, torch.abs, None])) == (
        "Activation(8x0e+4x0o+2x1o -> 8x0e+4x0e+2x1o, [silu, abs, None])"
    )


def test_shifted_softplus_is_the_formula() -> None:
    x = torch.tensor([-1e3, -50, -1, 0, 1, 19.9, 20.1, 39, 41, 1e3]).double()
    exact = torch.logaddexp(x, torch.zeros_like(x)) - torch.tensor(2.0).double().log()
    for act in (shifted_softplus, ShiftedSoftplus(), resolve_activation("ssp")):
        torch.testing.assert_close(act(x), exact, rtol=1e-15, atol=1e-15)
    assert shifted_softplus(torch.zeros(1)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_of_every_activation(name: str) -> None:
    act = resolve_activation(name)
    x = torch.tensor([-30.0, -2, -0.5, 0.3, 1.7, 25, 60], dtype=torch.float64)
    assert gradcheck(act, x.requires_grad_())
    assert gradgradcheck(act, x)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivatives_are_finite_far_out(name: str, dtype: torch.dtype) -> None:
    x = torch.tensor([-1e4, -200.0, -90, 0, 90, 200, 1e4], dtype=dtype)
    x.requires_grad_()
    y = resolve_activation(name)(x)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert y.isfinite().all()
    assert first.isfinite().all()
    if first.requires_grad:
        (second,) = torch.autograd.grad(first.sum(), x)
        assert second.isfinite().all()


def test_unknown_names_are_listed() -> None:
    with pytest.raises(ValueError, match=r"act='swish', expected .*'silu'"):
        resolve_activation("swish")


def test_normalized_activation_multiplies(generator: torch.Generator) -> None:
    x = torch.randn(1000, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        SecondMomentActivation("silu")(x), F.silu(x) * 1.676532470331092
    )
    torch.testing.assert_close(
        SecondMomentActivation(torch.tanh, 3.0)(x), 3 * torch.tanh(x)
    )
    torch.testing.assert_close(
        SecondMomentActivation(F.silu, "e3nn")(x), F.silu(x) * 1.6791767923989418
    )
    assert torch.equal(SecondMomentActivation("silu", 1)(x), F.silu(x))


def test_activation_acts_block_by_block(generator: torch.Generator) -> None:
    irreps = Irreps("3x0e+2x0o+2x1o+2x0o")
    module = Activation(irreps, ["silu", torch.tanh, None, torch.square])
    assert module.irreps_in == irreps
    assert module.irreps_out == Irreps("3x0e+2x0o+2x1o+2x0e")
    x = irreps.randn(6, -1, generator=generator, dtype=torch.float64)
    scalars, odd, vectors, squared = x.split([3, 2, 6, 2], dim=-1)
    expected = [
        F.silu(scalars) * 1.676532470331092,
        torch.tanh(odd) * 1.592537419722832,
        vectors,
        squared.square() / 3**0.5,
    ]
    torch.testing.assert_close(module(x), torch.cat(expected, dim=-1))
    plain = Activation(irreps, ["silu", "tanh", None, "abs"], normalize=False)
    expected = [F.silu(scalars), torch.tanh(odd), vectors, squared.abs()]
    assert torch.equal(plain(x), torch.cat(expected, dim=-1))


def test_constants_of_an_activation() -> None:
    def constants(*args: Any) -> list[float]:
        return [act.constant for act in Activation(*args).acts]

    acts = [F.silu, torch.tanh]
    assert constants("2x0e+0o", acts, True, True) == [
        1.6791767923989418,
        1.5937334472592695,
    ]
    assert constants("2x0e+0o", acts, False) == [1, 1]
    own = SecondMomentActivation("silu", 5.0)
    assert constants("2x0e+0o", [own, "tanh"], False) == [5, 1]


@pytest.mark.parametrize(
    ("irreps", "acts"),
    [
        ("4x0e+3x0o+2x1o+1x1e", ["silu", "tanh", None, None]),
        ("2x0o+4x0e+3x0o", ["abs", "sigmoid", torch.sin]),
        ("2x0o+0x0e+1x2e", [None, "silu", None]),
        ("", []),
    ],
)
def test_equivariance(irreps: str, acts: list[Any]) -> None:
    assert_equivariant(Activation(irreps, acts))


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    module = Activation("2x0e+2x0o+1x1o", ["silu", "tanh", None])
    check_derivatives(module, torch.randn(3, 7, dtype=torch.float64))


def test_a_plain_module() -> None:
    module = Activation("2x0e+2x0o", ["ssp", torch.tanh])
    assert not module.state_dict()
    x = torch.randn(5, 4)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(x), module(x))
    for dtype in (torch.bfloat16, torch.float64):
        y = module(x.to(dtype))
        assert y.dtype == dtype
        torch.testing.assert_close(y.float(), module(x), rtol=2e-2, atol=2e-2)
    assert module(torch.randn(0, 4)).shape == (0, 4)


def test_a_module_with_parameters_is_a_submodule() -> None:
    act = torch.nn.PReLU(dtype=torch.float64)
    module = Activation("2x0e", [act])
    assert list(module.parameters()) == [act.weight]


def test_compiles_without_graph_breaks() -> None:
    torch._dynamo.reset()
    module = Activation("2x0e+2x0o+1x1o", ["silu", "tanh", None])
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for n in (3, 5):
        x = torch.randn(n, 7)
        torch.testing.assert_close(compiled(x), module(x))


@pytest.mark.parametrize("act", ["silu", "relu", torch.exp, lambda x: x + x * x])
def test_odd_scalars_need_a_parity(act: str | Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ValueError, match="neither even nor odd"):
        Activation("2x0o", [act])


def test_errors_say_what_came() -> None:
    with pytest.raises(ValueError, match="each of the 2 blocks"):
        Activation("2x0e+2x0o", ["silu"])
    with pytest.raises(ValueError, match="each of the 4 blocks"):
        Activation("0e+0e+0e+0e", "silu")
    with pytest.raises(ValueError, match="'silu' for 2x1o"):
        Activation("2x1o", ["silu"])
    with pytest.raises(ValueError, match="expected 4 numbers"):
        Activation("4x0e", ["silu"])(torch.randn(2, 3))
    with pytest.raises(TypeError, match=r"torch\.int64"):
        Activation("4x0e", ["silu"])(torch.ones(2, 4, dtype=torch.long))
