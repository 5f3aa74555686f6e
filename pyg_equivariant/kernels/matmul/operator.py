"""Matrix products of float32 and float64 on processors that torch's library neglects.

Torch's builds for x86 multiply matrices with MKL, which runs at less than half of its
speed on processors of AMD. There, large products run as C compiled for the processor;
everywhere else, and for anything but plain tensors on the CPU, as torch's own.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..dispatch import (
    autocasts,
    fast_or_plain,
    is_compiling,
    is_plain_call,
    kernel_for,
    multiplies_slowly,
    transformed,
)
from ..multilinear import check_arguments
from .cpu import multiply

_SMALLEST = 1 << 22  # products of numbers: below, calling costs more than it saves
_NARROWEST = 8  # rows and columns of a result


def matmul(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """``a @ b + bias`` with derivatives of any order.

    Args:
        a: ``(*, k)``.
        b: ``(k, n)``.
        bias: ``(n,)``.

    Raises:
        TypeError: if an argument is no tensor of real numbers, or dtypes differ while
            autocast is off.
        ValueError: if shapes or devices do not fit.

    Example:
        >>> matmul(torch.ones(4, 2), torch.eye(2), torch.ones(2))[0]
        tensor([2., 2.])
    """
    _check(a, b, bias)
    return _product(a, b, bias)


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """The product of what fits."""
    if not _is_faster(a, b, bias):
        return _plain(a, b, bias)
    out: Tensor = _Matmul.apply(a.flatten(0, -2), b, bias)  # type: ignore[no-untyped-call]
    return out if a.dim() == 2 else out.unflatten(0, a.shape[:-1])


def _check(a: Tensor, b: Tensor, bias: Tensor | None) -> None:
    check_arguments({"a": a, "b": b}, bias=bias)
    fits = a.dim() and b.dim() == 2 and a.shape[-1] == b.shape[0]
    if not fits or (bias is not None and bias.shape != b.shape[1:]):
        added = "" if bias is None else f" and bias {tuple(bias.shape)}"
        raise ValueError(
            f"expected a (*, k), b (k, n) and a bias (n,), if any; got a "
            f"{tuple(a.shape)}, b {tuple(b.shape)}{added}"
        )
    for name, t in (("b", b), ("bias", bias)):
        if t is not None and t.dtype != a.dtype and not autocasts(a.device.type):
            raise TypeError(
                f"{name} is {t.dtype}, a {a.dtype}; convert one of them, or use "
                "torch.autocast"
            )


def _plain(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    return a @ b if bias is None else F.linear(a, b.t(), bias)


class _Matmul(torch.autograd.Function):
    """The derivatives of a product are products."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(a, b)
        return fast_or_plain(multiply, _plain, a, b, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b = ctx.saved_tensors
        needs_a, needs_b, needs_bias = ctx.needs_input_grad
        return (
            _product(grad, b.t()) if needs_a else None,
            _product(a.t(), grad) if needs_b else None,
            grad.sum(0) if needs_bias else None,
        )


def _is_faster(a: Tensor, b: Tensor, bias: Tensor | None) -> bool:
    if is_compiling() or a.dim() < 2:
        return False
    k, n = b.shape
    rows = a.shape[:-1].numel()
    return (
        rows * k * n >= _SMALLEST
        and min(rows, n) >= _NARROWEST
        and a.shape[-1] == k
        and (bias is None or bias.shape == (n,))
        and is_plain_call(a, b, bias)
        and not transformed()
        and multiplies_slowly()
        and kernel_for(a, b, bias) == "c"
    )
