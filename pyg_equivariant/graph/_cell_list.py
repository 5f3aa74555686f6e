"""Candidate pairs from a grid of bins, in torch alone and for all graphs at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ._lattice import Lattice
from ._points import Points

# Source, target and lattice translation of the source, None where nothing repeats.
Pairs = tuple[Tensor, Tensor, Tensor | None]

# Bins are wider than the cutoff by this part, so that rounding loses no pair.
SLACK = 1e-5
# A graph without periods has several bins only if it has more points than this.
ONE_BIN = 64
# Rows of (point, bin) and pairs of points that are looked at in one go.
MAX_ROWS = 2**18
MAX_PAIRS = 2**20


class Grid(NamedTuple):
    """Bins of every graph, at least a cutoff wide where there are several."""

    bins: Tensor  # [num_graphs, 3], number of bins along each direction
    reach: Tensor  # [num_graphs, 3], how many bins away a neighbor may be
    pbc: Tensor  # [num_graphs, 3]
    first: Tensor  # [num_graphs], number of the first bin
    total: int

    def number(self, place: Tensor, batch: Tensor) -> Tensor:
        """The number of the bin at the integer coordinates ``place``."""
        _, b1, b2 = self.bins[batch].unbind(-1)
        p0, p1, p2 = place.unbind(-1)
        return self.first[batch] + (p0 * b1 + p1) * b2 + p2


class Placed(NamedTuple):
    """Points in their bins."""

    batch: Tensor  # [n]
    place: Tensor  # [n, 3], bin along each direction
    home: Tensor  # [n, 3], the image of the cell that the point lies in
    inside: Tensor  # [n, 3], position moved into the cell


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


def _extremes(frac: Tensor, batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
    """Lowest and highest coordinates of the points of each graph."""
    index = batch.unsqueeze(-1).expand_as(frac)
    low = frac.new_zeros(num_graphs, 3)
    high = low.scatter_reduce(0, index, frac, "amax", include_self=False)
    return low.scatter_reduce(0, index, frac, "amin", include_self=False), high


def _bins(width: Tensor, pbc: Tensor, size: Tensor, cutoff: float) -> Tensor:
    """Numbers of bins: a cutoff wide, not many more of them than points."""
    size = size.unsqueeze(-1)
    most = torch.where(pbc | (size > ONE_BIN), size, 1).clamp(min=1)
    bins = torch.minimum((width / (cutoff * (1 + SLACK))).long(), most).clamp(min=1)
    crowd = bins.prod(-1, keepdim=True) / size.clamp(min=1)
    return (bins / crowd.clamp(min=1) ** (1 / 3)).long().clamp(min=1)


def _place(
    source: Points, target: Points, lattice: Lattice, cutoff: float
) -> tuple[Grid, Placed, Placed]:
    """Lay a grid over all points and find the bin of each."""
    num_graphs = len(lattice.pbc)
    same = source.pos is target.pos
    pos = source.pos if same else torch.cat([source.pos, target.pos])
    batch = source.batch if same else torch.cat([source.batch, target.batch])

    # Coordinates along the lattice vectors, inside the cell where it repeats
    inverse = torch.linalg.inv(lattice.frame)
    frac = (pos.unsqueeze(1) @ inverse[batch]).squeeze(1)
    pbc = lattice.pbc[batch]
    home = torch.where(pbc, frac.floor(), 0.0)
    low, high = _extremes(frac, batch, num_graphs)

    # Bins
    extent = torch.where(lattice.pbc, 1.0, high - low)
    width = extent / inverse.norm(dim=-2)
    size = batch.bincount(minlength=num_graphs)
    bins = _bins(width, lattice.pbc, size, cutoff)
    reach = (cutoff * (1 + SLACK) * bins / width).ceil()
    reach = torch.where(lattice.pbc | (bins > 1), reach, 0.0).long()
    count = bins.prod(-1)
    grid = Grid(bins, reach, lattice.pbc, count.cumsum(0) - count, int(count.sum()))

    # Places
    scale = torch.where(bins > 1, bins / extent, 0.0)[batch]
    place = ((frac - torch.where(pbc, home, low[batch])) * scale).long()
    place = torch.minimum(place, bins[batch] - 1)
    inside = pos - (home.unsqueeze(1) @ lattice.frame[batch]).squeeze(1)
    placed = Placed(batch, place, home.long(), inside)
    if same:
        return grid, placed, placed
    n = len(source.pos)
    return grid, Placed(*(x[:n] for x in placed)), Placed(*(x[n:] for x in placed))


def _around(grid: Grid, at: Placed, part: slice) -> tuple[Tensor, Tensor, Tensor]:
    """For a part of the targets, every bin that may hold a neighbor.

    Returns the target, the bin, and the image of the cell that the bin is in.
    """
    batch = at.batch[part]
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
    place = at.place[part][row] + steps - grid.reach[batch]
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


def cell_list(
    source: Points, target: Points, lattice: Lattice, cutoff: float
) -> Iterator[Pairs]:
    """Yield pairs among which are all that are closer than ``cutoff``."""
    grid, sources, targets = _place(source, target, lattice, cutoff)

    # Sources ordered by bin
    number = grid.number(sources.place, source.batch)
    order = number.argsort(stable=True)
    count = number.bincount(minlength=grid.total)
    start = count.cumsum(0) - count

    visits = (2 * grid.reach + 1).prod(-1)[target.batch]
    for part in _slices(visits, MAX_ROWS):
        i, bin_, image = _around(grid, targets, part)
        filled = count[bin_]
        for rows in _slices(filled, MAX_PAIRS):
            row, rank = _pairs(filled[rows], start[bin_[rows]])
            j, at = order[rank], i[rows]
            if not lattice.periodic:
                yield j, at[row], None
                continue

            # Most pairs are too far; the shifts of the others are worth finding out
            frame = lattice.frame[target.batch[at]]
            moved = image[rows].unsqueeze(1).to(frame) @ frame
            seen_from = targets.inside[at] - moved.squeeze(1)
            apart = sources.inside.index_select(0, j) - seen_from.index_select(0, row)
            near = apart.square().sum(-1) < (cutoff * (1 + SLACK)) ** 2
            j, row = j[near], row[near]
            home = targets.home[at] + image[rows]
            yield j, at[row], home[row] - sources.home[j]
