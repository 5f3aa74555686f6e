"""Bins, at least a cutoff wide where there are several, and the points in them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ._lattice import Lattice
from ._points import Points

# Bins are wider than the cutoff by this part, so that rounding loses no pair.
SLACK = 1e-3
# A graph without periods has several bins only if it has more points than this.
ONE_BIN = 64
# A grid in which a point shares its bin with more than this, on average, is crowded.
CROWD = 64
# No direction has more bins: their numbers must fit into integers.
MAX_BINS = 2**19


class Room(NamedTuple):
    """Points along the lattice vectors of their graphs, and how far they reach."""

    batch: Tensor  # [n]
    along: Tensor  # [n, 3], coordinates along the lattice vectors
    size: Tensor  # [num_graphs], number of points
    pbc: Tensor  # [num_graphs, 3]
    low: Tensor  # [num_graphs, 3], where the first bin begins
    extent: Tensor  # [num_graphs, 3]
    reach: Tensor  # [num_graphs, 3], the cutoff in the same units

    def bins(self) -> Tensor:
        """How many bins of a cutoff each direction has room for, as real numbers."""
        return (self.extent / self.reach).nan_to_num().floor().clamp(1.0, 2.0**32)


class Grid(NamedTuple):
    """Bins of every graph, and the points in them."""

    bins: Tensor  # [num_graphs, 3], number of bins along each direction
    reach: Tensor  # [num_graphs, 3], how many bins away a neighbor may be
    pbc: Tensor  # [num_graphs, 3]
    place: Tensor  # [n, 3], bin of each point along each direction
    first: Tensor  # [num_graphs], number of the first bin
    total: int
    crowded: bool = False  # there are more points in a bin than there need be

    def number(self, place: Tensor, batch: Tensor) -> Tensor:
        """The number of the bin at the integer coordinates ``place``."""
        _, b1, b2 = self.bins[batch].unbind(-1)
        p0, p1, p2 = place.unbind(-1)
        return self.first[batch] + (p0 * b1 + p1) * b2 + p2


def room(points: Points, lattice: Lattice, cutoff: float | Tensor) -> Room:
    """Measure the points, which lie within their cells, along the lattice vectors."""
    batch, num_graphs = points.batch, len(lattice.pbc)
    inverse = torch.linalg.inv(lattice.frame)
    along = (points.pos.unsqueeze(1) @ inverse[batch]).squeeze(1)
    index = batch.unsqueeze(-1).expand_as(along)
    low = along.new_zeros(num_graphs, 3)
    high = low.scatter_reduce(0, index, along, "amax", include_self=False)
    low = low.scatter_reduce(0, index, along, "amin", include_self=False)
    return Room(
        batch,
        along,
        batch.bincount(minlength=num_graphs),
        lattice.pbc,
        torch.where(lattice.pbc, 0.0, low),
        torch.where(lattice.pbc, 1.0, high - low),
        (inverse.norm(dim=-2).T * (cutoff * (1 + SLACK))).T,
    )


def squared(cutoff: float | Tensor, graph: Tensor) -> float | Tensor:
    """The square of a length of all graphs, or for each row that of its graph."""
    return (cutoff * cutoff)[graph] if isinstance(cutoff, Tensor) else cutoff * cutoff


def dense_grid(room: Room) -> Grid:
    """Bins that fill the room evenly, not many more of them than points."""
    size = room.size.unsqueeze(-1)
    several = room.pbc | (size > ONE_BIN)
    fit = torch.where(several, room.bins(), 1.0)
    bins = torch.minimum(fit, size).clamp(min=1)
    crowd = bins.prod(-1, keepdim=True) / size.clamp(min=1)
    bins = (bins / crowd.clamp(min=1) ** (1 / 3)).floor().clamp(min=1)

    reach = (room.reach * bins / room.extent).ceil()
    reach = torch.where(room.pbc | (bins > 1), reach, 0.0).long()
    scale = torch.where(bins > 1, bins / room.extent, 0.0)[room.batch]
    place = (room.along - room.low[room.batch]) * scale
    place = place.nan_to_num().clamp(min=0).long()
    place = torch.minimum(place, bins.long()[room.batch] - 1)
    grid = _numbered(bins.long(), reach, room.pbc, place)
    if not bool((bins < fit).any()):
        return grid
    count = grid.number(place, room.batch).bincount()
    return grid._replace(crowded=int(count.square().sum()) > CROWD * len(place))


def sparse_grid(room: Room) -> Grid:
    """Bins of a cutoff around the points, with little or nothing between them."""
    several = room.pbc | (room.size > ONE_BIN).unsqueeze(-1)
    fit = torch.where(several, room.bins(), 1.0)
    width = torch.where(room.pbc, 1 / fit, room.reach)
    width = torch.where(several, width, torch.inf)
    found = [
        _bins_along(room.along[:, k], room.batch, width[:, k], room.pbc[:, k])
        for k in range(3)
    ]
    place = torch.stack([places for places, _ in found], -1)
    bins = torch.stack([number for _, number in found], -1)
    merged = (bins + MAX_BINS - 1).div(MAX_BINS, rounding_mode="floor")
    bins = (bins + merged - 1).div(merged, rounding_mode="floor")
    place = place.div(merged[room.batch], rounding_mode="floor")
    reach = torch.where(fit > 1, 1.0, room.reach.ceil())
    reach = torch.where(room.pbc | (bins > 1), reach, 0.0).long()
    return _numbered(bins, reach, room.pbc, place)


def _numbered(bins: Tensor, reach: Tensor, pbc: Tensor, place: Tensor) -> Grid:
    count = bins.prod(-1)
    first = count.cumsum(0) - count
    return Grid(bins, reach, pbc, place, first, int(count.sum()))


def _bins_along(
    along: Tensor, batch: Tensor, width: Tensor, pbc: Tensor
) -> tuple[Tensor, Tensor]:
    """Bins along one direction, where a single empty one stands for all in a row.

    Where nothing repeats they are counted from the first point after a gap, so that
    points keep their precision however far away they are.

    Args:
        along: coordinate of each point.
        batch: graph of each point.
        width: of the bins of each graph; one after the other fills a period.
        pbc: whether each graph repeats.

    Returns:
        The bin of each point, and the number of bins of each graph.
    """
    order = along.argsort(stable=True)
    order = order[batch[order].argsort(stable=True)]
    x, graph = along[order], batch[order]
    rank = torch.arange(len(x), device=x.device)
    first = graph.diff(prepend=graph[:1] - 1) > 0
    wide = x.diff(prepend=x[:1]) > width[graph]
    begins = first | (wide & ~pbc[graph])
    origin = x[torch.where(begins, rank, 0).cummax(0).values]
    origin = torch.where(pbc[graph], 0.0, origin)
    bin_ = ((x - origin) / width[graph]).clamp(min=0).long()
    period = (1 / width).round().long()
    bin_ = torch.where(pbc[graph], torch.minimum(bin_, period[graph] - 1), bin_)

    # From point to point
    step = bin_.diff(prepend=bin_[:1]).clamp(max=2)
    step = torch.where(first, 0, torch.where(begins, 2, step)).cumsum(0)
    start = torch.where(first, rank, 0).cummax(0).values
    place = step - step[start]
    last = first.roll(-1)
    closing = (period[graph] - bin_ + bin_[start]).clamp(max=2)
    number = torch.ones_like(period)
    number[graph[last]] = (place + torch.where(pbc[graph], closing, 1))[last]
    return torch.empty_like(place).scatter_(0, order, place), number
