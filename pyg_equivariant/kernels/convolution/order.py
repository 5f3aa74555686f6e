"""The order in which a convolution visits the edges of a graph."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from ..c.memory import num_parts
from ..edges import remembered

# Of Triton's programs
_SEGMENT = 128  # visits, at most
_TOGETHER = 32  # segments, at most, of one program


class Visits(NamedTuple):
    """Edges in the order of their visits, cut into parts that own nodes.

    Attributes:
        node_at: where the nodes of each part begin, and the number of nodes.
        edge_at: where its edges begin in ``order``, and the number of edges.
        order: numbers of edges.
    """

    node_at: Tensor
    edge_at: Tensor
    order: Tensor


class Segments(NamedTuple):
    """Edges in the order of the nodes at one end, cut into segments of one node each.

    Attributes:
        visits: number of an edge and node at its other end, ``(|E|, 2)``.
        whole: nodes of one segment, ``(.., 4)``: node, row of its result, first visit
            and the one after the last. Behind them lie idle ones, without a row (-1),
            enough for a program that takes several segments.
        pieces: segments of the other nodes likewise, but each has a row of its own.
        joins: these nodes, ``(.., 3)``: node, first piece and the one after the last.
    """

    visits: Tensor
    whole: Tensor
    pieces: Tensor
    joins: Tensor


class EdgeOrder:
    """Both orders of the edges of one graph.

    Every part owns consecutive nodes with about equally many edges, so that threads
    never write to one node. The parts follow from the graph alone: so does rounding,
    whatever the number of threads. Inside a part edges are ordered by target; in a part
    that owns sources this keeps both ends of its edges in the cache.

    Args:
        edges: sources and targets, ``(2, |E|)``, int64.
        num_sources: the number of source nodes.
        num_targets: the number of target nodes.
    """

    def __init__(self, edges: Tensor, num_sources: int, num_targets: int) -> None:
        self.edges, self.sizes = edges, (num_sources, num_targets)

    @cached_property
    def by_target(self) -> Visits:
        """Parts own targets."""
        target = self.edges[1]
        node_at, edge_at = self._cut(1)
        return Visits(node_at, edge_at, _stable_order(target))

    @cached_property
    def by_source(self) -> Visits:
        """Parts own sources."""
        source, target = self.edges
        node_at, edge_at = self._cut(0)
        part = torch.searchsorted(node_at[1:], source, right=True)
        return Visits(node_at, edge_at, _stable_order(part * self.sizes[1] + target))

    @cached_property
    def segments_by_target(self) -> Segments:
        """Segments of edges that arrive at one node."""
        return self._segments(1)

    @cached_property
    def segments_by_source(self) -> Segments:
        """Segments of edges that leave one node, in the order of their targets."""
        return self._segments(0)

    def _segments(self, end: int) -> Segments:
        size, (source, target) = self.sizes[end], self.edges
        order = _stable_order(source * self.sizes[1] + target if end == 0 else target)
        nodes = torch.arange(size + 1, device=order.device)
        first = torch.searchsorted(self.edges[end, order], nodes)
        count = first.diff()
        whole = (count <= _SEGMENT).nonzero()[:, 0]
        cut = (count > _SEGMENT).nonzero()[:, 0]
        number = (count[cut] + _SEGMENT - 1) // _SEGMENT
        last = number.cumsum(0)
        node = cut.repeat_interleave(number)
        row = torch.arange(len(node), device=order.device)
        skipped = (last - number).repeat_interleave(number)
        begin = first[node] + _SEGMENT * (row - skipped)
        stop = torch.minimum(begin + _SEGMENT, first[node + 1])
        return Segments(
            torch.stack([order, self.edges[1 - end, order]], dim=1),
            _with_idle(whole, whole, first[whole], first[whole + 1]),
            _with_idle(node, row, begin, stop),
            torch.stack([cut, last - number, last], dim=1),
        )

    def _cut(self, end: int) -> tuple[Tensor, Tensor]:
        size, count = self.sizes[end], self.edges.shape[1]
        ends = torch.zeros(size + 1, dtype=torch.int64)
        ends[1:] = torch.bincount(self.edges[end], minlength=size).cumsum(0)
        parts = num_parts(count)
        node_at = torch.searchsorted(ends, torch.arange(parts + 1) * count // parts)
        node_at[0], node_at[-1] = 0, size
        return node_at, ends[node_at]


def _stable_order(key: Tensor) -> Tensor:
    if bool((key[1:] >= key[:-1]).all()):
        return torch.arange(len(key), device=key.device)
    return key.argsort(stable=True)


def _with_idle(*columns: Tensor) -> Tensor:
    """Segments as rows; idle ones lie behind them in memory."""
    rows = torch.stack(columns, dim=1)
    idle = rows.new_tensor([[0, -1, 0, 0]]).expand(_TOGETHER, -1)
    return torch.cat([rows, idle])[: len(rows)]


def edge_order(edge_index: Tensor, num_sources: int, num_targets: int) -> EdgeOrder:
    """The :class:`EdgeOrder` of a graph, remembered while ``edge_index`` lives.

    Raises:
        IndexError: if an edge points outside.

    Example:
        >>> edge_index = torch.tensor([[0, 1, 2], [1, 0, 0]])
        >>> edge_order(edge_index, 3, 3).by_target.order
        tensor([1, 2, 0])
        >>> edge_order(edge_index, 3, 3) is edge_order(edge_index, 3, 3)
        True
    """
    return remembered(EdgeOrder, edge_index, num_sources, num_targets)
