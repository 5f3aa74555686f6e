"""Activations and their derivatives by compiled C: what ``reference`` specifies."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ..c.build import library
from ..c.memory import REAL, declare, new_rows, num_threads
from .reference import SHIFTED_SOFTPLUS

_ONE_THREAD = 1 << 16  # numbers: up to so many, starting threads costs more


def value(x: Tensor, shift: None, name: str) -> Tensor:
    """The activation of every number."""
    x, out = x.contiguous(), _new(x)
    run = _library(name, x.dtype).value
    run(_threads(x), x.numel(), x.data_ptr(), out.data_ptr())
    return out


def gradient(x: Tensor, shift: None, grad: Tensor, name: str) -> Tensor:
    """The first derivative, times ``grad``."""
    x, grad, out = x.contiguous(), grad.contiguous(), _new(x)
    run = _library(name, x.dtype).gradient
    run(_threads(x), x.numel(), x.data_ptr(), grad.data_ptr(), out.data_ptr())
    return out


def second(
    x: Tensor, shift: None, grad: Tensor, along: Tensor, name: str
) -> tuple[Tensor, Tensor]:
    """The first derivative times ``along``, the second times both factors."""
    x, grad, along = x.contiguous(), grad.contiguous(), along.contiguous()
    outputs = _new(x), _new(x)
    pointers = [t.data_ptr() for t in (x, grad, along, *outputs)]
    _library(name, x.dtype).second(_threads(x), x.numel(), *pointers)
    return outputs


def _new(x: Tensor) -> Tensor:
    rows = x.shape[0] if x.dim() else 1
    return new_rows(rows, x.numel() // rows, x).view(x.shape) if rows else x.clone()


def _threads(x: Tensor) -> int:
    return num_threads() if x.numel() > _ONE_THREAD else 1


@cache
def _library(name: str, dtype: torch.dtype) -> ctypes.CDLL:
    source = Path(__file__).with_name("cpu.c")
    softplus = int(name == SHIFTED_SOFTPLUS)
    built = library(source, REAL[dtype], SHIFTED_SOFTPLUS=softplus)
    rows = "int size * *"
    return declare(built, value=rows, gradient=f"{rows} *", second=f"{rows} * * *")
