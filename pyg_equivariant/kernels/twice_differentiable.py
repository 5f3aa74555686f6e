"""Operators with two derivatives in one pass each: value, gradient, second derivative.

The backward of each is the next. What comes after the second derivative is
differentiated in plain torch. They are opaque to ``torch.compile`` and
``torch.export``; where a call is eager and plain the dispatcher is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_real, check_tensor

from .dispatch import fast_or_plain, is_plain_call, kernel_for
from .registration import register_operator

Shape = tuple[int, ...]
Shapes = Callable[[Tensor, Any], tuple[Shape, "Shape | None", Shape]]


class Derivatives(Protocol):
    """A function and two derivatives, as the module ``cpu`` of a kernel defines them.

    ``shift`` is a vector that is added to the first numbers of every row of ``x``, or
    ``None``. ``form`` says which function it is.
    """

    def value(self, x: Tensor, shift: Any, form: Any) -> Tensor:
        """The function."""

    def gradient(self, x: Tensor, shift: Any, grad: Tensor, form: Any) -> Tensor:
        """What ``x`` receives from ``grad``."""

    def second(
        self, x: Tensor, shift: Any, grad: Tensor, along: Tensor, form: Any
    ) -> tuple[Tensor, Tensor]:
        """What ``grad`` and ``x`` receive if ``along`` arrives at the gradient."""


class Reference:
    """The derivatives that follow from the value: the specification of all others.

    Args:
        value: the function in plain torch, ``(x, shift, form)``.
    """

    def __init__(self, value: Callable[[Tensor, Any, Any], Tensor]) -> None:
        self.value = value

    def gradient(self, x: Tensor, shift: Any, grad: Tensor, form: Any) -> Tensor:
        """What ``x`` receives from ``grad``."""
        back = torch.func.vjp(lambda x: self.value(x, shift, form), x)[1]
        return back(grad)[0]

    def second(
        self, x: Tensor, shift: Any, grad: Tensor, along: Tensor, form: Any
    ) -> tuple[Tensor, Tensor]:
        """What ``grad`` and ``x`` receive if ``along`` arrives at the gradient."""
        back = torch.func.vjp(lambda g, x: self.gradient(x, shift, g, form), grad, x)[1]
        grad_grad, grad_x = back(along)
        return grad_grad, grad_x


class TwiceDifferentiable:
    """A function of rows as three operators.

    Args:
        name: of the operators.
        value: the specification in plain torch, ``(x, shift, form)``.
        cpu: the same and its derivatives by compiled C.
        parse: makes a form from the text that a saved graph holds.
        shapes: those of ``x``, of the shift and of the value, given ``x`` and the form.

    Attributes:
        value: the operator ``(x, shift, text)``.
        gradient: the operator ``(x, shift, grad, text)``.
        second: the operator ``(x, shift, grad, along, text)``.
    """

    value: Callable[..., Tensor]
    gradient: Callable[..., Tensor]
    second: Callable[..., tuple[Tensor, Tensor]]

    def __init__(
        self,
        name: str,
        value: Callable[[Tensor, Any, Any], Tensor],
        cpu: Derivatives,
        parse: Callable[[str], Any],
        shapes: Shapes,
    ) -> None:
        self.name = name
        self.reference = reference = Reference(value)
        self.parse = parse
        self.shapes = shapes
        self.value = self._register(
            "",
            "(Tensor x, Tensor? shift, str form) -> Tensor",
            self._run(cpu.value, reference.value),
            lambda x, _, text: x.new_empty(shapes(x, parse(text))[2]),
            self._value_backward,
        )
        self.gradient = self._register(
            "_gradient",
            "(Tensor x, Tensor? shift, Tensor grad, str form) -> Tensor",
            self._run(cpu.gradient, reference.gradient),
            lambda x, *_: x.new_empty(x.shape),
            self._gradient_backward,
        )
        self.second = self._register(
            "_second",
            "(Tensor x, Tensor? shift, Tensor grad, Tensor along, str form) "
            "-> (Tensor, Tensor)",
            self._run(cpu.second, reference.second),
            lambda x, _, grad, *__: (x.new_empty(grad.shape), x.new_empty(x.shape)),
            self._second_backward,
        )

    def _run(self, fast: Callable[..., Any], plain: Callable[..., Any]) -> Any:
        """A function of tensors and text, by the kernel that takes them."""

        def dense(*arguments: Any) -> Any:
            outputs = plain(*arguments)
            if isinstance(outputs, Tensor):
                return outputs.contiguous()
            return tuple(t.contiguous() for t in outputs)

        def run(*inputs: Any) -> Any:
            *tensors, text = inputs
            form = self.parse(text)
            self._check(tensors, form)
            if kernel_for(*tensors) == "c":
                return fast_or_plain(fast, dense, *tensors, form)
            return dense(*tensors, form)

        return run

    def _check(self, tensors: list[Tensor | None], form: Any) -> None:
        """Refuse what does not belong together: C trusts it."""
        first = tensors[0]
        check_real(first, "x")
        assert first is not None
        x, shift, out = self.shapes(first, form)
        names = "x", "shift", "grad", "along"
        for name, t, shape in zip(names, tensors, (x, shift, out, x), strict=False):
            if t is not None:
                check_tensor(t, name)
            got = None if t is None else tuple(t.shape)
            if got != shape:
                beside = "" if name == "x" else f" with x {tuple(first.shape)}"
                raise ValueError(
                    f"{self.name}: expected {name} {shape and tuple(shape)}{beside}, "
                    f"got {got}"
                )
            if t is not None and (t.dtype != first.dtype or t.device != first.device):
                raise ValueError(
                    f"{self.name}: expected {name} of {first.dtype} on {first.device}, "
                    f"as x, got {t.dtype} on {t.device}"
                )

    def _register(
        self,
        suffix: str,
        schema: str,
        run: Callable[..., Any],
        fake: Callable[..., Any],
        differentiate: Callable[..., Any],
    ) -> Callable[..., Any]:
        """An operator, called without the dispatcher where nobody looks on."""
        name = self.name + suffix
        operator = register_operator(name, schema, run, fake, differentiate, _save)

        class Direct(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                _save(ctx, inputs, None)
                return run(*inputs)

            backward = staticmethod(differentiate)

        apply: Callable[..., Any] = Direct.apply

        def call(*inputs: Any) -> Any:
            tensors = inputs[:-1]
            if not is_plain_call(*tensors):
                return operator(*inputs)
            if torch.is_grad_enabled():
                for t in tensors:
                    if t is not None and t.requires_grad:
                        return apply(*inputs)
            return run(*inputs)

        return call

    def _value_backward(self, ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, shift = ctx.saved_tensors
        grad_x = self.gradient(x, shift, grad, ctx.form)
        return grad_x, _of_shift(grad_x, shift, ctx), None

    def _gradient_backward(self, ctx: Any, along: Tensor) -> tuple[Tensor | None, ...]:
        x, shift, grad = ctx.saved_tensors
        grad_grad, grad_x = self.second(x, shift, grad, along, ctx.form)
        return grad_x, _of_shift(grad_x, shift, ctx), grad_grad, None

    def _second_backward(self, ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        again = torch.is_grad_enabled()
        with torch.enable_grad():
            given: list[Any] = [as_input(t) for t in ctx.saved_tensors]
            x, shift, grad, along = given
            form = self.parse(ctx.form)
            outputs = self.reference.second(x, shift, grad, along, form)
            inputs = [t for t in given if t is not None]
            # The second derivative of a linear function is constant
            pairs = zip(outputs, grads, strict=True)
            varying = [(out, grad) for out, grad in pairs if out.requires_grad]
            results = torch.autograd.grad(
                [out for out, _ in varying],
                inputs,
                [grad for _, grad in varying],
                create_graph=again,
                materialize_grads=True,
            )
        if shift is None:
            return results[0], None, *results[1:], None
        return *results, None


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.form = inputs
    ctx.save_for_backward(*tensors)


def _of_shift(grad_x: Tensor, shift: Tensor | None, ctx: Any) -> Tensor | None:
    """The shift is added to the first numbers of every row."""
    if shift is None or not ctx.needs_input_grad[1]:
        return None
    return grad_x[:, : len(shift)].sum(0)


def as_input(t: Tensor | None) -> Tensor | None:
    """A view: a derivative does not pass through what others were made from it."""
    if t is None:
        return None
    return t.view_as(t) if t.requires_grad else t.detach().requires_grad_()
