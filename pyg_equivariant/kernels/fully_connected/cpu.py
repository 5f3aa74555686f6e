"""Derivatives of the fully connected tensor product by compiled C."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ..c.build import library
from ..c.memory import (
    REAL,
    address,
    contiguous_rows,
    declare,
    new_rows,
    num_parts,
    num_threads,
)
from ..multilinear import Arguments, Shapes
from ..paths import LETTERS, Paths, couplings

_MATRICES = Path(__file__).with_name("cpu.c")
_PATHS = Path(__file__).with_name("paths.c.jinja")
_LMAX = 2  # one library of matrices for all outputs up to this degree
_WEIGHT_PARTS = 64  # at most: each has a sum of its own
_FUNCTIONS = {"outputs": "g", "grad_inputs": "xy", "grad_weights": "w"}


def fully_connected_c(
    paths: Paths, arguments: Arguments, shapes: Shapes, outputs: str
) -> list[Tensor]:
    """What the reference specifies, on float32 or float64 CPU tensors.

    The rows are cut into parts by their number alone, so results are equal bit by bit
    for any number of threads.
    """
    given = {a: contiguous_rows(t) for a, t in arguments.items() if t is not None}
    like = next(iter(given.values()))
    if not paths.terms:
        return [like.new_zeros(shapes[a]) for a in outputs]
    rows = shapes["x"][0]
    parts = num_parts(rows)
    results = {a: new_rows(rows, shapes[a][1], like) for a in outputs if a != "w"}
    if "w" in outputs:
        results["w"] = like.new_empty(min(parts, _WEIGHT_PARTS), *shapes["w"])
    terms, library = _plan(paths, REAL[like.dtype])
    for name, letters in _FUNCTIONS.items():
        written = {a: results[a] for a in letters if a in outputs}
        if not written:
            continue
        failed = getattr(library, name)(
            num_threads(),
            len(results["w"]) if letters == "w" else parts,
            rows,
            terms.data_ptr(),
            len(terms),
            *paths.dims,
            *address(given.get("x")),
            *address(given.get("y")),
            address(given.get("w"))[0],
            *address(given.get("g")),
            *(written[a].data_ptr() if a in written else None for a in LETTERS),
        )
        if failed:
            raise MemoryError(f"no memory for the blocks of {rows} rows")
    if "w" in outputs:
        sums = results["w"]
        results["w"] = sums[0] if len(sums) == 1 else sums.sum(0)
    return [results[a] for a in outputs]


@cache
def _plan(paths: Paths, real: str) -> tuple[Tensor, ctypes.CDLL]:
    """The terms as C has them, and the functions that run them."""
    degrees = sorted({term.degrees for term in paths.terms})
    all_couplings = tuple(couplings(*ls) for ls in degrees)
    functions = library(_PATHS, real, all_couplings=all_couplings)
    fields = []
    for t in paths.terms:
        n = degrees.index(t.degrees)
        pointers = (getattr(functions, f"{f}_{n}") for f in ("join", "to_x", "to_y"))
        addresses = [ctypes.cast(p, ctypes.c_void_p).value or 0 for p in pointers]
        fields.append([*addresses, 2 * t.l3 + 1, t.mul1, t.mul3, t.x, t.y, t.w, t.g, 0])
    terms = torch.tensor(fields, dtype=torch.int64)
    scale = torch.tensor([t.coefficient for t in paths.terms], dtype=torch.float64)
    terms[:, -1] = scale.view(torch.int64)
    lmax = max(t.l3 for t in paths.terms)
    return terms, _matrices(max(lmax, _LMAX), real)


@cache
def _matrices(lmax: int, real: str) -> ctypes.CDLL:
    sizes = " ".join(f"F({2 * l + 1})" for l in range(lmax + 1))
    matrices = library(_MATRICES, real, **{"EACH_SIZE(F)": sizes})
    common = "int int size * int size size size size * size * size * * size * * * *"
    return declare(matrices, **dict.fromkeys(_FUNCTIONS, common))
