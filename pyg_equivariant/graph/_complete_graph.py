"""The graph that joins all pairs of atoms."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_size, check_tensor

from ._points import check_batch


def complete_graph(
    num_nodes: int, batch: Tensor | None = None, device: torch.device | None = None
) -> Tensor:
    """All ordered pairs of different nodes of the same graph.

    Args:
        num_nodes: number of nodes.
        batch: the graph of every node, in any order; one graph by default.
        device: where the edges live, if there is no ``batch``.

    Returns:
        ``edge_index`` of shape ``(2, |E|)``, sorted by target, then by source.

    Raises:
        TypeError: if ``num_nodes`` is no integer or ``batch`` no tensor.
        ValueError: if ``batch`` does not hold ``num_nodes`` numbers of graphs.

    Example:
        >>> complete_graph(3, batch=torch.tensor([0, 1, 0]))
        tensor([[2, 0],
                [0, 2]])
    """
    check_size(num_nodes, "num_nodes")
    if batch is None:
        batch = torch.zeros(num_nodes, dtype=torch.long, device=device)
    check_tensor(batch, "batch")
    if batch.shape != (num_nodes,):
        raise ValueError(
            f"batch names the graph of each of {num_nodes} nodes, got shape "
            f"{tuple(batch.shape)}"
        )
    if batch.is_meta:
        raise ValueError("batch is on meta, where there are no numbers of graphs")
    check_batch(batch, batch, owner="num_nodes")
    order = batch.argsort(stable=True)
    count = torch.bincount(batch)
    first = count.cumsum(0) - count
    partners = count[batch]
    nodes = torch.arange(num_nodes, device=batch.device)
    target = nodes.repeat_interleave(partners)
    start = (partners.cumsum(0) - partners).repeat_interleave(partners)
    rank = torch.arange(len(target), device=batch.device) - start
    source = order[first[batch[target]] + rank]
    different = source != target
    return torch.stack([source[different], target[different]])
