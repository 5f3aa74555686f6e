"""Matrix products of float32 and float64 on processors that torch's library neglects.

Torch's builds for x86 multiply matrices with MKL, which runs at less than half of its
speed on processors of AMD. There, large products run as C compiled for the processor;
everywhere else, and for anything but plain tensors on the CPU, as torch's own.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..compiled.build import BuildError, build
from ..compiled.memory import REAL, new_rows
from ..compiled.observed import transformed
from .matmul_source import matmul_source

_SMALLEST = 1 << 22  # products of numbers: below, calling costs more than it saves
_NARROWEST = 8  # rows and columns of a result


def matmul(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """``a @ b + bias`` with derivatives of any order.

    Args:
        a: ``(*, k)``.
        b: ``(k, n)``.
        bias: ``(n,)``.

    Example:
        >>> matmul(torch.ones(4, 2), torch.eye(2), torch.ones(2))[0]
        tensor([2., 2.])
    """
    if not _is_faster(a, b, bias):
        return a @ b if bias is None else F.linear(a, b.t(), bias)
    out: Tensor = _Matmul.apply(a.flatten(0, -2), b, bias)  # type: ignore[no-untyped-call]
    return out if a.dim() == 2 else out.unflatten(0, a.shape[:-1])


class _Matmul(torch.autograd.Function):
    """The derivatives of a product are products."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(a, b)
        (m, k), n = a.shape, b.shape[1]
        b = b if b.stride(1) == 1 else b.contiguous()
        bias = None if bias is None else bias.contiguous()
        c = new_rows(m, n, a)
        _kernel(a.dtype)(
            torch.get_num_threads(),
            *(m, k, n),
            *(a.data_ptr(), *a.stride()),
            *(b.data_ptr(), b.stride(0)),
            None if bias is None else bias.data_ptr(),
            c.data_ptr(),
        )
        return c

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b = ctx.saved_tensors
        by_a, by_b, by_bias = ctx.needs_input_grad
        return (
            matmul(grad, b.t()) if by_a else None,
            matmul(a.t(), grad) if by_b else None,
            grad.sum(0) if by_bias else None,
        )


def _is_faster(a: Tensor, b: Tensor, bias: Tensor | None) -> bool:
    if torch.compiler.is_compiling() or a.dim() < 2:
        return False
    given = (a, b) if bias is None else (a, b, bias)
    k, n = b.shape
    rows = a.shape[:-1].numel()
    return (
        rows * k * n >= _SMALLEST
        and min(rows, n) >= _NARROWEST
        and a.shape[-1] == k
        and (bias is None or bias.shape == (n,))
        and a.dtype in REAL
        and all(_is_plain(t, a.dtype) for t in given)
        and not torch.is_autocast_enabled("cpu")
        and not transformed()
        and _neglected()
        and _kernel(a.dtype) is not None
    )


def _is_plain(t: Tensor, dtype: torch.dtype) -> bool:
    return (
        t.dtype == dtype
        and t.device.type == "cpu"
        and t.layout == torch.strided
        and type(t) in (Tensor, torch.nn.Parameter)
    )


@cache
def _neglected() -> bool:
    """Whether torch multiplies with MKL on a processor of AMD."""
    if not torch.backends.mkl.is_available():
        return False
    try:
        return "AuthenticAMD" in Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False


@cache
def _kernel(dtype: torch.dtype) -> Any:
    try:
        run = build(matmul_source(REAL[dtype])).run
    except BuildError:
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    matrices: list[Any] = [pointer, size, size, pointer, size]
    run.argtypes = [ctypes.c_int, size, size, size, *matrices, pointer, pointer]
    run.restype = None
    return run
