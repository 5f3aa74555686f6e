from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

from pyg_equivariant.graph import knn, knn_graph
from pyg_equivariant.transforms import AddKNNGraph


def test_repr() -> None:
    assert str(AddKNNGraph(4)) == "AddKNNGraph(4)"
    transform = AddKNNGraph(4, loop=True, edge_types=[("a", "b", "a")], periodic=True)
    assert str(transform) == (
        "AddKNNGraph(4, loop=True, edge_types=[('a', 'b', 'a')], periodic=True)"
    )


@pytest.mark.parametrize("loop", [False, True])
def test_edges_are_those_of_knn_graph(
    molecules: list[Data], crystals: list[Data], loop: bool
) -> None:
    for data in molecules:
        data.edge_attr = torch.ones(2)
        data.edge_index = torch.zeros(2, 2).long()
        out = AddKNNGraph(3, loop)(data)
        assert torch.equal(out.edge_index, knn_graph(data.pos, 3, loop=loop)[0])
        assert "edge_attr" not in out
        assert "edge_shift" not in out
    for data in crystals:
        out = AddKNNGraph(3, loop)(data)
        found = knn_graph(data.pos, 3, None, data.cell, data.pbc, loop)
        assert torch.equal(out.edge_index, found[0])
        assert torch.equal(out.edge_shift, found[1])


def test_graphs_of_a_batch_are_as_alone(crystals: list[Data]) -> None:
    batch = AddKNNGraph(3)(Batch.from_data_list(crystals))
    singly = Batch.from_data_list([AddKNNGraph(3)(data) for data in crystals])
    assert torch.equal(batch.edge_index, singly.edge_index)
    assert torch.equal(batch.edge_shift, singly.edge_shift)


def test_between_types_of_nodes(complex_: HeteroData) -> None:
    near = ("protein", "near", "ligand")
    out = AddKNNGraph(5, edge_types=[near])(complex_)
    expected = knn(complex_["protein"].pos, complex_["ligand"].pos, 5)[0]
    assert torch.equal(out[near].edge_index, expected)


def test_bad_input_is_one_clear_line(complex_: HeteroData) -> None:
    with pytest.raises(ValueError, match="k must be at least 1 neighbor, got 0"):
        AddKNNGraph(0)
    with pytest.raises(ValueError, match="AddKNNGraph needs edge_types="):
        AddKNNGraph(2)(complex_)
    with pytest.raises(ValueError, match="AddKNNGraph needs the positions"):
        AddKNNGraph(2)(Data(x=torch.rand(2, 3)))
