"""Pairs of lifted points, beside products of 4 x 4 matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import Graph, complete_graph, lift, neighbor_graph
from pyg_equivariant.o3 import (
    matrix_to_quaternion,
    quaternion_to_matrix,
    rand_matrix,
    rand_quaternion,
    se3_exp,
)


def matrices(q: Tensor, t: Tensor) -> Tensor:
    """Rigid motions as 4 x 4 matrices."""
    q, t = (
        x.expand(*torch.broadcast_shapes(q.shape[:-1], t.shape[:-1]), -1)
        for x in (q, t)
    )
    top = torch.cat([quaternion_to_matrix(q), t.unsqueeze(-1)], dim=-1)
    last = torch.tensor([0.0, 0, 0, 1], dtype=q.dtype).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, last], dim=-2)


@pytest.fixture
def graph(generator: torch.Generator) -> Graph:
    pos = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    return neighbor_graph(pos, None, torch.tensor([0, 0, 1, 1, 1]))


@pytest.mark.parametrize("num_lifts", [1, 2, 3])
def test_pairs_are_inverse_times_element(graph: Graph, num_lifts: int) -> None:
    q = 3 * rand_quaternion(5, num_lifts, dtype=torch.float64)
    lifted = lift(graph, q)
    u = matrices(q, graph.pos.unsqueeze(1)).flatten(0, 1)
    j, i = lifted.edge_index
    found = matrices(*se3_exp(lifted.logarithm))
    torch.testing.assert_close(found, torch.linalg.inv(u[j]) @ u[i])
    batch = torch.tensor([0, 0, 1, 1, 1]).repeat_interleave(num_lifts)
    expected = complete_graph(5 * num_lifts, batch)
    pairs = {tuple(pair) for pair in lifted.edge_index.T.tolist()}
    assert len(pairs) == lifted.edge_index.shape[1]
    assert pairs == {tuple(pair) for pair in expected.T.tolist()}


def test_pairs_are_the_same_from_another_side(graph: Graph) -> None:
    q, g = rand_quaternion(5, 2, dtype=torch.float64), rand_matrix(dtype=torch.float64)
    turned = matrix_to_quaternion(g @ quaternion_to_matrix(q))
    moved = graph.moved_to(graph.pos @ g.T + torch.tensor([1.0, -2.0, 3.0]))
    expected = lift(graph, q).logarithm
    torch.testing.assert_close(lift(moved, turned).logarithm, expected)
    assert not torch.allclose(lift(moved, q).logarithm, expected)


def test_what_edges_carry_goes_to_their_pairs(graph: Graph) -> None:
    lifted = lift(graph, rand_quaternion(5, 2, dtype=torch.float64))
    rows = torch.arange(graph.edge_index.shape[1], dtype=torch.float64) + 1
    found = lifted.spread(rows, within=0.0)
    j, i = lifted.edge_index // 2
    for row, edge in zip(rows, graph.edge_index.T, strict=True):
        assert (found[(j == edge[0]) & (i == edge[1])] == row).all()
    assert not found[j == i].any()


def test_what_cannot_be_lifted_is_refused(graph: Graph) -> None:
    q = rand_quaternion(5, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"expected q \(5, S, 4\)"):
        lift(graph, q[:4])
    with pytest.raises(ValueError, match="one quaternion or more"):
        lift(graph, q[:, :0])
    with pytest.raises(TypeError, match="float32"):
        lift(graph, q.float())
    with pytest.raises(ValueError, match="one set of points to another"):
        lift(graph._replace(sources=graph.pos), q)
