"""Edges as sources and as targets: which nodes they meet, as graphs of their own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


class Incidence(NamedTuple):
    """Two graphs between the nodes and the edges of a graph.

    Attributes:
        ends: from nodes to edges, first from senders, then from receivers, whose
            numbers begin after the last sender: ``(2, 2 |E|)``.
        arrivals: from edges to receivers, ``(2, |E|)``.
    """

    ends: Tensor
    arrivals: Tensor


_known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def incidence(edge_index: Tensor, num_sources: int) -> Incidence:
    """The :class:`Incidence` of a graph, remembered while ``edge_index`` lives.

    The edges themselves are compared, so that edges changed in place are noticed.

    Example:
        >>> incidence(torch.tensor([[1, 2], [0, 0]]), 3).ends
        tensor([[1, 2, 3, 3],
                [0, 1, 0, 1]])
    """
    if torch.compiler.is_compiling() or edge_index.is_inference():
        return _incidence(edge_index, num_sources)
    found = _known.get(edge_index)
    if found and found[0] == num_sources and torch.equal(found[1], edge_index):
        return found[2]
    result = _incidence(edge_index, num_sources)
    _known[edge_index] = num_sources, edge_index.clone(), result
    return result


def _incidence(edge_index: Tensor, num_sources: int) -> Incidence:
    source, target = edge_index
    edges = torch.arange(edge_index.shape[1], device=edge_index.device)
    nodes = torch.cat([source, target + num_sources])
    return Incidence(
        torch.stack([nodes, edges.repeat(2)]), torch.stack([edges, target])
    )
