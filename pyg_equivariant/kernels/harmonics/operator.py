"""Spherical harmonics and their first two derivatives as operators.

They are opaque to ``torch.compile`` and ``torch.export``. The backward of each is the
next; what comes after the second derivative is differentiated in plain torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from .backend import dim_of, parse, run_gradient, run_second, run_value
from .reference import second_reference

_FORM = "str degrees, bool normalize, str normalization"
_harmonics_op = torch.library.custom_op(
    "pyg_equivariant::harmonics",
    run_value,
    mutates_args=(),
    schema=f"(Tensor vectors, {_FORM}) -> Tensor",
)
_gradient_op = torch.library.custom_op(
    "pyg_equivariant::harmonics_gradient",
    run_gradient,
    mutates_args=(),
    schema=f"(Tensor vectors, Tensor grad, {_FORM}) -> Tensor",
)
_second_op = torch.library.custom_op(
    "pyg_equivariant::harmonics_second",
    run_second,
    mutates_args=(),
    schema=f"(Tensor vectors, Tensor grad, Tensor along, {_FORM}) -> (Tensor, Tensor)",
)


@_harmonics_op.register_fake
def _(vectors: Tensor, degrees: str, normalize: bool, normalization: str) -> Tensor:
    return vectors.new_empty(vectors.shape[0], dim_of(degrees))


@_gradient_op.register_fake
def _(
    vectors: Tensor, grad: Tensor, degrees: str, normalize: bool, normalization: str
) -> Tensor:
    return vectors.new_empty(vectors.shape[0], 3)


@_second_op.register_fake
def _(
    vectors: Tensor,
    grad: Tensor,
    along: Tensor,
    degrees: str,
    normalize: bool,
    normalization: str,
) -> tuple[Tensor, Tensor]:
    by_grad = vectors.new_empty(vectors.shape[0], dim_of(degrees))
    return by_grad, vectors.new_empty(vectors.shape[0], 3)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, degrees, normalize, normalization = inputs
    ctx.save_for_backward(*tensors)
    ctx.form = degrees, normalize, normalization


def _value_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    (vectors,) = ctx.saved_tensors
    return gradient(vectors, grad, *ctx.form), None, None, None


def _gradient_backward(ctx: Any, along: Tensor) -> tuple[Tensor | None, ...]:
    by_grad, by_vectors = second(*ctx.saved_tensors, along, *ctx.form)
    return by_vectors, by_grad, None, None, None


def _second_backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
    # Views: a derivative by one argument is not to pass through another.
    form = parse(ctx.form[0]), *ctx.form[1:]
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        given = [t.view_as(t) for t in ctx.saved_tensors]
        given = [t if t.requires_grad else t.requires_grad_() for t in given]
        vectors, grad, along = given
        results = second_reference(vectors, grad, along, form)
        found = torch.autograd.grad(
            results, given, grads, create_graph=again, materialize_grads=True
        )
    return *found, None, None, None


_harmonics_op.register_autograd(_value_backward, setup_context=_save)
_gradient_op.register_autograd(_gradient_backward, setup_context=_save)
_second_op.register_autograd(_second_backward, setup_context=_save)


def _callable(
    operator: Any, run: Callable[..., Any], derive: Callable[..., Any]
) -> Callable[..., Any]:
    """The operator, without its way through the dispatcher where nobody looks on."""

    class Direct(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            _save(ctx, inputs, None)
            return run(*inputs)

        backward = staticmethod(derive)

    apply: Callable[..., Any] = Direct.apply

    def call(*inputs: Any) -> Any:
        plain = (
            not torch.compiler.is_compiling()
            and type(inputs[0]) in (Tensor, Parameter)
            and torch._C._len_torch_dispatch_stack() == 0
        )
        if not plain:
            return operator(*inputs)
        needed = torch.is_grad_enabled() and any(
            isinstance(t, Tensor) and t.requires_grad for t in inputs
        )
        return apply(*inputs) if needed else run(*inputs)

    return call


harmonics = _callable(_harmonics_op, run_value, _value_backward)
gradient = _callable(_gradient_op, run_gradient, _gradient_backward)
second = _callable(_second_op, run_second, _second_backward)
