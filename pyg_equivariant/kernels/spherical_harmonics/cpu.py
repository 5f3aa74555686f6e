"""Harmonics and their derivatives by compiled C: what ``reference`` specifies."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from ..c.build import library
from ..c.memory import REAL, declare, new_rows, num_threads
from . import polynomials
from .reference import Form

_PER_THREAD = 1 << 20  # numbers: 0.3 ms of work, well above the cost of a barrier
LARGEST = 12  # the highest degree with a kernel: text grows like its square


def value(x: Tensor, shift: None, form: Form) -> Tensor:
    """The harmonics of vectors, ``(N, dim)``."""
    count, x = x.shape[0], x.contiguous()
    out = new_rows(count, form.dim, x)
    run = _library(form, x.dtype).value
    run(_threads(count, form), count, x.data_ptr(), out.data_ptr())
    return out


def gradient(x: Tensor, shift: None, grad: Tensor, form: Form) -> Tensor:
    """What vectors receive from ``grad``, ``(N, 3)``."""
    count, x, grad = x.shape[0], x.contiguous(), _rows(grad, form.dim)
    out = x.new_empty(count, 3)
    _library(form, x.dtype).gradient(
        *(_threads(count, form), count, x.data_ptr(), grad.data_ptr()),
        *(grad.stride(0), out.data_ptr()),
    )
    return out


def second(
    x: Tensor, shift: None, grad: Tensor, along: Tensor, form: Form
) -> tuple[Tensor, Tensor]:
    """What ``grad`` and vectors receive if ``along`` arrives at the gradient."""
    count, x, grad = x.shape[0], x.contiguous(), _rows(grad, form.dim)
    along = along.contiguous()
    grad_grad, grad_x = new_rows(count, form.dim, x), x.new_empty(count, 3)
    _library(form, x.dtype).second(
        *(_threads(count, form), count, x.data_ptr(), grad.data_ptr()),
        *(grad.stride(0), along.data_ptr(), grad_grad.data_ptr(), grad_x.data_ptr()),
    )
    return grad_grad, grad_x


def _threads(count: int, form: Form) -> int:
    return max(1, min(num_threads(), count * form.dim // _PER_THREAD))


def _rows(grad: Tensor, dim: int) -> Tensor:
    """The same numbers, rows consecutive and apart."""
    apart = grad.stride(1) == 1 and grad.stride(0) >= dim
    return grad if apart else grad.contiguous()


@lru_cache(maxsize=256)
def _library(form: Form, dtype: torch.dtype) -> ctypes.CDLL:
    built = library(
        Path(__file__).with_name("cpu.c.jinja"),
        REAL[dtype],
        degrees=form.degrees,
        normalize=form.normalize,
        normalization=form.normalization,
        polynomials=polynomials,
    )
    rows = "int size * * size *"
    return declare(built, value="int size * *", gradient=rows, second=f"{rows} * *")
