"""Rows that edges share, one for every edge."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .c.memory import new_rows
from .dispatch import is_compiling, is_plain_call, transformed

_SMALLEST = 1 << 22  # bytes of a result: below, its memory costs nothing


def spread_rows(rows: Tensor, at: Tensor) -> Tensor:
    """``rows[at]`` with derivatives of any order, in memory that is cheap to touch.

    Args:
        rows: ``(n, channels)``.
        at: a row for each of the result, ``(m,)``.

    Example:
        >>> spread_rows(torch.tensor([[1.0], [2.0]]), torch.tensor([1, 0, 1])).flatten()
        tensor([2., 1., 2.])
    """
    if not _pays(rows, at.shape[0]):
        return rows.index_select(0, at)
    out: Tensor = _Spread.apply(rows, at)  # type: ignore[no-untyped-call]
    return out


def _join(rows: Tensor, at: Tensor, count: int) -> Tensor:
    """The sum of the rows that go to each of ``count``."""
    if not _pays(rows, count):
        return rows.new_zeros(count, *rows.shape[1:]).index_add(0, at, rows)
    out: Tensor = _Join.apply(rows, at, count)  # type: ignore[no-untyped-call]
    return out


def _pays(rows: Tensor, count: int) -> bool:
    return (
        not is_compiling()
        and rows.device.type == "cpu"
        and rows.dim() == 2
        and count * rows.shape[1] * rows.element_size() >= _SMALLEST
        and is_plain_call(rows)
        and not transformed()
    )


class _Spread(torch.autograd.Function):
    """Its derivative joins rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, at: Tensor) -> Tensor:
        ctx.save_for_backward(at)
        ctx.count = rows.shape[0]
        out = new_rows(at.shape[0], rows.shape[1], rows)
        return torch.index_select(rows, 0, at, out=out)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _join(grad, ctx.saved_tensors[0], ctx.count), None


class _Join(torch.autograd.Function):
    """Its derivative spreads rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, at: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(at)
        out = new_rows(count, rows.shape[1], rows)
        return out.zero_().index_add_(0, at, rows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return spread_rows(grad, ctx.saved_tensors[0]), None, None
