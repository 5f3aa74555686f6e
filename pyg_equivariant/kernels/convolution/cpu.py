"""Derivatives of the convolution by compiled C."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from ..c.build import library
from ..c.memory import REAL, address, contiguous_rows, declare, new_rows, num_threads
from ..multilinear import Arguments, Shapes
from ..paths import LETTERS, Paths, couplings
from .order import EdgeOrder

_SOURCE = Path(__file__).with_name("cpu.c.jinja")


def convolution_c(
    paths: Paths, arguments: Arguments, order: EdgeOrder, shapes: Shapes, outputs: str
) -> list[Tensor]:
    """What the reference specifies, on float32 or float64 CPU tensors."""
    given = {a: contiguous_rows(t) for a, t in arguments.items() if t is not None}
    like = next(iter(given.values()))
    results = {}
    for a in outputs:
        rows, dim = shapes[a]
        results[a] = new_rows(rows, dim, like)
    if not paths.terms:
        return [result.zero_() for result in results.values()]
    # Parts own the sources of edges, or their targets
    for owned in (outputs.replace("g", ""), "g" if "g" in outputs else ""):
        if not owned:
            continue
        visits = order.by_target if owned == "g" else order.by_source
        _kernel(paths, owned, REAL[like.dtype])(
            num_threads(),
            len(visits.node_at) - 1,
            *(t.data_ptr() for t in visits),
            *(row.data_ptr() for row in order.edges),
            *(n for a in LETTERS for n in address(given.get(a))),
            *(results[a].data_ptr() if a in owned else None for a in LETTERS),
        )
    return list(results.values())


@cache
def _kernel(paths: Paths, outputs: str, real: str) -> Any:
    built = path_library(_SOURCE, paths, outputs, real)
    rows, steps, results = " *" * 5, " * size" * 4, " *" * 4
    return declare(built, run="int int" + rows + steps + results).run


def path_library(source: Path, paths: Paths, outputs: str, real: str) -> Any:
    """The functions of a template that sums over paths, with one for each kind."""
    terms = paths.terms
    kinds = dict.fromkeys((*t.degrees, t.mul1, t.w >= 0) for t in terms)
    functions = tuple((*kind, couplings(*kind[:3])) for kind in kinds)
    options = {"functions": functions, "terms": terms, "outputs": outputs}
    return library(source, real, dims=paths.dims, **options)
