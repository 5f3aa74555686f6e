"""Derivatives of the steered linear map by compiled C, on the CPU."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ..compiled.build import build
from ..compiled.memory import REAL, new_rows, place, rows_of
from .matrices import matrices_source
from .paths import paths_source
from .table import SteerTable

_PART = 256  # rows from which another part pays, and parts before they grow
_PARTS = 8
_LMAX = 2  # one library of matrices for all outputs up to this degree


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
    terms, library = _plan(table, REAL[like.dtype])
    for group, name in (("g", "sums"), ("xy", "parts_of_rows"), ("w", "weights")):
        some = [a for a in group if a in wanted]
        if not some:
            continue
        results = {a: sums if a == "w" else out[a] for a in some}
        failed = getattr(library, name)(
            torch.get_num_threads(),
            parts_w if group == "w" else parts,
            rows,
            terms.data_ptr(),
            len(terms),
            *table.dims,
            *place(given.get("x")),
            *place(given.get("y")),
            place(given.get("w"))[0],
            *place(given.get("g")),
            *(results[a].data_ptr() if a in some else None for a in "xywg"),
        )
        if failed:
            raise MemoryError("a steered map found no memory for its blocks")
    if "w" in wanted:
        out["w"] = sums[0] if len(sums) == 1 else sums.sum(0)
    return [out[a] for a in wanted]


@cache
def _plan(table: SteerTable, real: str) -> tuple[Tensor, ctypes.CDLL]:
    """The terms as C has them, and the functions that run them."""
    degrees = tuple(sorted({term[:3] for term in table.terms}))
    paths = build(paths_source(degrees, real))
    fields = []
    for t in table.terms:
        n = degrees.index(t[:3])
        functions = (getattr(paths, f"{name}_{n}") for name in ("join", "to_x", "to_y"))
        addresses = [ctypes.cast(f, ctypes.c_void_p).value or 0 for f in functions]
        places = 2 * t.l3 + 1, t.mul1, t.mul3, t.x, t.y, t.w, t.g
        fields.append([*addresses, *places, 0])
    terms = torch.tensor(fields, dtype=torch.int64)
    scale = torch.tensor([t.coefficient for t in table.terms], dtype=torch.float64)
    terms[:, -1] = scale.view(torch.int64)
    lmax = max(t.l3 for t in table.terms)
    return terms, _matrices(max(lmax, _LMAX), real)


@cache
def _matrices(lmax: int, real: str) -> ctypes.CDLL:
    library = build(matrices_source(lmax, real))
    pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
    types: list[Any] = [number, number, size, pointer, number, *[size] * 4]
    types += [pointer, size, pointer, size, pointer, pointer, size, *[pointer] * 4]
    for name in ("sums", "parts_of_rows", "weights"):
        function = getattr(library, name)
        function.argtypes, function.restype = types, number
    return library
