"""All pairs closer than a cutoff: any backend's candidates, one decision, one order."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from ._cell_list import Pairs
from ._edge_vectors import vectors_along
from ._grid import squared
from ._lattice import Lattice
from ._points import Points


class Edges(NamedTuple):
    """Edges of a graph with their squared lengths."""

    source: Tensor  # [E]
    target: Tensor  # [E]
    shift: Tensor | None  # [E, 3]
    square: Tensor  # [E]

    def select(self, index: Tensor) -> Edges:
        """The edges at ``index``, in its order; or where it is true."""
        shift = None if self.shift is None else self.shift[index]
        source, target = self.source[index], self.target[index]
        return Edges(source, target, shift, self.square[index])


def _squares(source: Points, target: Points, lattice: Lattice, pairs: Pairs) -> Tensor:
    j, i, shift = pairs
    edge_index = torch.stack([j, i])
    cell = lattice.cell if lattice.periodic else None
    given = source.pos, target.pos, edge_index, shift, cell, target.batch
    x, y, z = vectors_along(*given).unbind(1)
    return x * x + y * y + z * z


def within(
    source: Points,
    target: Points,
    lattice: Lattice,
    cutoff: float | Tensor,
    candidates: Iterable[Pairs],
    *,
    loop: bool,
) -> Edges:
    """Keep the candidates closer than ``cutoff``, and a point with itself if ``loop``.

    Every backend's candidates pass through here, so that all agree to the last bit.
    """
    found = []
    for j, i, shift in candidates:
        square = _squares(source, target, lattice, (j, i, shift))
        keep = square < squared(cutoff, target.batch[i])
        if not loop:
            itself = j == i if shift is None else (j == i) & (shift == 0).all(-1)
            keep &= ~itself
        found.append(Edges(j, i, shift, square).select(keep.nonzero().flatten()))
    return join(found, lattice.periodic)


def join(found: list[Edges], periodic: bool) -> Edges:
    """Edges that were found one part after the other."""
    if len(found) == 1:
        return found[0]
    j = torch.cat([edges.source for edges in found])
    i = torch.cat([edges.target for edges in found])
    square = torch.cat([edges.square for edges in found])
    shifts = [edges.shift for edges in found if edges.shift is not None]
    return Edges(j, i, torch.cat(shifts) if periodic else None, square)


def from_home(source: Points, target: Points, edges: Edges) -> Edges:
    """Count the shifts from where the points were before they were wrapped."""
    shift = edges.shift
    if shift is None:
        return edges
    if target.home is not None:
        shift = shift + target.home[edges.target]
    if source.home is not None:
        shift = shift - source.home[edges.source]
    return edges._replace(shift=shift)


def _keys(edges: Edges, size: int) -> list[Tensor]:
    """Numbers to sort by, the most important first; a single one where it fits."""
    pair = edges.target * size + edges.source
    if edges.shift is None or len(pair) == 0:
        return [pair]
    low = edges.shift.amin(0)
    spans = [int(span) for span in edges.shift.amax(0) - low + 1]
    shift = edges.shift - low
    if spans[0] * spans[1] * spans[2] * size * (int(edges.target.max()) + 1) > 2**62:
        return [pair, *shift.unbind(1)]
    for span, number in zip(spans, shift.unbind(1), strict=True):
        pair = pair * span + number
    return [pair]


def in_order(edges: Edges, size: int) -> Edges:
    """Sort by target, then by source, of which there are ``size``, then by shift."""
    keys = _keys(edges, size)
    if len(keys) == 1 and bool((keys[0][1:] >= keys[0][:-1]).all()):
        return edges
    order = torch.arange(len(keys[0]), device=keys[0].device)
    for key in reversed(keys):
        order = order[key[order].argsort(stable=True)]
    return edges.select(order)


def rank_in(group: Tensor, num_groups: int) -> Tensor:
    """The place of each among those of its group; groups are sorted."""
    count = group.bincount(minlength=num_groups)
    first = count.cumsum(0) - count
    return torch.arange(len(group), device=group.device) - first[group]


def keep_nearest(edges: Edges, most: int, num_targets: int) -> Edges:
    """The ``most`` nearest sources of each target; of equally near ones the first."""
    count = edges.target.bincount(minlength=num_targets)
    if not bool((count > most).any()):
        return edges
    order = edges.square.argsort(stable=True)
    order = order[edges.target[order].argsort(stable=True)]
    rank = rank_in(edges.target[order], num_targets)
    return edges.select(order[rank < most].sort().values)


def _warn_of_dropped(edges: Edges, most: int, num_targets: int) -> None:
    count = edges.target.bincount(minlength=num_targets)
    excess = int((count - most).clamp(min=0).sum())
    if excess == 0:
        return
    warnings.warn(
        f"max_num_neighbors={most} drops {excess} of {len(edges.target)} edges, the "
        f"farthest at each of {int((count > most).sum())} nodes: the graph is no "
        f"longer symmetric, jumps when atoms move, and where neighbors lie equally "
        f"far the choice is arbitrary, so that a rotation can change it; leave "
        f"max_num_neighbors=None to keep all",
        stacklevel=5,
    )


def search(
    source: Points,
    target: Points,
    lattice: Lattice,
    cutoff: float,
    candidates: Iterable[Pairs],
    *,
    most: int | None,
    loop: bool,
) -> tuple[Tensor, Tensor | None]:
    """Edges and shifts of all pairs closer than ``cutoff``, at most ``most`` a target.

    It is called by a public function, whose caller its warning points to.
    """
    edges = within(source, target, lattice, cutoff, candidates, loop=loop)
    edges = in_order(from_home(source, target, edges), len(source.pos))
    if most is not None:
        _warn_of_dropped(edges, most, len(target.pos))
        edges = keep_nearest(edges, most, len(target.pos))
    return torch.stack([edges.source, edges.target]), edges.shift
