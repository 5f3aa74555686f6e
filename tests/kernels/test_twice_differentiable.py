"""One registration of a value and two derivatives, with a toy in place of C."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.flop_counter import FlopCounterMode

from pyg_equivariant.kernels import twice_differentiable
from pyg_equivariant.kernels.c.build import BuildError
from pyg_equivariant.kernels.environment import said
from pyg_equivariant.kernels.twice_differentiable import TwiceDifferentiable

calls: list[str] = []


def _shifted(x: Tensor, shift: Tensor | None) -> Tensor:
    if shift is None:
        return x
    return torch.cat([x[:, : len(shift)] + shift, x[:, len(shift) :]], dim=1)


class Power:
    """The power of every number, of which the first are shifted."""

    def value(self, x: Tensor, shift: Tensor | None, n: int) -> Tensor:
        return _shifted(x, shift) ** n

    def gradient(self, x: Tensor, shift: Tensor | None, grad: Tensor, n: int) -> Tensor:
        return n * _shifted(x, shift) ** (n - 1) * grad

    def second(
        self, x: Tensor, shift: Tensor | None, grad: Tensor, along: Tensor, n: int
    ) -> tuple[Tensor, Tensor]:
        y = _shifted(x, shift)
        return n * y ** (n - 1) * along, n * (n - 1) * y ** (n - 2) * grad * along


class CountedPower(Power):
    """The same, noting its calls."""

    def __getattribute__(self, name: str) -> Any:
        run = super().__getattribute__(name)

        def counted(*arguments: Any) -> Any:
            calls.append(name)
            return run(*arguments)

        return counted


def _shapes(x: Tensor, n: int) -> tuple[Any, Any, Any]:
    return (*x.shape[:1], 4), (2,), (*x.shape[:1], 4)


toy = TwiceDifferentiable("toy_power", Power().value, CountedPower(), int, _shapes)


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy counts as compiled, whether or not there is a compiler."""
    calls.clear()
    monkeypatch.setattr(twice_differentiable, "kernel_for", lambda *tensors: "c")


def _inputs() -> list[Tensor]:
    torch.manual_seed(0)
    shapes = (3, 4), (2,), (3, 4), (3, 4)
    return [torch.rand(s, dtype=torch.float64, requires_grad=True) for s in shapes]


def test_each_derivative_is_one_call() -> None:
    x, shift, grad, along = _inputs()
    out = toy.value(x, shift, "5")
    (first,) = torch.autograd.grad(out, x, grad, create_graph=True)
    second = torch.autograd.grad(first, (x, grad), along, create_graph=True)
    assert calls == ["value", "gradient", "second"]
    torch.autograd.grad(sum(t.sum() for t in second), (x, shift, grad, along))
    assert calls == ["value", "gradient", "second"]


def test_four_derivatives_are_those_of_torch() -> None:
    x, shift, *_ = _inputs()
    results = []
    for value in (lambda: toy.value(x, shift, "5"), lambda: _shifted(x, shift) ** 5):
        out, orders = value(), []
        for _ in range(5):
            orders.append(out)
            grads = torch.autograd.grad(
                out.sin().sum(), (x, shift), create_graph=True, materialize_grads=True
            )
            out = torch.cat([g.flatten() for g in grads])
        results.append(orders)
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_derivatives_of_the_specification_follow_from_its_value() -> None:
    x, shift, grad, along = _inputs()
    for function in (toy.reference.gradient, Power().gradient):
        out = function(x, shift, grad, 5)
        results = torch.autograd.grad(out, (x, shift, grad), along, create_graph=True)
        second = toy.reference.second(x, shift, grad, along, 5)
        torch.testing.assert_close((results[2], results[0]), second)
        torch.testing.assert_close(Power().second(x, shift, grad, along, 5), second)
    # below autograd, where operators run, and differentiated once more
    with torch.no_grad():
        out = toy.reference.gradient(x, shift, grad, 5)
    torch.testing.assert_close(out, Power().gradient(x, shift, grad, 5))
    assert gradcheck(lambda *t: toy.reference.second(*t, 5), (x, shift, grad, along))


def test_numerical_derivatives() -> None:
    x, shift, grad, along = _inputs()
    assert gradcheck(lambda *t: toy.value(*t, "3"), (x, shift))
    assert gradgradcheck(lambda *t: toy.value(*t, "3"), (x, shift))
    assert gradgradcheck(lambda *t: toy.gradient(*t, "3"), (x, shift, grad))
    assert gradcheck(lambda *t: toy.second(*t, "3"), (x, shift, grad, along))


def test_an_argument_that_depends_on_another_is_a_constant_to_it() -> None:
    x, shift, _, along = _inputs()
    results = []
    for second, form in ((toy.second, "4"), (Power().second, 4)):
        grad = 2 * x  # its graph holds x
        outputs = second(x, shift, grad, along, form)
        total = outputs[0].sin().sum() + outputs[1].cos().sum()
        results.append(torch.autograd.grad(total, (x, shift, along)))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


def test_the_same_through_the_dispatcher() -> None:
    x, shift, grad, along = _inputs()
    operators = torch.ops.pyg_equivariant
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    for operator, tensors in (
        (operators.toy_power, (x, shift)),
        (operators.toy_power_gradient, (x, shift, grad)),
        (operators.toy_power_second, (x, shift, grad, along)),
    ):
        torch.library.opcheck(operator.default, (*tensors, "3"), test_utils=checks)
    with FlopCounterMode(display=False):  # a mode looks on
        out = toy.value(x, shift, "3")
    torch.testing.assert_close(out, toy.value(x, shift, "3"))


def test_gradients_in_batches() -> None:
    x, shift, *_ = _inputs()
    out = toy.value(x, shift, "3")
    batch = torch.eye(out.numel(), dtype=out.dtype).view(-1, *out.shape)
    (found,) = torch.autograd.grad(
        out, x, batch, retain_graph=True, is_grads_batched=True
    )
    rows = [torch.autograd.grad(out, x, grad, retain_graph=True)[0] for grad in batch]
    torch.testing.assert_close(found, torch.stack(rows))


def test_compiled_it_is_one_operator() -> None:
    torch._dynamo.reset()
    x, shift, *_ = _inputs()
    compiled = torch.compile(
        lambda x, shift: toy.value(x, shift, "3").sin(),
        fullgraph=True,
        dynamic=True,
        backend="aot_eager",
    )
    expected = toy.value(x, shift, "3").sin()
    found = compiled(x, shift)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found.sum(), (x, shift)),
        torch.autograd.grad(expected.sum(), (x, shift)),
    )


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    x, shift, grad, along = (t.detach() for t in _inputs())
    for arguments, message in (
        ((x[:, :3], shift), r"toy_power: expected x \(3, 4\), got .*3, 3"),
        ((x[0], shift), "expected x"),
        ((x, shift[:1]), r"expected shift \(2,\)"),
        ((x, None), "expected shift"),
    ):
        with pytest.raises(ValueError, match=message):
            toy.value(*arguments, "3")
    with pytest.raises(ValueError, match="expected grad"):
        toy.gradient(x, shift, grad[:2], "3")
    with pytest.raises(ValueError, match="expected along"):
        toy.second(x, shift, grad, along[:, :1], "3")
    assert not calls


def test_a_kernel_that_cannot_be_built_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: Any) -> Tensor:
        raise BuildError("refused")

    cpu = SimpleNamespace(value=refuse, gradient=refuse, second=refuse)
    other = TwiceDifferentiable("toy_refused", Power().value, cpu, int, _shapes)
    x, shift, *_ = _inputs()
    said.clear()
    with pytest.warns(UserWarning, match="refused; plain torch"):
        out = other.value(x, shift, "3")
    torch.testing.assert_close(out, toy.value(x, shift, "3"))
    said.clear()
