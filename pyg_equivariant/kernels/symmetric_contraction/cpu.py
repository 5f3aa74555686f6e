"""The contraction and two derivatives by compiled C: what ``reference`` specifies."""

from __future__ import annotations

import ctypes
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..c.build import library
from ..c.memory import REAL, declare, new_rows, num_threads
from .form import ContractionForm

_WIDEST = 64  # bytes of a vector, at most
_NARROWEST = 16
_NODES = 256  # of a chunk, at least
_PARTS = 8  # to share out among threads, where nodes suffice


def value(x: Tensor, table: Tensor, species: Tensor, form: ContractionForm) -> Tensor:
    """The polynomials of every channel."""
    call = _Call(x, table, species, form, tables=1, powers=1)
    out = new_rows(len(x), form.dim_out * table.shape[2], x)
    _library(x.dtype).value(*call.arguments, out.data_ptr())
    return out


def gradient(
    x: Tensor, table: Tensor, species: Tensor, grad: Tensor, form: ContractionForm
) -> tuple[Tensor, Tensor]:
    """What ``x`` and ``table`` receive from ``grad``."""
    call = _Call(x, table, species, form, tables=2, powers=2)
    grad = grad.contiguous()
    grad_x, grad_tables = call.results()
    _library(x.dtype).gradient(
        *call.arguments, grad.data_ptr(), grad_x.data_ptr(), grad_tables.data_ptr()
    )
    return grad_x, grad_tables.sum(dim=0)


def second(
    x: Tensor,
    table: Tensor,
    species: Tensor,
    grad: Tensor,
    along_x: Tensor,
    along_table: Tensor,
    form: ContractionForm,
) -> tuple[Tensor, Tensor, Tensor]:
    """What ``x``, ``table`` and ``grad`` receive from the two of the gradient."""
    call = _Call(x, table, species, form, tables=3, powers=4)
    given = [t.contiguous() for t in (grad, along_x, along_table)]
    grad_grad = new_rows(len(grad), grad.shape[1], x)
    grad_x, grad_tables = call.results()
    results = grad_grad, grad_x, grad_tables
    addresses = (t.data_ptr() for t in (*given, *results))
    _library(x.dtype).second(*call.arguments, *addresses)
    return grad_x, grad_tables.sum(dim=0), grad_grad


class _Call:
    """What all functions take, and the memory that they work in.

    Args:
        x: components of every channel.
        table: coefficients of every species.
        species: of every node.
        form: which polynomials.
        tables: how many vectors a part keeps of every row of the table.
        powers: of every monomial.
    """

    def __init__(
        self,
        x: Tensor,
        table: Tensor,
        species: Tensor,
        form: ContractionForm,
        tables: int,
        powers: int,
    ) -> None:
        kinds, rows, channels = table.shape
        width = channels * x.element_size()
        parts = max(1, _PARTS * _NARROWEST // max(width, 1))
        self.chunks = max(1, min(parts, len(x) // _NODES))
        vectors = tables * kinds * rows + powers * sum(form.sizes)
        lines = self.chunks * vectors * (width + _WIDEST) // x.element_size()
        self._kept = [t.contiguous() for t in (x, table, species.long())]
        self._kept += [_numbers(form.text), x.new_empty(lines)]
        x, table, species, numbers, scratch = self._kept
        lanes = _library(x.dtype).lanes()
        self.arguments: tuple[Any, ...] = (
            *(num_threads(), numbers.data_ptr(), len(x), channels, kinds, self.chunks),
            *(species.data_ptr(), scratch.data_ptr(), vectors * lanes),
            *(x.data_ptr(), table.data_ptr()),
        )

    def results(self) -> tuple[Tensor, Tensor]:
        """For ``x``, and for the table from each chunk of the nodes."""
        x, table = self._kept[:2]
        return new_rows(len(x), x.shape[1], x), table.new_empty(
            self.chunks, *table.shape
        )


@lru_cache(maxsize=256)
def _numbers(text: str) -> Tensor:
    """The form as C has it."""
    form = ContractionForm.parse(text)
    size, rows = sum(form.sizes), len(form.monomials)
    firsts = list(accumulate(form.sizes, initial=0))
    shifts = np.repeat(firsts[:-2], form.sizes[1:])
    components = np.zeros((2, form.dim_in), dtype=np.int64)
    factors = form.factors + np.stack([shifts, np.zeros_like(shifts)])
    parts = (
        [form.dim_in, size, form.dim_out, rows],
        np.concatenate([components, factors], axis=1).reshape(-1),
        form.monomials,
        np.cumsum(form.row_sizes),
    )
    return torch.from_numpy(np.concatenate(parts).astype(np.int64))


@cache
def _library(dtype: torch.dtype) -> ctypes.CDLL:
    built = library(Path(__file__).with_name("cpu.c"), REAL[dtype])
    call = "int * size size size size * * size * *"
    return declare(
        built,
        lanes="",
        value=f"{call} *",
        gradient=f"{call} * * *",
        second=f"{call} * * * * * *",
    )
