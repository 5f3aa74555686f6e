"""Derivatives of the product of edges and targets by compiled C."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from ..c.memory import REAL, address, contiguous_rows, declare, new_rows, num_threads
from ..convolution.cpu import path_library
from ..convolution.order import edge_order
from ..edges import arrivals
from ..multilinear import Arguments, Shapes
from ..paths import Paths

_SOURCE = Path(__file__).with_name("cpu.c.jinja")


def edge_product_c(
    paths: Paths,
    arguments: Arguments,
    edge_index: Tensor,
    shapes: Shapes,
    outputs: str,
) -> list[Tensor]:
    """What the reference specifies, on float32 or float64 CPU tensors."""
    given = {a: contiguous_rows(t) for a, t in arguments.items() if t is not None}
    like = next(iter(given.values()))
    graph = arrivals(edge_index)
    order = edge_order(graph, graph.shape[1], shapes["y"][0])
    visits = order.by_target
    parts = len(visits.node_at) - 1
    results = {}
    for a in outputs:
        rows, dim = (parts, *shapes[a]) if a == "w" else shapes[a]
        results[a] = new_rows(rows, dim, like)
    if paths.terms:
        weight = given.get("w")
        _kernel(paths, outputs, REAL[like.dtype])(
            num_threads(),
            parts,
            *(t.data_ptr() for t in visits),
            order.edges[1].data_ptr(),
            *(n for a in "xyg" for n in address(given.get(a))),
            None if weight is None else weight.data_ptr(),
            *(results[a].data_ptr() if a in outputs else None for a in "xygw"),
        )
    else:
        for result in results.values():
            result.zero_()
    return [results[a].sum(dim=0) if a == "w" else results[a] for a in outputs]


@cache
def _kernel(paths: Paths, outputs: str, real: str) -> Any:
    built = path_library(_SOURCE, paths, outputs, real)
    return declare(built, run="int int" + " *" * 4 + " * size" * 3 + " *" * 5).run
