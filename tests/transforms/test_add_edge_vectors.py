from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data, HeteroData
from torch_geometric.transforms import BaseTransform

from pyg_equivariant.graph import edge_vectors
from pyg_equivariant.nn import BesselBasis
from pyg_equivariant.transforms import (
    AddEdgeVectors,
    AddNodeAttributes,
    AddRadialBasis,
    AddRadiusGraph,
    AddSphericalHarmonics,
)


def test_vectors_and_lengths(crystals: list[Data]) -> None:
    assert str(AddEdgeVectors()) == "AddEdgeVectors()"
    data = AddRadiusGraph(3.0)(crystals[1])
    out = AddEdgeVectors()(data)
    expected = edge_vectors(data.pos, data.edge_index, data.edge_shift, data.cell)
    assert torch.equal(out.edge_vec, expected)
    torch.testing.assert_close(out.edge_length, expected.norm(dim=-1))
    assert "edge_vec" not in data


def test_they_are_anew_from_the_positions(molecules: list[Data]) -> None:
    data = AddEdgeVectors()(AddRadiusGraph(3.0)(molecules[0]))
    data.pos = 2 * data.pos
    out = AddEdgeVectors()(data)
    assert torch.equal(out.edge_vec, 2 * data.edge_vec)


def test_between_types_of_nodes(complex_: HeteroData) -> None:
    near = ("protein", "near", "ligand")
    out = AddEdgeVectors()(AddRadiusGraph(2.0, edge_types=[near])(complex_))
    j, i = out[near].edge_index
    expected = complex_["protein"].pos[j] - complex_["ligand"].pos[i]
    assert torch.equal(out[near].edge_vec, expected)
    assert out[near].edge_length.max() < 2.0


def test_gradients_reach_the_positions() -> None:
    pos = torch.rand(3, 3, requires_grad=True)
    data = Data(pos=pos, edge_index=torch.tensor([[0, 1], [1, 2]]))
    AddEdgeVectors()(data).edge_length.sum().backward()
    assert pos.grad is not None
    assert (pos.grad.abs().sum(-1) > 0).all()


def test_bad_input_is_one_clear_line(complex_: HeteroData) -> None:
    edge_index = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match="put AddRadiusGraph before"):
        AddEdgeVectors()(Data(pos=torch.rand(2, 3)))
    with pytest.raises(ValueError, match="needs edge_index"):
        AddEdgeVectors()(complex_)
    with pytest.raises(ValueError, match="needs the positions `pos`"):
        AddEdgeVectors()(Data(edge_index=edge_index, num_nodes=2))
    shift = torch.ones(1, 3).long()
    with pytest.raises(ValueError, match="there is no cell"):
        AddEdgeVectors()(
            Data(pos=torch.rand(2, 3), edge_index=edge_index, edge_shift=shift)
        )


@pytest.mark.parametrize(
    "transform",
    [
        AddEdgeVectors(),
        AddSphericalHarmonics(lmax=1),
        AddRadialBasis(BesselBasis(4, 3.0)),
        AddNodeAttributes(1),
    ],
    ids=str,
)
def test_edges_of_a_crystal_need_their_images(
    transform: BaseTransform, crystals: list[Data]
) -> None:
    data = AddRadiusGraph(3.0)(crystals[1])
    transform(data)
    del data.edge_shift
    with pytest.raises(ValueError, match="cell came without edge_shift"):
        transform(data)
    data.pbc = torch.zeros_like(data.pbc)
    transform(data)
    del data.pbc
    with pytest.raises(ValueError, match="cell came without edge_shift"):
        transform(data)
    del data.cell
    transform(data)
    data.pbc = torch.tensor([[False, True, False]])
    with pytest.raises(ValueError, match="pbc, but without edge_shift and cell"):
        transform(data)
