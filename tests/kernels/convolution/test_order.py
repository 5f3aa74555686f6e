"""Every edge is visited once, and threads and programs own what they write."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.kernels.convolution import order as module
from pyg_equivariant.kernels.convolution.order import EdgeOrder, edge_order


@pytest.mark.parametrize("edges", [0, 1, 700, 20_000])
@pytest.mark.parametrize("end", [0, 1])
def test_parts_own_nodes_and_visit_every_edge_once(end: int, edges: int) -> None:
    sizes = (40, 30)
    edge_index = torch.stack([torch.randint(n, (edges,)) for n in sizes])
    order = edge_order(edge_index, *sizes)
    visits = order.by_target if end else order.by_source
    assert torch.equal(visits.order.sort().values, torch.arange(edges))
    nodes, begin = visits.node_at.tolist(), visits.edge_at.tolist()
    assert (nodes[0], nodes[-1]) == (0, sizes[end])
    assert (begin[0], begin[-1]) == (0, edges)
    for n in range(len(nodes) - 1):
        visited = visits.order[begin[n] : begin[n + 1]]
        assert bool((edge_index[1, visited].diff() >= 0).all())
        owned = edge_index[end, visited]
        assert bool(((nodes[n] <= owned) & (owned < nodes[n + 1])).all())


@pytest.mark.parametrize("edges", [0, 1, 700])
@pytest.mark.parametrize("end", [0, 1])
def test_segments_visit_every_edge_once(
    end: int, edges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SEGMENT", 16)
    sizes = (40, 30)
    edge_index = torch.stack([torch.randint(n, (edges,)) for n in sizes])
    if edges:
        edge_index[end, ::3] = 7  # very many
    order = EdgeOrder(edge_index, *sizes)
    segments = order.segments_by_target if end else order.segments_by_source
    edge, other = segments.visits.T
    assert torch.equal(edge.sort().values, torch.arange(edges))
    assert torch.equal(other, edge_index[1 - end, edge])
    if end == 0:
        assert bool(((edge_index[0, edge] * 30 + other).diff() >= 0).all())
    seen = []
    for node, _, first, last in (*segments.whole.tolist(), *segments.pieces.tolist()):
        assert 0 <= last - first <= 16
        assert bool((edge_index[end, edge[first:last]] == node).all())
        seen += range(first, last)
    assert sorted(seen) == list(range(edges))
    rows = segments.whole[:, 1].tolist() + segments.joins[:, 0].tolist()
    assert sorted(rows) == list(range(sizes[end]))  # each is written once
    for node, first, last in segments.joins.tolist():
        pieces = segments.pieces[first:last]
        assert pieces[:, 0].tolist() == [node] * (last - first)
        assert pieces[:, 1].tolist() == list(range(first, last))
        assert int(pieces[0, 2]) == int((edge_index[end] < node).sum())


def test_a_node_of_very_many_edges_is_cut() -> None:
    star = torch.stack([torch.arange(100_000), torch.zeros(100_000).long()])
    segments = EdgeOrder(star, 100_000, 2).segments_by_target
    assert len(segments.pieces) == 782
    assert segments.joins.tolist() == [[0, 0, 782]]
    assert segments.whole.tolist() == [[1, 1, 100_000, 100_000]]
