"""Compiled activations equal those of torch, with derivatives of any order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.kernels import shifted_softplus, silu
from pyg_equivariant.kernels.activation import cpu, operator
from pyg_equivariant.kernels.c.build import compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
Function = Callable[[Tensor], Tensor]


def plain_silu(x: Tensor) -> Tensor:
    return x * x.sigmoid()


def plain_softplus(x: Tensor) -> Tensor:
    return -F.logsigmoid(-x) - math.log(2)


PAIRS = [(silu, plain_silu), (shifted_softplus, plain_softplus)]


class Counted:
    """The functions of a library, and which of them were called."""

    def __init__(self, built: Any, calls: list[str]) -> None:
        self.built, self.calls = built, calls

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self.built, name)


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kernel runs for any number of numbers; what was called."""
    found: list[str] = []
    library = cpu._library
    monkeypatch.setattr(cpu, "_library", lambda *form: Counted(library(*form), found))
    monkeypatch.setattr(operator, "_SMALLEST", 1)
    return found


@pytest.mark.parametrize("count", [1, 7, 16, 1001])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("found", "expected"), PAIRS)
def test_four_orders(
    found: Function,
    expected: Function,
    dtype: torch.dtype,
    count: int,
    calls: list[str],
) -> None:
    x = torch.linspace(-40, 30, count, dtype=dtype)
    factor = torch.linspace(-1, 2, count, dtype=dtype)
    results = []
    for function, wide in ((found, x), (expected, x.double())):
        inputs = wide.clone().requires_grad_(), factor.to(wide).requires_grad_()
        out, orders = function(inputs[0]), []
        for _ in range(5):
            orders.append(out)
            scalar = (out * inputs[1]).sin().sum()
            (out,) = torch.autograd.grad(scalar, inputs[:1], create_graph=True)
        results.append(orders)
    assert set(calls) == {"value", "gradient", "second"}
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    for k, (a, b) in enumerate(zip(*results, strict=True)):
        scale = float(b.detach().abs().max()) + 1
        error = float((a.double() - b).detach().abs().max())
        assert error <= 10**k * tolerance * scale, k


@pytest.mark.parametrize(("found", "expected"), PAIRS)
def test_far_away(found: Function, expected: Function, calls: list[str]) -> None:
    for dtype in (torch.float32, torch.float64):
        largest = torch.finfo(dtype).max
        far = [-largest, -1e4, -800.0, -100.0, 100.0, 800.0, 1e4, largest / 2]
        x = torch.tensor(far, dtype=dtype, requires_grad=True)
        out = found(x)
        assert torch.allclose(out, expected(x.detach()), atol=1e-6)
        (first,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        assert torch.allclose(first, (x > 0).to(dtype), atol=1e-6)
        (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
        assert torch.allclose(second, torch.zeros_like(x), atol=1e-6)
        assert found(torch.tensor([math.nan], dtype=dtype)).isnan()
    assert calls


@pytest.mark.parametrize("function", [silu, shifted_softplus])
def test_derivatives_by_differences(function: Function) -> None:
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert gradcheck(function, (x,))
    assert gradgradcheck(function, (x,))
    assert gradgradcheck(lambda x: function(x.t()[::2]), (x,))


def test_shapes_and_what_is_left_to_torch(calls: list[str]) -> None:
    x = torch.randn(4, 3, 5)
    for shape in ((), (1,), (5, 0), (4, 3, 5)):
        part = x.flatten()[: math.prod(shape)].view(shape)
        assert torch.allclose(silu(part), F.silu(part), atol=1e-6)
        assert silu(part).shape == shape
    calls.clear()
    assert silu(x.half()).dtype == torch.half
    torch.func.vmap(silu)(x)
    torch.func.jvp(silu, (x,), (x,))
    assert calls == []


@pytest.mark.parametrize("function", [silu, shifted_softplus])
def test_compiled_it_is_left_to_torch(function: Function, calls: list[str]) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(
        function, fullgraph=True, dynamic=True, backend="aot_eager"
    )
    x = torch.randn(7, 3)
    assert torch.allclose(compiled(x), function(x), atol=1e-6)
    assert calls == ["value"]


def test_operators_pass_the_checks_of_torch() -> None:
    x, grad, along = (
        torch.randn(7, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)
    )
    ops = torch.ops.pyg_equivariant
    torch.library.opcheck(ops.activation.default, (x, None, "silu"))
    torch.library.opcheck(ops.activation_gradient.default, (x, None, grad, "silu"))
    torch.library.opcheck(ops.activation_second.default, (x, None, grad, along, "silu"))
