"""Callables with every fault that the table is to notice."""

from __future__ import annotations

import ctypes
from functools import partial

from torch import Tensor

from pyg_equivariant.o3 import check_size

from .table import Entry, entry, real


def _call(fault: str, x: Tensor) -> Tensor:
    if not isinstance(x, Tensor) or x.is_meta:
        if fault == "crash":
            ctypes.string_at(0)
        elif fault == "unclear":
            check_size(-1, "something")
        elif fault == "silent":
            return real(5).value
    if fault == "wrong" and not x.is_contiguous():
        return x.contiguous() + 1
    return x + 0.0


def _planted(name: str) -> Entry:
    fault = name.removeprefix("planted: ")
    return Entry(partial(_call, fault), {"x": real(5, 3)})


FAULTS = ("silent", "raw", "unclear", "wrong", "crash", "others behind it")
entry(_planted, *(f"planted: {fault}" for fault in FAULTS))
