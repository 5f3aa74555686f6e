"""Candidate pairs from a grid of bins, in torch alone and for all graphs at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from ._grid import SLACK, Grid, dense_grid, room, sparse_grid, squared
from ._lattice import Lattice
from ._points import Points

# Source, target and lattice translation of the source, None where nothing repeats.
Pairs = tuple[Tensor, Tensor, Tensor | None]

# Rows of (point, bin) and pairs of points that are looked at in one go.
MAX_ROWS = 2**18
MAX_PAIRS = 2**20
# A grid with more bins than this for each point has no table of them.
MAX_EMPTY = 16


def _slices(sizes: Tensor, limit: int) -> Iterator[slice]:
    """Cut so that every part sums up to about ``limit``: at most one element more."""
    ends = sizes.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    if total <= limit:
        yield slice(0, len(sizes))
        return
    marks = torch.arange(1, math.ceil(total / limit), device=sizes.device) * limit
    cuts = torch.searchsorted(ends, marks, right=True).tolist()
    bounds = sorted({0, *cuts, len(sizes)})
    yield from (slice(a, b) for a, b in pairwise(bounds))


def _around(
    grid: Grid, place: Tensor, batch: Tensor, part: slice
) -> tuple[Tensor, Tensor, Tensor]:
    """For a part of the targets, every bin that may hold a neighbor.

    Returns the target, the bin, and the image of the cell that the bin is in.
    """
    batch = batch[part]
    sides = 2 * grid.reach[batch] + 1
    visits = sides.prod(-1)
    row = torch.arange(len(batch), device=batch.device).repeat_interleave(visits)
    step = (
        torch.arange(len(row), device=batch.device) - (visits.cumsum(0) - visits)[row]
    )

    # Unravel the number of the visit
    _, s1, s2 = sides[row].unbind(-1)
    steps = torch.stack([step // (s1 * s2), step // s2 % s1, step % s2], -1)

    # Bins beyond the edge of the cell are those of its neighbor, or none
    batch = batch[row]
    bins = grid.bins[batch]
    place = place[part][row] + steps - grid.reach[batch]
    image = torch.where(grid.pbc[batch], place.div(bins, rounding_mode="floor"), 0)
    place = place - image * bins
    inside = ((place >= 0) & (place < bins)).all(-1)
    row, image = row[inside], image[inside]
    return row + part.start, grid.number(place[inside], batch[inside]), image


def _pairs(count: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Every row with each of the ``count`` numbers that begin at its ``start``."""
    row = torch.arange(len(count), device=count.device).repeat_interleave(count)
    first = start - (count.cumsum(0) - count)
    rank = torch.arange(len(row), device=count.device)
    return row, rank + first.index_select(0, row)


def _lay(
    source: Points, target: Points, lattice: Lattice, cutoff: float | Tensor
) -> tuple[Grid, Tensor, Tensor]:
    """A grid over all points, and the places of sources and targets in it."""
    if source.pos is target.pos:
        both = source
    else:
        pos = torch.cat([source.pos, target.pos])
        both = Points(pos, torch.cat([source.batch, target.batch]))
    space = room(both, lattice, cutoff)
    grid = dense_grid(space)
    if grid.crowded:
        grid = sparse_grid(space)
    if both is source:
        return grid, grid.place, grid.place
    return grid, grid.place[: len(source.pos)], grid.place[len(source.pos) :]


def _shelf(grid: Grid, number: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Where the sources of a bin begin, whose sorted bins these are, and how many."""
    if grid.total > MAX_EMPTY * (len(grid.place) + len(grid.bins)):

        def look_up(bin_: Tensor) -> tuple[Tensor, Tensor]:
            start = torch.searchsorted(number, bin_)
            return start, torch.searchsorted(number, bin_, right=True) - start

        return look_up
    count = number.bincount(minlength=grid.total)
    start = count.cumsum(0) - count
    return lambda bin_: (start[bin_], count[bin_])


def cell_list(
    source: Points, target: Points, lattice: Lattice, cutoff: float | Tensor
) -> Iterator[Pairs]:
    """Yield pairs among which are all that are closer than ``cutoff``.

    That is one length for all graphs, or one for each.
    """
    grid, sources, targets = _lay(source, target, lattice, cutoff)

    # Sources ordered by bin
    number, order = grid.number(sources, source.batch).sort(stable=True)
    look_up = _shelf(grid, number)

    visits = (2 * grid.reach + 1).prod(-1)[target.batch]
    for part in _slices(visits, MAX_ROWS):
        i, bin_, image = _around(grid, targets, target.batch, part)
        start, filled = look_up(bin_)
        for rows in _slices(filled, MAX_PAIRS):
            row, rank = _pairs(filled[rows], start[rows])
            j, at = order[rank], i[rows]
            if not lattice.periodic:
                yield j, at[row], None
                continue

            # Most pairs are too far; the shifts of the others are worth finding out
            frame = lattice.frame[target.batch[at]]
            moved = image[rows].unsqueeze(1).to(frame) @ frame
            seen_from = target.pos[at] - moved.squeeze(1)
            apart = source.pos.index_select(0, j) - seen_from.index_select(0, row)
            limit = squared(cutoff * (1 + SLACK), target.batch[at][row])
            near = apart.square().sum(-1) < limit
            j, row = j[near], row[near]
            yield j, at[row], image[rows][row]
