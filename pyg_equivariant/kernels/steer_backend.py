"""Derivatives of the steered linear map by compiled C, on the CPU."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from .c_backend import REAL, new_rows, place, rows_of
from .c_build import build
from .steer_source import steer_source
from .steer_table import SteerTable

_PART = 256  # rows from which another part pays, and parts before they grow
_PARTS = 8


def steer_c(
    table: SteerTable, arguments: dict[str, Tensor | None], rows: int, wanted: str
) -> list[Tensor]:
    """What :func:`steer_reference` specifies, on float32 or float64 CPU tensors.

    The rows are cut into parts by their number alone, so results are equal bit by bit
    for any number of threads.
    """
    given = {name: rows_of(t) for name, t in arguments.items() if t is not None}
    like = next(iter(given.values()))
    dims = dict(zip("xywg", table.dims, strict=True))
    parts = max(1, min(_PARTS, rows // _PART), min(512, rows // 4096))
    out = {a: new_rows(rows, dims[a], like) for a in wanted if a != "w"}
    if "w" in wanted:
        parts_w = min(parts, 64)
        sums = like.new_empty(parts_w, dims["w"])
    if not table.terms:
        return [
            like.new_zeros(dims["w"]) if a == "w" else out[a].zero_() for a in wanted
        ]
    for group in ("g", "xy", "w"):
        some = "".join(a for a in group if a in wanted)
        if not some:
            continue
        run = _kernel(table, some, REAL[like.dtype])
        results = (
            {"w": sums.data_ptr()}
            if some == "w"
            else {a: out[a].data_ptr() for a in some}
        )
        failed = run(
            torch.get_num_threads(),
            parts_w if some == "w" else parts,
            rows,
            *place(given.get("x")),
            *place(given.get("y")),
            place(given.get("w"))[0],
            *place(given.get("g")),
            *(results.get(a) for a in "xywg"),
        )
        if failed:
            raise MemoryError("a steered map found no memory for its blocks")
    if "w" in wanted:
        out["w"] = sums[0] if len(sums) == 1 else sums.sum(0)
    return [out[a] for a in wanted]


@cache
def _kernel(table: SteerTable, wanted: str, real: str) -> Any:
    run = build(steer_source(table, wanted, real)).run
    pointer, step = ctypes.c_void_p, ctypes.c_int64
    steps: list[Any] = [pointer, step, pointer, step, pointer, pointer, step]
    run.argtypes = [ctypes.c_int, ctypes.c_int, step, *steps, *[pointer] * 4]
    run.restype = ctypes.c_int
    return run
