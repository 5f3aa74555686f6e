"""Sums, means and maxima over the nodes of each graph."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.graph import check_batch
from pyg_equivariant.o3 import check_real, check_size, widen


def pool(x: Tensor, batch: Tensor | None, batch_size: int, reduce: str) -> Tensor:
    """The ``"sum"``, ``"mean"`` or ``"max"`` of features ``(|V|, ...)`` of each graph.

    In float32 at least: half precision cannot hold what many atoms add up to.
    """
    check_real(x, "x")
    x = widen(x)
    if reduce == "max":
        return _largest(x, batch, batch_size)
    if batch is None:
        total = x.sum(dim=0, keepdim=True)
        return total / max(x.shape[0], 1) if reduce == "mean" else total
    check_size(batch_size, "batch_size")
    check_batch(batch, x, "batch", batch_size, "x")
    total = x.new_zeros(batch_size, *x.shape[1:]).index_add(0, batch, x)
    if reduce == "mean":
        ones = x.new_ones(x.shape[0])
        count = x.new_zeros(batch_size).index_add(0, batch, ones).clamp(min=1)
        total = total / count.view(-1, *[1] * (x.dim() - 1))
    return total


def _largest(x: Tensor, batch: Tensor | None, batch_size: int) -> Tensor:
    """The largest number of each graph; 0 where there are no nodes.

    Nodes that share it share its derivative.
    """
    if batch is None:
        batch, batch_size = x.new_zeros(x.shape[0], dtype=torch.long), 1
    check_size(batch_size, "batch_size")
    check_batch(batch, x, "batch", batch_size, "x")
    batch = batch.long()
    index = batch.view(-1, *[1] * (x.dim() - 1)).expand_as(x)
    top = x.new_full((batch_size, *x.shape[1:]), -torch.inf)
    top = top.scatter_reduce(0, index, x.detach(), "amax")
    wins = (x == top.index_select(0, batch)).to(x.dtype)
    both = torch.stack([wins, wins * x])
    count, total = both.new_zeros(2, *top.shape).index_add(1, batch, both)
    return total / count.clamp(min=1)


def number_of_graphs(batch: Tensor | None, batch_size: int | None) -> int:
    """The number of graphs in a batch, found if it was not given."""
    if batch is None:
        return 1
    if batch_size is not None:
        return batch_size
    return int(batch.max()) + 1 if len(batch) else 0


class Atoms(NamedTuple):
    """Atomic numbers (or features), and the graph of every atom."""

    z: Tensor
    batch: Tensor | None = None
    batch_size: int = 1

    def pool(self, x: Tensor, reduce: str = "sum") -> Tensor:
        """The ``"sum"``, ``"mean"`` or ``"max"`` of ``(|V|, ...)`` of each graph."""
        return pool(x, self.batch, self.batch_size, reduce)

    def spread(self, x: Tensor) -> Tensor:
        """What there is of every graph, or once of the only one, for every atom."""
        return x if self.batch is None else x.index_select(0, self.batch)
