"""A gate and its first two derivatives as operators, each one pass over its rows.

The backward of each operator is the next; what comes after the second derivative is
differentiated in plain torch.
"""

from __future__ import annotations

import ctypes
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor

from ..compiled.build import BuildError, build, compiler, compiler_or_warning, warn_once
from ..compiled.memory import REAL, new_rows
from ..compiled.observed import transformed
from .reference import (
    GateForm,
    gradient_reference,
    second_reference,
    value_reference,
)
from .source import gate_source

_ROWS_PER_THREAD = 64


@cache
def _library(real: str) -> ctypes.CDLL | None:
    """The compiled functions, or ``None`` without them."""
    if not compiler_or_warning():
        return None
    try:
        library = build(gate_source(real))
    except BuildError as error:
        warn_once(f"{error}; plain torch runs instead")
        return None
    factor = ctypes.c_float if real == "float" else ctypes.c_double
    size, pointer = ctypes.c_int64, ctypes.c_void_p
    common: list[Any] = [ctypes.c_int, size, size, pointer, size, factor, factor]
    common += [pointer, size, pointer]
    library.value.argtypes = [*common, pointer, size]
    library.gradient.argtypes = [*common, pointer, size, pointer]
    library.second.argtypes = [*common, pointer, size, *[pointer] * 3]
    for function in (library.value, library.gradient, library.second):
        function.restype = None
    return library


@lru_cache(maxsize=256)
def _places(text: str) -> Tensor:
    return torch.tensor(GateForm.parse(text).blocks, dtype=torch.int64)


def _compiled(x: Tensor) -> ctypes.CDLL | None:
    on_cpu = x.device.type == "cpu" and x.dtype in REAL
    return _library(REAL[x.dtype]) if on_cpu else None


def _common(x: Tensor, bias: Tensor, text: str) -> tuple[Any, ...]:
    form, blocks = GateForm.parse(text), _places(text)
    threads = max(1, min(torch.get_num_threads(), len(x) // _ROWS_PER_THREAD))
    return (
        *(threads, len(x), form.scalars, blocks.data_ptr(), len(blocks)),
        *(form.by_scalar, form.by_gate, x.data_ptr(), form.x_dim, bias.data_ptr()),
    )


def _value(x: Tensor, bias: Tensor, form: str) -> Tensor:
    library, dim = _compiled(x), GateForm.parse(form).out_dim
    if library is None:
        return value_reference(x, bias, GateForm.parse(form))
    x, bias = x.contiguous(), bias.contiguous()
    out = new_rows(len(x), dim, x)
    library.value(*_common(x, bias, form), out.data_ptr(), dim)
    return out


def _gradient(x: Tensor, bias: Tensor, grad: Tensor, form: str) -> Tensor:
    library = _compiled(x)
    if library is None:
        return gradient_reference(x, bias, grad, GateForm.parse(form))
    x, bias, grad = x.contiguous(), bias.contiguous(), grad.contiguous()
    dx = new_rows(len(x), x.shape[1], x)
    given = grad.data_ptr(), grad.shape[1]
    library.gradient(*_common(x, bias, form), *given, dx.data_ptr())
    return dx


def _second(
    x: Tensor, bias: Tensor, grad: Tensor, along: Tensor, form: str
) -> tuple[Tensor, Tensor]:
    library = _compiled(x)
    if library is None:
        return second_reference(x, bias, grad, along, GateForm.parse(form))
    x, bias, grad, along = (t.contiguous() for t in (x, bias, grad, along))
    by_grad = new_rows(len(x), grad.shape[1], x)
    by_x = new_rows(len(x), x.shape[1], x)
    given = grad.data_ptr(), grad.shape[1], along.data_ptr()
    results = by_grad.data_ptr(), by_x.data_ptr()
    library.second(*_common(x, bias, form), *given, *results)
    return by_grad, by_x


gate = torch.library.custom_op(
    "pyg_equivariant::gate",
    _value,
    mutates_args=(),
    schema="(Tensor x, Tensor bias, str form) -> Tensor",
)
gradient = torch.library.custom_op(
    "pyg_equivariant::gate_gradient",
    _gradient,
    mutates_args=(),
    schema="(Tensor x, Tensor bias, Tensor grad, str form) -> Tensor",
)
second = torch.library.custom_op(
    "pyg_equivariant::gate_second",
    _second,
    mutates_args=(),
    schema="(Tensor x, Tensor bias, Tensor grad, Tensor along, str form) "
    "-> (Tensor, Tensor)",
)


@gate.register_fake
def _(x: Tensor, bias: Tensor, form: str) -> Tensor:
    return x.new_empty(x.shape[0], GateForm.parse(form).out_dim)


@gradient.register_fake
def _(x: Tensor, bias: Tensor, grad: Tensor, form: str) -> Tensor:
    return x.new_empty(x.shape)


@second.register_fake
def _(
    x: Tensor, bias: Tensor, grad: Tensor, along: Tensor, form: str
) -> tuple[Tensor, Tensor]:
    return x.new_empty(grad.shape), x.new_empty(x.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.form = inputs
    ctx.save_for_backward(*tensors)


def _of_bias(by_x: Tensor, bias: Tensor, needed: bool) -> Tensor | None:
    """The bias is added to the first numbers of every row."""
    return by_x[:, : len(bias)].sum(0) if needed else None


def _value_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, bias = ctx.saved_tensors
    by_x = gradient(x, bias, grad, ctx.form)
    return by_x, _of_bias(by_x, bias, ctx.needs_input_grad[1]), None


def _gradient_backward(ctx: Any, along: Tensor) -> tuple[Tensor | None, ...]:
    x, bias, grad = ctx.saved_tensors
    by_grad, by_x = second(x, bias, grad, along, ctx.form)
    return by_x, _of_bias(by_x, bias, ctx.needs_input_grad[1]), by_grad, None


def _second_backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        given = [
            t.view_as(t) if t.requires_grad else t.detach().requires_grad_()
            for t in ctx.saved_tensors
        ]
        x, bias, grad, along = given
        found = second_reference(x, bias, grad, along, GateForm.parse(ctx.form))
        back = torch.autograd.grad(
            found, given, grads, create_graph=again, materialize_grads=True
        )
    return *back, None


gate.register_autograd(_value_backward, setup_context=_save)
gradient.register_autograd(_gradient_backward, setup_context=_save)
second.register_autograd(_second_backward, setup_context=_save)


class FusedGate:
    """SiLU on scalars and sigmoid gates, with a bias, as one operation.

    Args:
        form: what is where.
    """

    def __init__(self, form: GateForm) -> None:
        self.form = form.text()
        self.num_biases = form.scalars + form.gates
        self._compiles = compiler() is not None

    def is_fast_for(self, x: Tensor) -> bool:
        """Whether there is a compiled backend for such a tensor."""
        on_cpu = x.device.type == "cpu" and x.is_floating_point()
        return self._compiles and on_cpu and not transformed()

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """The gate of ``x``, whose scalars are shifted by ``bias``.

        Numbers below float32 are taken to float32 between.
        """
        wide = torch.promote_types(x.dtype, torch.float32)
        bias = x.new_zeros(self.num_biases) if bias is None else bias
        out = gate(x.to(wide).reshape(-1, x.shape[-1]), bias.to(wide), self.form)
        return out.reshape(*x.shape[:-1], out.shape[-1]).to(x.dtype)
