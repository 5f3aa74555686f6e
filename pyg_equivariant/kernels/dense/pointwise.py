r"""Activations whose derivatives of any order take one pass each.

With factors :math:`a_1 \dots a_k`, let :math:`A_k(x, a) = f^{(k)}(x) \prod_i a_i`,
number by number. Its derivative with respect to :math:`x` in a direction :math:`g` is
:math:`A_{k+1}` with one factor more, with respect to a factor :math:`A_k` with
:math:`g` in its place. Plain torch takes about ten passes for the second derivative.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..compiled.build import BuildError, build
from ..compiled.memory import REAL, new_rows
from ..compiled.observed import transformed
from .pointwise_source import pointwise_source

_COMPILED = 3  # orders
_SMALLEST = 1 << 14  # numbers: below, calling costs more than it saves
_ONE_THREAD = 1 << 16


def silu(x: Tensor) -> Tensor:
    r"""The function :math:`x / (1 + e^{-x})`.

    Example:
        >>> silu(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """
    return _Pointwise.call("silu", 0, x) if _is_faster(x) else F.silu(x)


def shifted_softplus(x: Tensor) -> Tensor:
    r"""SchNet's activation :math:`\ln(\tfrac12 e^x + \tfrac12)`, which is 0 at 0.

    Example:
        >>> shifted_softplus(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.6201])
    """
    if _is_faster(x):
        return _Pointwise.call("ssp", 0, x)
    # From 40 on ln(1 + e^x) = x in float64, too; torch's 20 is early by 2e-9.
    return F.softplus(x, threshold=40.0) - math.log(2)


class _Pointwise(torch.autograd.Function):
    """One of the :math:`A_k`."""

    @classmethod
    def call(cls, name: str, order: int, x: Tensor, *factors: Tensor) -> Tensor:
        """Of any order; from the third on in plain torch."""
        if order >= _COMPILED:
            return _third(name, x) * math.prod(factors)
        out: Tensor = cls.apply(name, order, x, *factors)  # type: ignore[no-untyped-call]
        return out

    @staticmethod
    def forward(ctx: Any, name: str, order: int, x: Tensor, *factors: Tensor) -> Tensor:
        ctx.name, ctx.order = name, order
        ctx.save_for_backward(x, *factors)
        given = [t.contiguous() for t in (x, *factors)]
        rows = x.shape[0] if x.dim() else 1
        out = new_rows(rows, x.numel() // rows, x).view(x.shape)
        threads = torch.get_num_threads() if x.numel() > _ONE_THREAD else 1
        pointers = [t.data_ptr() for t in given] + [None] * (3 - len(given))
        run = _kernel(name, x.dtype)
        run(threads, order, x.numel(), *pointers, out.data_ptr())
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, *factors = ctx.saved_tensors
        needed, call = ctx.needs_input_grad[2:], _Pointwise.call
        found: list[Tensor | None] = [None] * len(needed)
        if needed[0]:
            found[0] = call(ctx.name, ctx.order + 1, x, *factors, grad)
        for k in range(len(factors)):
            if needed[k + 1]:
                others = [*factors[:k], grad, *factors[k + 1 :]]
                found[k + 1] = call(ctx.name, ctx.order, x, *others)
        return None, None, *found


def _third(name: str, x: Tensor) -> Tensor:
    """The third derivative."""
    s = x.sigmoid()
    p = s * (1 - s)
    if name == "ssp":
        return p * (1 - 2 * s)
    return p * (3 * (1 - 2 * s) + x * (1 - 6 * p))


def _is_faster(x: Tensor) -> bool:
    return (
        not torch.compiler.is_compiling()
        and x.numel() >= _SMALLEST
        and x.dtype in REAL
        and x.device.type == "cpu"
        and type(x) in (Tensor, torch.nn.Parameter)
        and x.layout == torch.strided
        and not transformed()
        and _kernel("silu", x.dtype) is not None
    )


@cache
def _kernel(name: str, dtype: torch.dtype) -> Any:
    try:
        run = build(pointwise_source(name, REAL[dtype])).run
    except BuildError:
        return None
    pointer: Any = ctypes.c_void_p
    run.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, *[pointer] * 4]
    run.restype = None
    return run
