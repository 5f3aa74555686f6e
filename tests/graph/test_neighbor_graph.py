"""Graphs in space, with edges that are given or found."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.graph import (
    complete_graph,
    edge_vectors,
    neighbor_graph,
    radius_graph,
)

CELL = torch.tensor([[3.0, 0.2, 0.0], [-0.4, 2.2, 0.3], [0.1, 0.5, 3.4]]).double()


def test_edges_are_found_or_taken() -> None:
    torch.manual_seed(0)
    pos, batch = torch.randn(7, 3), torch.tensor([0, 0, 0, 0, 1, 1, 1])
    graph = neighbor_graph(pos, 1.5, batch)
    assert torch.equal(graph.edge_index, radius_graph(pos, 1.5, batch)[0])
    assert (graph.batch_size, graph.edge_shift) == (2, None)
    whole = neighbor_graph(pos, None, batch, batch_size=3)
    assert torch.equal(whole.edge_index, complete_graph(7, batch))
    assert whole.batch_size == 3
    given = neighbor_graph(pos, 1.5, edge_index=torch.tensor([[1], [0]]))
    assert given.edge_vec().tolist() == [(pos[1] - pos[0]).tolist()]
    assert given.batch_size == 1


def test_periodic_edges_have_images() -> None:
    pos = torch.rand(3, 3).double() @ CELL
    graph = neighbor_graph(pos, 2.5, cell=CELL)
    assert graph.edge_shift is not None
    assert graph.edge_shift.any()
    edges = graph.edge_index, graph.edge_shift
    expected = edge_vectors(pos, *edges, CELL)
    assert torch.equal(graph.edge_vec(), expected)
    again = neighbor_graph(pos, 2.5, None, *edges, CELL)
    assert torch.equal(again.edge_vec(), expected)


def test_a_cell_and_edges_without_images_are_refused() -> None:
    pos, edge_index = torch.rand(2, 3).double(), torch.tensor([[1], [0]])
    with pytest.raises(ValueError, match="edge_shift"):
        neighbor_graph(pos, 2.5, edge_index=edge_index, cell=CELL)
    # nothing is periodic
    for open_ in ({"pbc": torch.zeros(3).bool()}, {"cell": torch.zeros(3, 3)}):
        given = {"cell": CELL, **open_}
        graph = neighbor_graph(pos, 2.5, edge_index=edge_index, **given)
        assert graph.edge_vec().tolist() == [(pos[1] - pos[0]).tolist()]
    with pytest.raises(ValueError, match="edge_shift"):
        graph._replace(cell=CELL).edge_vec()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"pos": torch.zeros(2, 3).long()}, TypeError, "floating-point"),
        ({"pos": torch.zeros(2, 2)}, ValueError, r"\(\|V\|, 3\)"),
        ({"batch": torch.zeros(3).long()}, ValueError, "one row of batch"),
        ({"edge_shift": torch.zeros(1, 3)}, ValueError, "edge_index is None"),
        ({"cutoff": None, "cell": CELL}, ValueError, "no end of pairs"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: dict, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        neighbor_graph(**{"pos": torch.zeros(2, 3), "cutoff": 1.0, **change})


def test_known_vectors_are_taken_and_move_along_with_the_nodes() -> None:
    """As those of two programs, one of which knows images by vectors alone."""
    pos, cell = 2 * torch.rand(4, 3).double(), 2.1 * torch.eye(3).double()
    graph = neighbor_graph(pos, 2.5, cell=cell)
    known = graph._replace(
        pos=torch.zeros_like(pos), edge_shift=None, cell=None, vectors=graph.edge_vec()
    )
    assert torch.equal(known.edge_vec(), graph.edge_vec())
    step = torch.rand(4, 3).double()
    there = graph.moved_to(pos + step)
    assert there.vectors is None
    torch.testing.assert_close(known.moved_to(step).edge_vec(), there.edge_vec())
    again = known.moved_to(step).moved_to(torch.zeros_like(pos))
    torch.testing.assert_close(again.edge_vec(), graph.edge_vec())
