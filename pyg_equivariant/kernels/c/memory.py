"""Tensors as compiled kernels see them: addresses of rows, and new memory."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor

REAL = {torch.float32: "float", torch.float64: "double"}
"""The C types of the dtypes that have kernels."""

_TYPES = {"int": ctypes.c_int, "size": ctypes.c_int64, "*": ctypes.c_void_p}
_TYPES |= {"float": ctypes.c_float, "double": ctypes.c_double}
_PART = 256  # rows from which another part pays ...
_FEW_PARTS = 8  # ... up to so many; a part of more grows to
_LARGE_PART = 4096  # so many rows, and parts beyond these only grow
_MOST_PARTS = 512
_HUGE = 1 << 22  # bytes from which pages of 2 MB are asked for
_PAGE = 4096
_MADV_HUGEPAGE = 14


def declare(library: ctypes.CDLL, **functions: str) -> ctypes.CDLL:
    """Say what functions of a library take, such as ``"int size * double"``.

    A ``size`` is an ``int64_t``, ``*`` an address. They return an ``int`` or nothing.
    """
    for name, types in functions.items():
        getattr(library, name).argtypes = [_TYPES[each] for each in types.split()]
    return library


_forked = False


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def num_threads() -> int:
    """How many threads a kernel may use: torch's number, in a forked process one.

    There the threads of OpenMP are gone, but its library waits for them forever.
    """
    return 1 if _forked else torch.get_num_threads()


def contiguous_rows(t: Tensor) -> Tensor:
    """The same numbers, each row consecutive."""
    return t if t.stride(-1) == 1 or t.shape[-1] == 1 else t.contiguous()


def address(t: Tensor | None) -> tuple[int | None, int]:
    """Where the rows begin, and how far apart they are; nowhere without a tensor."""
    return (None, 0) if t is None else (t.data_ptr(), t.stride(0))


def num_parts(rows: int) -> int:
    """How many parts of the rows threads share out.

    From the number of rows alone: so is rounding, whatever the number of threads.
    """
    few, many = min(_FEW_PARTS, rows // _PART), rows // _LARGE_PART
    return max(1, min(_MOST_PARTS, max(few, many)))


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
