"""Edges between the same two nodes are one pair."""

from __future__ import annotations

import gc

import torch

from pyg_equivariant.graph import _edge_pairs as module
from pyg_equivariant.graph._edge_pairs import edge_pairs
from pyg_equivariant.graph._radius_graph import radius_graph


def test_one_pair_for_both_directions(generator: torch.Generator) -> None:
    pos = torch.rand(30, 3, generator=generator)
    edge_index, _ = radius_graph(pos, 0.5)
    edge_index = edge_index[:, torch.randperm(edge_index.shape[1], generator=generator)]
    pairs = edge_pairs(edge_index)
    assert pairs is not None
    assert 2 * len(pairs.edge) == edge_index.shape[1]
    ends = edge_index.sort(dim=0).values
    assert torch.equal(ends[:, pairs.edge][:, pairs.pair], ends)
    assert len(ends[:, pairs.edge].unique(dim=1).T) == len(pairs.edge)


def test_repeated_edges_and_loops_are_pairs_too() -> None:
    pairs = edge_pairs(torch.tensor([[2, 0, 1, 1, 0], [2, 1, 0, 0, 1]]))
    assert pairs is not None
    assert pairs.pair.tolist() == [1, 0, 0, 0, 0]
    assert pairs.edge.tolist() == [1, 0]


def test_nothing_where_most_edges_are_alone() -> None:
    directed = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 4, 4]])
    assert edge_pairs(directed) is None
    assert edge_pairs(torch.cat([directed, directed[:, :1].flip(0)], dim=1)) is None
    assert edge_pairs(directed[:, :0]) is None


def test_remembered_until_edges_change_or_go() -> None:
    gc.collect()
    before = len(module._known)
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    first = edge_pairs(edge_index)
    assert edge_pairs(edge_index) is first
    edge_index[:, 2:] = torch.tensor([[0, 1], [1, 0]])
    changed = edge_pairs(edge_index)
    assert changed is not None
    assert changed.pair.tolist() == [0, 0, 0, 0]
    del edge_index
    gc.collect()
    assert len(module._known) == before
    with torch.inference_mode():
        assert edge_pairs(torch.tensor([[0, 1], [1, 0]])) is not None
