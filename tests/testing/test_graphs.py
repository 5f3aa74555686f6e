"""The difficult graphs are as difficult as they claim."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.utils import contains_isolated_nodes, is_undirected

from pyg_equivariant.testing import difficult_graphs

NAMES = list(difficult_graphs())


@pytest.mark.parametrize("name", NAMES)
def test_every_graph_is_valid(name: str) -> None:
    graph = difficult_graphs()[name]
    assert graph.validate(raise_on_error=True)
    assert graph.pos.shape == (graph.num_nodes, 3)
    assert graph.z.shape == graph.batch.shape == (graph.num_nodes,)
    assert graph.edge_index.shape == (2, graph.num_edges)
    assert graph.edge_index.dtype == graph.z.dtype == torch.long
    pairs = graph.edge_index.T.tolist()
    assert len({tuple(pair) for pair in pairs}) == len(pairs)
    source, target = graph.edge_index
    assert (source != target).all()
    assert torch.equal(graph.batch[source], graph.batch[target])
    assert (graph.z > 0).all()


def test_what_the_names_promise() -> None:
    graphs = difficult_graphs()
    for name in ("asymmetric", "two_molecules"):
        edge_index = graphs[name].edge_index
        assert not is_undirected(edge_index)
        assert contains_isolated_nodes(edge_index, graphs[name].num_nodes)
    assert graphs["asymmetric"].num_nodes == 6
    assert 5 not in graphs["asymmetric"].edge_index
    reverse = {tuple(e) for e in graphs["asymmetric"].edge_index.flip(0).T.tolist()}
    one_way = [
        e for e in graphs["asymmetric"].edge_index.T.tolist() if tuple(e) not in reverse
    ]
    assert len(one_way) > graphs["asymmetric"].num_edges / 2
    assert graphs["two_molecules"].batch.bincount().tolist() == [6, 5]
    pos = graphs["coincident"].pos
    assert torch.equal(pos[0], pos[1])
    assert [0, 1] in graphs["coincident"].edge_index.T.tolist()
    assert (graphs["collinear"].pos[:, [0, 2]] == 0).all()
    assert (graphs["collinear"].pos[:, 1] != 0).all()
    assert (graphs["planar"].pos[:, 2] == 0).all()
    counts = {name: (g.num_nodes, g.num_edges) for name, g in graphs.items()}
    assert counts["no_edges"] == (3, 0)
    assert counts["single_node"] == (1, 0)
    assert counts["empty"] == (0, 0)


def test_dtype_and_seed(generator: torch.Generator) -> None:
    one = difficult_graphs(torch.float32, generator)["planar"]
    two = difficult_graphs(torch.float32, generator.manual_seed(0))["planar"]
    assert one.pos.dtype == torch.float32
    assert torch.equal(one.pos, two.pos)
    assert torch.equal(one.z, two.z)
