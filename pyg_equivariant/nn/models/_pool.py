"""Sums and means over the atoms of each graph."""

from __future__ import annotations

from torch import Tensor

from pyg_equivariant.graph import check_batch
from pyg_equivariant.o3 import check_real, check_size


def pool(x: Tensor, batch: Tensor | None, batch_size: int, reduce: str) -> Tensor:
    """The ``"sum"`` or ``"mean"`` of node features ``(|V|, ...)`` over each graph."""
    check_real(x, "x")
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
