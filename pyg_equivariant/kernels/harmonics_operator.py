"""Spherical harmonics and their first two derivatives as operators.

They are opaque to ``torch.compile`` and ``torch.export``. The backward of each is the
next; what comes after the second derivative is differentiated in plain torch.
"""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from .c_backend import REAL, new_rows
from .c_build import BuildError, build
from .harmonics_reference import (
    gradient_reference,
    harmonics_reference,
    second_reference,
)
from .harmonics_source import c_source
from .trilinear import compiler_or_warning

_PER_THREAD = 1 << 20  # numbers: 0.3 ms of work, well above the cost of a barrier
LARGEST = 12  # the highest degree with a kernel: text grows like its square


def _parse(degrees: str) -> tuple[int, ...]:
    return tuple(map(int, degrees.split()))


@lru_cache(maxsize=256)
def _kernels(
    degrees: str, normalize: bool, normalization: str, dtype: torch.dtype
) -> Any:
    """The compiled library, or ``None`` without one."""
    ls = _parse(degrees)
    if dtype not in REAL or not 0 < max(ls) <= LARGEST or not compiler_or_warning():
        return None
    try:
        library = build(c_source(ls, normalize, normalization, REAL[dtype]))
    except BuildError as error:
        warnings.warn(f"{error}; plain torch runs instead", stacklevel=2)
        return None
    integers: list[Any] = [ctypes.c_int, ctypes.c_int64]
    pointer, step = ctypes.c_void_p, ctypes.c_int64
    library.value.argtypes = [*integers, pointer, pointer]
    library.gradient.argtypes = [*integers, pointer, pointer, step, pointer]
    library.second.argtypes = [
        *integers,
        *(pointer, pointer, step, pointer),
        *(pointer, pointer),
    ]
    for run in (library.value, library.gradient, library.second):
        run.restype = None
    return library


@lru_cache(maxsize=256)
def _dim(degrees: str) -> int:
    return sum(2 * l + 1 for l in _parse(degrees))


def _threads(count: int, degrees: str) -> int:
    wanted = count * _dim(degrees) // _PER_THREAD
    return max(1, min(torch.get_num_threads(), wanted))


def _rows(grad: Tensor, dim: int) -> Tensor:
    """The same numbers, rows consecutive and apart."""
    apart = grad.stride(1) == 1 and grad.stride(0) >= dim
    return grad if apart else grad.contiguous()


def _value(
    vectors: Tensor, degrees: str, normalize: bool, normalization: str
) -> Tensor:
    library = None
    if vectors.device.type == "cpu":
        library = _kernels(degrees, normalize, normalization, vectors.dtype)
    if library is None:
        form = _parse(degrees), normalize, normalization
        return harmonics_reference(vectors, form).contiguous()
    count, vectors = vectors.shape[0], vectors.contiguous()
    out = new_rows(count, _dim(degrees), vectors)
    library.value(_threads(count, degrees), count, vectors.data_ptr(), out.data_ptr())
    return out


def _gradient(
    vectors: Tensor, grad: Tensor, degrees: str, normalize: bool, normalization: str
) -> Tensor:
    library = None
    if vectors.device.type == "cpu":
        library = _kernels(degrees, normalize, normalization, vectors.dtype)
    if library is None:
        form = _parse(degrees), normalize, normalization
        return gradient_reference(vectors, grad, form)
    count, vectors = vectors.shape[0], vectors.contiguous()
    grad = _rows(grad, _dim(degrees))
    out = vectors.new_empty(count, 3)
    library.gradient(
        *(_threads(count, degrees), count, vectors.data_ptr(), grad.data_ptr()),
        *(grad.stride(0), out.data_ptr()),
    )
    return out


def _second(
    vectors: Tensor,
    grad: Tensor,
    along: Tensor,
    degrees: str,
    normalize: bool,
    normalization: str,
) -> tuple[Tensor, Tensor]:
    library = None
    if vectors.device.type == "cpu":
        library = _kernels(degrees, normalize, normalization, vectors.dtype)
    if library is None:
        form = _parse(degrees), normalize, normalization
        return second_reference(vectors, grad, along, form)
    count, dim = vectors.shape[0], _dim(degrees)
    vectors, along, grad = vectors.contiguous(), along.contiguous(), _rows(grad, dim)
    by_grad, by_vectors = new_rows(count, dim, vectors), vectors.new_empty(count, 3)
    library.second(
        *(_threads(count, degrees), count, vectors.data_ptr(), grad.data_ptr()),
        *(grad.stride(0), along.data_ptr(), by_grad.data_ptr(), by_vectors.data_ptr()),
    )
    return by_grad, by_vectors


_FORM = "str degrees, bool normalize, str normalization"
_harmonics_op = torch.library.custom_op(
    "pyg_equivariant::harmonics",
    _value,
    mutates_args=(),
    schema=f"(Tensor vectors, {_FORM}) -> Tensor",
)
_gradient_op = torch.library.custom_op(
    "pyg_equivariant::harmonics_gradient",
    _gradient,
    mutates_args=(),
    schema=f"(Tensor vectors, Tensor grad, {_FORM}) -> Tensor",
)
_second_op = torch.library.custom_op(
    "pyg_equivariant::harmonics_second",
    _second,
    mutates_args=(),
    schema=f"(Tensor vectors, Tensor grad, Tensor along, {_FORM}) -> (Tensor, Tensor)",
)


@_harmonics_op.register_fake
def _(vectors: Tensor, degrees: str, normalize: bool, normalization: str) -> Tensor:
    return vectors.new_empty(vectors.shape[0], _dim(degrees))


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
    by_grad = vectors.new_empty(vectors.shape[0], _dim(degrees))
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
    form = _parse(ctx.form[0]), *ctx.form[1:]
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


harmonics = _callable(_harmonics_op, _value, _value_backward)
gradient = _callable(_gradient_op, _gradient, _gradient_backward)
second = _callable(_second_op, _second, _second_backward)
