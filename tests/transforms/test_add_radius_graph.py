from __future__ import annotations

import copy

import pytest
import torch
import torch_geometric.transforms as T
from torch_geometric.data import Batch, Data, HeteroData

from pyg_equivariant.graph import radius, radius_graph
from pyg_equivariant.transforms import AddEdgeVectors, AddRadiusGraph


def test_repr() -> None:
    assert str(AddRadiusGraph(5.0)) == "AddRadiusGraph(5.0)"
    transform = AddRadiusGraph(2.0, 8, loop=True, backend="torch")
    assert str(transform) == (
        "AddRadiusGraph(2.0, max_num_neighbors=8, loop=True, backend='torch')"
    )


def test_edges_are_those_of_radius_graph(
    molecules: list[Data], crystals: list[Data]
) -> None:
    for data in molecules:
        out = AddRadiusGraph(3.0)(data)
        assert torch.equal(out.edge_index, radius_graph(data.pos, 3.0)[0])
        assert "edge_shift" not in out
    for data in crystals:
        edge_index, shift = radius_graph(
            data.pos, 3.0, cell=data.cell, pbc=data.pbc, loop=True
        )
        out = AddRadiusGraph(3.0, loop=True)(data)
        assert torch.equal(out.edge_index, edge_index)
        assert shift is not None
        assert torch.equal(out.edge_shift, shift)


@pytest.mark.parametrize("kind", ["molecules", "crystals"])
def test_a_batch_of_graphs_is_the_graph_of_a_batch(
    kind: str, request: pytest.FixtureRequest
) -> None:
    graphs = request.getfixturevalue(kind)
    transform = T.Compose([AddRadiusGraph(3.0), AddEdgeVectors()])
    singly = Batch.from_data_list([transform(data) for data in graphs])
    together = transform(Batch.from_data_list(graphs))
    assert singly.edge_index.size(1) > 20
    for name in ("edge_index", "edge_vec", "edge_length"):
        torch.testing.assert_close(singly[name], together[name], atol=1e-12, rtol=0)
    if kind == "crystals":
        assert torch.equal(singly.edge_shift, together.edge_shift)
        assert singly.cell.shape == (3, 3, 3)
        assert singly.pbc.shape == (3, 3)
        lengths = torch.cat([transform(data).edge_length for data in graphs])
        assert torch.equal(singly.edge_length, lengths)


def test_a_cell_without_batch_dimension_gets_one(crystals: list[Data]) -> None:
    data = crystals[0]
    flat = copy.copy(data)
    flat.cell, flat.pbc = data.cell[0], data.pbc[0]
    out = AddRadiusGraph(3.0)(flat)
    assert torch.equal(out.edge_shift, AddRadiusGraph(3.0)(data).edge_shift)
    assert out.cell.shape == (1, 3, 3)
    assert out.pbc.shape == (1, 3)
    assert flat.cell.shape == (3, 3)


def test_graphs_with_and_without_periods_make_one_batch(crystals: list[Data]) -> None:
    crystals[1].pbc = torch.zeros(1, 3, dtype=torch.bool)
    crystals[1].cell = torch.zeros(1, 3, 3).double()
    batch = Batch.from_data_list([AddRadiusGraph(3.0)(data) for data in crystals])
    inner = batch.batch[batch.edge_index[1]] == 1
    assert inner.any()
    assert not batch.edge_shift[inner].any()
    assert batch.edge_shift[~inner].any()


def test_attributes_of_earlier_edges_go_and_the_input_stays(
    molecules: list[Data],
) -> None:
    data = molecules[0]
    data.edge_index = torch.tensor([[0, 1], [1, 0]])
    data.edge_attr = torch.rand(2, 4)
    data.bond = torch.rand(2)
    before = copy.deepcopy(data)
    out = AddRadiusGraph(9.0)(data)
    assert out.edge_index.size(1) == 20
    assert "edge_attr" not in out
    assert "bond" not in out
    assert "vel" in out
    assert data.keys() == before.keys()
    assert all(torch.equal(data[name], before[name]) for name in before.to_dict())


def test_types_of_edges_between_types_of_nodes(complex_: HeteroData) -> None:
    types = [("protein", "near", "protein"), ("protein", "near", "ligand")]
    out = AddRadiusGraph(2.0, edge_types=types)(complex_)
    protein, ligand = complex_["protein"].pos, complex_["ligand"].pos
    inner, across = (out[t].edge_index for t in types)
    assert torch.equal(inner, radius_graph(protein, 2.0)[0])
    assert torch.equal(across, radius(protein, ligand, 2.0)[0])
    assert across.size(1) > 5
    assert set(out.edge_types) == set(types)
    assert complex_.edge_types == []


def test_types_of_edges_batch(complex_: HeteroData) -> None:
    complex_.cell, complex_.pbc = 4 * torch.eye(3).double(), torch.ones(3).bool()
    types = [("protein", "near", "ligand"), ("ligand", "near", "ligand")]
    transform = T.Compose([AddRadiusGraph(2.5, edge_types=types), AddEdgeVectors()])
    one = transform(complex_)
    batch = Batch.from_data_list([one, one])
    again = transform(batch)
    for t in types:
        n = one[t].edge_index.size(1)
        assert n > 10
        assert one[t].edge_shift.any()
        assert batch[t].edge_index.size(1) == 2 * n
        assert torch.equal(again[t].edge_index, batch[t].edge_index)
        assert torch.equal(again[t].edge_vec[:n], one[t].edge_vec)
        torch.testing.assert_close(again[t].edge_vec[n:], one[t].edge_vec)


def test_a_cap_warns() -> None:
    with pytest.warns(UserWarning, match="max_num_neighbors=1 drops"):
        out = AddRadiusGraph(9.0, max_num_neighbors=1)(Data(pos=torch.rand(4, 3)))
    assert out.edge_index.size(1) == 4


def test_bad_input_is_one_clear_line(complex_: HeteroData) -> None:
    pos = torch.rand(3, 3)
    with pytest.raises(ValueError, match="cutoff must be a positive, finite length"):
        AddRadiusGraph(-1.0)
    with pytest.raises(ValueError, match="max_num_neighbors must be at least 1"):
        AddRadiusGraph(1.0, max_num_neighbors=0)
    with pytest.raises(ValueError, match=r"needs the positions `pos`.*there are \['x'"):
        AddRadiusGraph(1.0)(Data(x=pos))
    with pytest.raises(ValueError, match="NaN or infinite"):
        AddRadiusGraph(1.0)(Data(pos=pos / 0))
    with pytest.raises(ValueError, match=r"floating-point tensor, got torch\.int64"):
        AddRadiusGraph(1.0)(Data(pos=pos.long()))
    with pytest.raises(ValueError, match="spans no volume"):
        AddRadiusGraph(1.0)(Data(pos=pos, cell=torch.zeros(1, 3, 3)))
    with pytest.raises(ValueError, match="no cell"):
        AddRadiusGraph(1.0)(Data(pos=pos, pbc=torch.ones(1, 3).bool()))
    with pytest.raises(TypeError, match="needs a torch_geometric Data"):
        AddRadiusGraph(1.0)(pos)
    with pytest.raises(ValueError, match="needs edge_types"):
        AddRadiusGraph(1.0)(complex_)
    with pytest.raises(ValueError, match=r"edge_types name nodes \['water'\]"):
        AddRadiusGraph(1.0, edge_types=[("water", "to", "ligand")])(complex_)
    with pytest.raises(ValueError, match="nodes of type 'family' do not have"):
        AddRadiusGraph(1.0, edge_types=[("family", "to", "family")])(complex_)


def _vectors(batch: Batch) -> torch.Tensor:
    return AddEdgeVectors()(batch).edge_vec


@pytest.mark.parametrize("crystal_first", [True, False])
def test_molecules_and_crystals_make_one_batch(
    molecules: list[Data], crystals: list[Data], crystal_first: bool
) -> None:
    """Where PyG's collation raises, or leaves out the cells of those that follow."""
    alone, cell = molecules[0], crystals[1]
    del cell.pbc  # periodic along all
    graphs = [cell, alone] if crystal_first else [alone, cell]
    transform = AddRadiusGraph(3.0, periodic=True)
    batch = Batch.from_data_list([transform(data) for data in graphs])
    assert batch.cell.shape == (2, 3, 3)
    assert batch.pbc.all(1).tolist() == [crystal_first, not crystal_first]
    singly = [_vectors(AddRadiusGraph(3.0)(data)) for data in graphs]
    assert torch.equal(_vectors(batch), torch.cat(singly))
    assert batch.edge_shift.any()
    # The edges of one batch, found together
    again = transform(batch)
    assert torch.equal(again.edge_index, batch.edge_index)
    assert torch.equal(again.edge_shift, batch.edge_shift)
    assert "periodic=True" in str(transform)
    alone.pbc = torch.tensor([True, True, True])
    with pytest.raises(ValueError, match=r"pbc asks for .* set data.cell"):
        transform(alone)


def test_every_graph_of_a_batch_gets_a_cell(molecules: list[Data]) -> None:
    batch = AddRadiusGraph(3.0, periodic=True)(Batch.from_data_list(molecules))
    assert batch.cell.shape == (4, 3, 3)
    assert batch.pbc.shape == (4, 3)
    assert not batch.cell.any()
    assert not batch.edge_shift.any()
    assert batch.cell.dtype == batch.pos.dtype
