"""The order in which a convolution visits its edges, found once for every graph."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

_REMEMBERED = 16


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


class EdgeOrder:
    """Both orders of the edges of one graph.

    Every part owns consecutive nodes with about equally many edges, so that threads
    never write to one node. The parts follow from the graph alone: so does rounding,
    whatever the number of threads. Inside a part edges are ordered by target; in a part
    that owns sources this keeps both ends of its edges in the cache.

    Args:
        edge_index: sources and targets, ``(2, |E|)``.
        num_sources: the number of source nodes.
        num_targets: the number of target nodes.

    Raises:
        IndexError: if an edge points outside.
    """

    def __init__(self, edge_index: Tensor, num_sources: int, num_targets: int) -> None:
        self.edges = edge_index.to(torch.int64, copy=True).contiguous()
        self.sizes = (num_sources, num_targets)
        for name, row, size in zip(
            ("source", "target"), self.edges, self.sizes, strict=True
        ):
            if len(row) and not 0 <= int(row.min()) <= int(row.max()) < size:
                raise IndexError(
                    f"edge_index names {name} nodes from {int(row.min())} to "
                    f"{int(row.max())}, but there are {size}"
                )

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

    def _cut(self, end: int) -> tuple[Tensor, Tensor]:
        size, count = self.sizes[end], self.edges.shape[1]
        ends = torch.zeros(size + 1, dtype=torch.int64)
        ends[1:] = torch.bincount(self.edges[end], minlength=size).cumsum(0)
        parts = min(max(1, min(8, count // 256), count // 4096), 512)
        wanted = torch.arange(parts + 1) * count // parts
        node_at = torch.searchsorted(ends, wanted)
        node_at[0], node_at[-1] = 0, size
        return node_at, ends[node_at]


def _stable_order(key: Tensor) -> Tensor:
    if bool((key[1:] >= key[:-1]).all()):
        return torch.arange(len(key))
    return key.argsort(stable=True)


_orders: OrderedDict[tuple[int, ...], tuple[StorageWeakRef, EdgeOrder]] = OrderedDict()
_lock = threading.Lock()


def edge_order(edge_index: Tensor, num_sources: int, num_targets: int) -> EdgeOrder:
    """The :class:`EdgeOrder` of a graph, remembered while ``edge_index`` lives.

    The edges themselves are compared, so that edges changed in place are noticed.

    Example:
        >>> edge_index = torch.tensor([[0, 1, 2], [1, 0, 0]])
        >>> edge_order(edge_index, 3, 3).by_target.order
        tensor([1, 2, 0])
        >>> edge_order(edge_index, 3, 3) is edge_order(edge_index, 3, 3)
        True
    """
    edge_index = edge_index.detach()
    key = (edge_index.data_ptr(), *edge_index.shape, num_sources, num_targets)
    with _lock:
        found = _orders.get(key)
        if found is not None and torch.equal(found[1].edges, edge_index.long()):
            _orders.move_to_end(key)
            return found[1]
    order = EdgeOrder(edge_index, num_sources, num_targets)
    with _lock:
        for old in [k for k, (alive, _) in _orders.items() if alive.expired()]:
            del _orders[old]
        _orders[key] = (StorageWeakRef(edge_index.untyped_storage()), order)
        _orders.move_to_end(key)
        while len(_orders) > _REMEMBERED:
            _orders.popitem(last=False)
    return order
