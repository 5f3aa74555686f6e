"""The graph that joins all pairs of atoms."""

from __future__ import annotations

import torch
from torch import Tensor


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
        ValueError: if ``batch`` is not of length ``num_nodes``.

    Example:
        >>> complete_graph(3, batch=torch.tensor([0, 1, 0]))
        tensor([[2, 0],
                [0, 2]])
    """
    if batch is None:
        batch = torch.zeros(num_nodes, dtype=torch.long, device=device)
    if batch.shape != (num_nodes,):
        raise ValueError(
            f"batch names the graph of each of {num_nodes} nodes, got shape "
            f"{tuple(batch.shape)}"
        )
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
