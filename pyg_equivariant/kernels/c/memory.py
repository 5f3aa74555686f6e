"""Tensors as compiled kernels see them: addresses of rows, and new memory."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor

REAL = {torch.float32: "float", torch.float64: "double"}
"""The C types of the dtypes that have kernels."""

_HUGE = 1 << 22  # bytes from which pages of 2 MB are asked for
_PAGE = 4096
_MADV_HUGEPAGE = 14


def contiguous_rows(t: Tensor) -> Tensor:
    """The same numbers, each row consecutive."""
    return t if t.stride(-1) == 1 or t.shape[-1] == 1 else t.contiguous()


def address(t: Tensor | None) -> tuple[int | None, int]:
    """Where the rows begin, and how far apart they are; nowhere without a tensor."""
    return (None, 0) if t is None else (t.data_ptr(), t.stride(0))


@cache
def _madvise() -> Any:
    return (
        getattr(ctypes.CDLL(None), "madvise", None) if sys.platform == "linux" else None
    )


def new_rows(rows: int, dim: int, like: Tensor) -> Tensor:
    """New memory. The first touch of a small page costs more than all arithmetic."""
    out = like.new_empty(rows, dim)
    size = out.numel() * out.element_size()
    if size >= _HUGE and (advise := _madvise()) is not None:
        start = -(-out.data_ptr() // _PAGE) * _PAGE
        length = out.data_ptr() + size - start
        advise(ctypes.c_void_p(start), ctypes.c_size_t(length), _MADV_HUGEPAGE)
    return out
