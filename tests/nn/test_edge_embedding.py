"""From positions to edges: one way, differentiable, for every layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import Graph, neighbor_graph
from pyg_equivariant.nn import (
    BesselBasis,
    EdgeEmbedding,
    Edges,
    PolynomialCutoff,
    SchNetConv,
    TFNConv,
    node_attributes,
)
from pyg_equivariant.testing import assert_equivariant

CELL = torch.tensor([[3.0, 0.2, 0.0], [-0.4, 2.2, 0.3], [0.1, 0.5, 3.4]]).double()


def embedding(**options: object) -> EdgeEmbedding:
    radial = BesselBasis(4, 2.0), PolynomialCutoff(2.0)
    return EdgeEmbedding(2.0, *radial, "0e+1o+2e", **options).double()


def test_edges_carry_their_geometry() -> None:
    torch.manual_seed(0)
    pos, embed = torch.rand(6, 3).double(), embedding()
    edges = embed(pos)
    j, i = edges.edge_index
    torch.testing.assert_close(edges.edge_vec, pos[j] - pos[i])
    torch.testing.assert_close(edges.edge_length, edges.edge_vec.norm(dim=-1))
    weight = PolynomialCutoff(2.0)(edges.edge_length)
    attr = embed.basis(edges.edge_length) * weight.unsqueeze(-1)
    torch.testing.assert_close(edges.edge_weight, weight)
    torch.testing.assert_close(edges.edge_attr, attr)
    sh = edges.edge_sh
    direction = edges.edge_vec / edges.edge_length.unsqueeze(-1)
    torch.testing.assert_close(sh[:, 1:4], 3**0.5 * direction)
    assert edges.pos is pos


def test_rotates_and_stays_where_nothing_is_asked_for() -> None:
    pos = torch.rand(6, 3).double()
    edge_index = embedding()(pos).edge_index

    def function(pos: Tensor) -> tuple[Any, ...]:
        edges = embedding()(pos, edge_index=edge_index)
        length = edges.edge_length.unsqueeze(-1)
        rest = edges.edge_sh, edges.edge_attr, edges.node_attr()
        return edges.edge_vec, length, *rest

    outputs = ["1o", "0e", "0e+1o+2e", "4x0e", "0e+1o+2e"]
    assert_equivariant(function, ["pos"], outputs, [pos])
    bare = EdgeEmbedding(2.0)(pos)
    assert (bare.harmonics, bare.radial, bare.edge_weight) == (None, None, None)
    assert dict(embedding().state_dict()) == {}


def test_one_row_for_both_directions() -> None:
    pos, embed = torch.rand(6, 3).double(), embedding()
    graph = neighbor_graph(pos, 2.0)
    every, shared = embed.embed(graph), embed.embed(graph, by_pair=True)
    assert shared.pair is not None
    assert 2 * len(shared.edge_length) == len(every.edge_length)
    for name in ("edge_length", "edge_attr", "edge_weight"):
        spread = shared.spread(getattr(shared, name))
        assert torch.equal(spread, getattr(every, name))
        assert every.spread(getattr(every, name)) is getattr(every, name)


def test_periodic_images_of_a_pair_have_lengths_of_their_own() -> None:
    pos = torch.rand(2, 3).double() @ CELL
    edges = embedding()(pos, cell=CELL)
    paired = embedding().embed(edges.graph, by_pair=True)
    assert paired.pair is None
    torch.testing.assert_close(edges.edge_length, edges.edge_vec.norm(dim=-1))


def test_positions_and_cells_are_differentiated() -> None:
    pos = (torch.rand(3, 3).double() @ CELL).requires_grad_()
    cell = CELL.clone().requires_grad_()
    edge = embedding()(pos, cell=cell).graph

    def function(pos: Tensor, cell: Tensor) -> tuple[Any, ...]:
        edges = embedding()(
            pos, edge_index=edge.edge_index, edge_shift=edge.edge_shift, cell=cell
        )
        return edges.edge_sh.sum(0), edges.edge_attr.sum(0)

    assert torch.autograd.gradcheck(function, (pos, cell), fast_mode=True)
    assert torch.autograd.gradgradcheck(function, (pos, cell), fast_mode=True)


def test_compiles() -> None:
    pos = torch.rand(6, 3).double()
    edge_index = embedding()(pos).edge_index
    embed = embedding()
    compiled = torch.compile(embed, fullgraph=True, dynamic=True, backend="aot_eager")
    found, expected = (
        compiled(pos, edge_index=edge_index),
        embed(pos, edge_index=edge_index),
    )
    assert isinstance(found, Edges)
    for name in ("edge_vec", "edge_length", "edge_sh", "edge_attr", "edge_weight"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))


def test_edges_of_a_crystal_need_their_images() -> None:
    pos, edge_index = torch.rand(2, 3).double(), torch.tensor([[0], [1]])
    flags = torch.tensor([True, False, True])
    embed = embedding()
    graph = Graph(pos, None, 1, edge_index, None, CELL)
    with pytest.raises(ValueError, match="cell came without edge_shift"):
        embed.embed(graph)
    for function in (embed, torch.compile(embed, backend="eager")):
        for pbc in (None, flags, flags.tolist(), True):
            with pytest.raises(ValueError, match="cell came without edge_shift"):
                function(pos, edge_index=edge_index, cell=CELL, pbc=pbc)
        for pbc in (flags, flags.tolist(), True):
            with pytest.raises(ValueError, match="pbc, but without edge_shift and"):
                function(pos, edge_index=edge_index, pbc=pbc)
        for pbc in (False, [False] * 3, torch.zeros(1, 3).bool()):
            edges = function(pos, edge_index=edge_index, cell=CELL, pbc=pbc)
            assert torch.equal(edges.edge_vec, pos[:1] - pos[1:])


def test_layers_say_what_edges_lack() -> None:
    x, pos = torch.randn(6, 4), torch.rand(6, 3)
    bare = EdgeEmbedding(2.0)(pos)
    with pytest.raises(ValueError, match=r"no edge_sh; .*irreps_sh='"):
        TFNConv("4x0e", "0e+1o", "4x0e", 3).on_edges(x, bare)
    with pytest.raises(ValueError, match=r"no edge_attr; .*basis="):
        SchNetConv(4, 4, 5, 3).on_edges(x, bare)
    with pytest.raises(ValueError, match="irreps_sh"):
        bare.node_attr()
    with pytest.raises(ValueError, match="cutoff"):
        EdgeEmbedding(-1.0)


def test_attributes_of_nodes_are_smooth_under_an_envelope() -> None:
    sh, target = torch.tensor([[1.0, 2.0], [1.0, 4.0]]), torch.tensor([0, 0])
    gone = node_attributes(sh, target, 1, torch.tensor([1.0, 0.0]))
    alone = node_attributes(sh[:1], target[:1], 1, torch.tensor([1.0]))
    assert torch.equal(gone, alone)


def test_attributes_of_many_edges_in_half_precision() -> None:
    edge_sh = torch.ones(5000, 4)
    edge_sh[::2, 2:] = -1
    target = torch.zeros(5000, dtype=torch.long)
    for weight in (None, torch.full((5000,), 0.5)):
        expected = node_attributes(edge_sh, target, 1, weight)
        for dtype in (torch.float16, torch.bfloat16):
            given = None if weight is None else weight.to(dtype)
            found = node_attributes(edge_sh.to(dtype), target, 1, given)
            assert found.dtype == dtype
            torch.testing.assert_close(found.float(), expected, rtol=1e-2, atol=1e-2)


def test_the_basis_may_read_another_distance_and_no_envelope() -> None:
    basis, envelope = BesselBasis(4, 3.0).double(), PolynomialCutoff(3.0)
    embed = EdgeEmbedding(3.0, basis, envelope)
    pos = torch.randn(5, 3, dtype=torch.float64)
    graph = neighbor_graph(pos, 3.0)
    length = graph.edge_vec().norm(dim=1)
    sizes = torch.tensor([1.0, 1.5, 2.0, 2.5, 3.0], dtype=torch.float64)

    def distance(edge_index: Tensor, edge_length: Tensor) -> Tensor:
        return edge_length / sizes[edge_index].sum(dim=0)

    weight = envelope(length).unsqueeze(-1)
    for by_pair in (True, False):
        edges = embed.embed(graph, by_pair, distance)
        assert (edges.pair is not None) is by_pair
        expected = basis(distance(graph.edge_index, length)) * weight
        torch.testing.assert_close(edges.spread(edges.edge_attr), expected)
        edges = embed.embed(graph, by_pair, apart=True)
        torch.testing.assert_close(edges.spread(edges.edge_attr), basis(length))
        torch.testing.assert_close(edges.spread(edges.edge_weight), weight.squeeze(-1))
