"""Edges that join the same two nodes, whichever way they point."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


class EdgePairs(NamedTuple):
    """Pairs of nodes that edges join.

    Attributes:
        edge: an edge of every pair, ``(num_pairs,)``.
        pair: the pair of every edge, ``(|E|,)``.
    """

    edge: Tensor
    pair: Tensor


_known = WeakTensorKeyDictionary()


def edge_pairs(edge_index: Tensor) -> EdgePairs | None:
    """The pairs of a graph, remembered while ``edge_index`` lives and stays the same.

    ``None`` if there are more than three for four edges: then nothing is gained by
    computing once for every pair what both directions share.

    Example:
        >>> edge_pairs(torch.tensor([[1, 2, 0, 0], [0, 0, 1, 2]])).pair
        tensor([0, 1, 0, 1])
        >>> edge_pairs(torch.tensor([[1, 2], [0, 0]])) is None
        True
    """
    if edge_index.is_inference():
        return _pairs(edge_index)
    found = _known.get(edge_index)
    if found is None or not torch.equal(found[0], edge_index):
        found = edge_index.clone(), _pairs(edge_index)
        _known[edge_index] = found
    pairs: EdgePairs | None = found[1]
    return pairs


def _pairs(edge_index: Tensor) -> EdgePairs | None:
    count = edge_index.shape[1]
    if count == 0:
        return None
    low, high = edge_index.aminmax(dim=0)
    key = low * (high.max() + 1) + high
    keys, pair = key.unique(return_inverse=True)
    if 4 * len(keys) > 3 * count:
        return None
    edges = torch.arange(count, device=pair.device)
    edge = edges.new_empty(len(keys)).scatter_reduce(
        0, pair, edges, "amin", include_self=False
    )
    return EdgePairs(edge, pair)
