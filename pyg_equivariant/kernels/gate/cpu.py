"""A gate and its derivatives by compiled C: what ``reference`` specifies."""

from __future__ import annotations

import ctypes
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..c.build import library
from ..c.memory import REAL, declare, new_rows, num_threads
from .reference import GateForm

_ROWS_PER_THREAD = 64  # below, starting a thread costs more than its rows


def value(x: Tensor, shift: Tensor, form: GateForm) -> Tensor:
    """The gate of contiguous rows."""
    x, shift = x.contiguous(), shift.contiguous()
    out = new_rows(len(x), form.out_dim, x)
    _library(x.dtype).value(*_common(x, shift, form), out.data_ptr(), form.out_dim)
    return out


def gradient(x: Tensor, shift: Tensor, grad: Tensor, form: GateForm) -> Tensor:
    """What ``x`` receives from ``grad``."""
    x, shift, grad = x.contiguous(), shift.contiguous(), grad.contiguous()
    grad_x = new_rows(len(x), form.x_dim, x)
    given = grad.data_ptr(), form.out_dim
    _library(x.dtype).gradient(*_common(x, shift, form), *given, grad_x.data_ptr())
    return grad_x


def second(
    x: Tensor, shift: Tensor, grad: Tensor, along: Tensor, form: GateForm
) -> tuple[Tensor, Tensor]:
    """What ``grad`` and ``x`` receive if ``along`` arrives at the gradient."""
    x, shift, grad, along = (t.contiguous() for t in (x, shift, grad, along))
    grad_grad = new_rows(len(x), form.out_dim, x)
    grad_x = new_rows(len(x), form.x_dim, x)
    given = grad.data_ptr(), form.out_dim, along.data_ptr()
    results = grad_grad.data_ptr(), grad_x.data_ptr()
    _library(x.dtype).second(*_common(x, shift, form), *given, *results)
    return grad_grad, grad_x


def _common(x: Tensor, shift: Tensor, form: GateForm) -> tuple[Any, ...]:
    head, blocks = _head(form.text), _blocks(form.text)
    threads = max(1, min(num_threads(), len(x) // _ROWS_PER_THREAD))
    return (
        *(threads, len(x), head.data_ptr(), blocks.data_ptr(), len(blocks)),
        *(form.by_scalar, form.by_gate, form.by_odd),
        *(x.data_ptr(), form.x_dim, shift.data_ptr()),
    )


@lru_cache(maxsize=256)
def _head(text: str) -> Tensor:
    """What C calls so."""
    form = GateForm.parse(text)
    places = form.odd_out, form.out, int(form.silu)
    return torch.tensor([form.odd, form.scalars, *places], dtype=torch.int64)


@lru_cache(maxsize=256)
def _blocks(text: str) -> Tensor:
    """The blocks as C has them."""
    return torch.tensor(GateForm.parse(text).blocks, dtype=torch.int64)


@cache
def _library(dtype: torch.dtype) -> ctypes.CDLL:
    real = REAL[dtype]
    built = library(Path(__file__).with_name("cpu.c"), real)
    rows = f"int size * * size {real} {real} {real} * size * * size"
    return declare(built, value=rows, gradient=f"{rows} *", second=f"{rows} * * *")
