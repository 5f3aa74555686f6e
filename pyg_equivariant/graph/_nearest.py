"""The nearest sources of every target: a radius grows until all have them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ._cell_list import MAX_PAIRS, Pairs, cell_list
from ._lattice import Lattice
from ._points import Points
from ._search import Edges, from_home, in_order, join, keep_nearest, within
from ._spacing import spacing

# A search begins with spheres that hold some more than the neighbors sought.
FIRST = 1.25


def nearest(
    source: Points, target: Points, lattice: Lattice, k: int, *, loop: bool
) -> tuple[Tensor, Tensor | None]:
    """Edges and shifts from the ``k`` nearest sources of each target, or all there are.

    Sources that are equally near are taken in the order of their numbers, then of their
    shifts as seen from within the cell.
    """
    radius = FIRST * spacing(source, target, lattice, k)
    wanted = _available(source, target, lattice, loop).clamp(max=k)
    missing = wanted.nonzero().flatten()
    found = [_none(source, lattice)]
    while len(missing):
        _check_size(radius, target.batch[missing])
        edges = _round(source, target, lattice, radius, k, missing, loop)
        count = edges.target.bincount(minlength=len(wanted))[missing]
        done = count >= wanted[missing]
        keep = torch.zeros_like(wanted).index_fill(0, missing[done], 1).bool()
        found.append(edges.select(keep[edges.target]))
        missing, radius = missing[~done], 2 * radius
    edges = join(found, lattice.periodic)
    edges = in_order(from_home(source, target, edges), len(source.pos))
    return torch.stack([edges.source, edges.target]), edges.shift


def _none(like: Points, lattice: Lattice) -> Edges:
    i = like.batch[:0]
    return Edges(i, i, i.view(0, 3) if lattice.periodic else None, like.pos[:0, 0])


def _check_size(radius: Tensor, graph: Tensor) -> None:
    far = ~(radius * radius).isfinite()[graph]
    if bool(far.any()):
        raise ValueError(
            f"positions of graph {int(graph[far][0])} are too far apart for the "
            "squares of their distances; change the unit, or remove what is far out"
        )


def _available(source: Points, target: Points, lattice: Lattice, loop: bool) -> Tensor:
    """How many sources each target has: no end of them where graphs repeat."""
    pbc = lattice.pbc.any(-1)
    count = source.batch.bincount(minlength=len(pbc))
    alone = count if loop else count - 1
    many = torch.where(count > 0, torch.iinfo(torch.long).max, 0)
    return torch.where(pbc, many, alone.clamp(min=0))[target.batch]


def _round(
    source: Points,
    target: Points,
    lattice: Lattice,
    radius: Tensor,
    k: int,
    missing: Tensor,
    loop: bool,
) -> Edges:
    """The ``k`` nearest sources within ``radius`` of the targets ``missing``."""
    some = target
    if len(missing) < len(target.pos):
        some = Points(target.pos[missing], target.batch[missing])
    pairs = cell_list(source, some, lattice, radius)
    if some is not target:
        pairs = ((j, missing[i], shift) for j, i, shift in pairs)
    return _closest(source, target, lattice, radius, k, pairs, loop)


def _closest(
    source: Points,
    target: Points,
    lattice: Lattice,
    radius: Tensor,
    k: int,
    candidates: Iterable[Pairs],
    loop: bool,
) -> Edges:
    """The ``k`` nearest of the candidates, of which only as many are held as needed."""
    size = len(target.pos)
    limit = MAX_PAIRS + 2 * k * size
    held, count = [], 0
    for pairs in candidates:
        held.append(within(source, target, lattice, radius, [pairs], loop=loop))
        count += len(held[-1].target)
        if count > limit:
            held = [_prune(held, lattice, k, source, size)]
            count = len(held[0].target)
    return _prune(held, lattice, k, source, size)


def _prune(
    held: list[Edges], lattice: Lattice, k: int, source: Points, size: int
) -> Edges:
    edges = join(held, lattice.periodic)
    return keep_nearest(in_order(edges, len(source.pos)), k, size)
