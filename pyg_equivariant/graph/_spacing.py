"""How far the neighbors of a point are, roughly, in each graph."""

from __future__ import annotations

import torch
from torch import Tensor

from ._lattice import Lattice
from ._points import Points
from ._search import rank_in

# So many points of each graph are looked at.
SAMPLE = 8


def spacing(source: Points, target: Points, lattice: Lattice, k: int) -> Tensor:
    """About the distance of the ``k``-th source, in dense parts of each graph.

    It need not be right: a search that begins with it takes longer where it is wrong.
    """
    num_graphs = len(lattice.pbc)
    sample = _sample(target.batch, num_graphs)
    square, graph = _kth_squares(source, target, sample, num_graphs, k)
    # Lower quartiles
    order = _by_length(square, graph)
    square, graph = square[order], graph[order]
    quarter = graph.bincount(minlength=num_graphs) // 4
    at = rank_in(graph, num_graphs) == quarter[graph]
    found = square.new_zeros(num_graphs).index_copy(0, graph[at], square[at].sqrt())
    number = source.batch.bincount(minlength=num_graphs)
    repeats = lattice.pbc.any(-1) & (number <= k)
    found = torch.where(repeats, _of_images(lattice, number, k), found)
    return torch.where((found > 0) & found.isfinite(), found, 1.0)
    return found / torch.frexp(found).mantissa


def _of_images(lattice: Lattice, number: Tensor, k: int) -> Tensor:
    """Where so many sources repeat: the size of a part of space that holds ``k``."""
    volume = torch.linalg.det(lattice.frame).abs() * k / number.clamp(min=1)
    return volume ** (1 / lattice.pbc.sum(-1).clamp(min=1))


def _sample(batch: Tensor, num_graphs: int) -> Tensor:
    order = batch.argsort(stable=True)
    graph = batch[order]
    count = batch.bincount(minlength=num_graphs)
    stride = (count + SAMPLE - 1).div(SAMPLE, rounding_mode="floor").clamp(min=1)
    return order[rank_in(graph, num_graphs) % stride[graph] == 0]


def _kth_squares(
    source: Points, target: Points, sample: Tensor, num_graphs: int, k: int
) -> tuple[Tensor, Tensor]:
    """Squared distances of some targets to their ``k``-th other source, and graphs.

    Where that is zero, to the farthest; where all are, nothing.
    """
    order = source.batch.argsort(stable=True)
    count = source.batch.bincount(minlength=num_graphs)
    graph = target.batch[sample]
    number = count[graph]
    row = torch.arange(len(sample), device=sample.device).repeat_interleave(number)
    first = (count.cumsum(0) - count)[graph][row]
    j = order[first + rank_in(row, len(sample))]
    apart = source.pos[j] - target.pos[sample][row]
    square = apart.square().sum(-1)

    order = _by_length(square, row)
    square, row = square[order], row[order]
    place, last = rank_in(row, len(sample)), number[row] - 1
    kth = square[place == last.clamp(max=k)]
    kth = torch.where(kth > 0, kth, square[place == last])
    return kth[kth > 0], graph[number > 0][kth > 0]


def _by_length(square: Tensor, group: Tensor) -> Tensor:
    """An order by group, then by length."""
    order = square.argsort(stable=True)
    return order[group[order].argsort(stable=True)]
