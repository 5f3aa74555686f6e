"""Derivatives of the trilinear form by compiled C, on the CPU."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ..compiled.build import build
from ..compiled.memory import REAL, new_rows, place, rows_of
from .c_source import c_source
from .edge_order import edge_order
from .table import Table


def contract_c(
    table: Table,
    arguments: dict[str, Tensor | None],
    edge_index: Tensor,
    sizes: tuple[int, int],
    wanted: str,
) -> list[Tensor]:
    """What :func:`contract_reference` specifies, on float32 or float64 CPU tensors."""
    given = {name: rows_of(t) for name, t in arguments.items() if t is not None}
    like = next(iter(given.values()))
    order = edge_order(edge_index, *sizes)
    edges = edge_index.shape[1]
    rows = dict(zip("xywg", (sizes[0], edges, edges, sizes[1]), strict=True))
    dims = dict(zip("xywg", table.dims, strict=True))
    out = {a: new_rows(rows[a], dims[a], like) for a in wanted}
    if not table.terms:
        return [out[a].zero_() for a in wanted]
    for part in (wanted.replace("g", ""), "g" if "g" in wanted else ""):
        if not part:
            continue
        visits = order.by_target if part == "g" else order.by_source
        run = _kernel(table, part, REAL[like.dtype])
        run(
            torch.get_num_threads(),
            len(visits.node_at) - 1,
            *(t.data_ptr() for t in visits),
            *(row.data_ptr() for row in order.edges),
            *(n for a in "xywg" for n in place(given.get(a))),
            *(out[a].data_ptr() if a in part else None for a in "xywg"),
        )
    return [out[a] for a in wanted]


@cache
def _kernel(table: Table, wanted: str, real: str) -> Any:
    run = build(c_source(table, wanted, real)).run
    pointer, step = ctypes.c_void_p, ctypes.c_int64
    integers: list[Any] = [ctypes.c_int] * 2
    run.argtypes = integers + [pointer] * 5 + [pointer, step] * 4 + [pointer] * 4
    run.restype = None
    return run
