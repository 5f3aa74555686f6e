from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData

from pyg_equivariant.o3 import Irreps, rand_matrix, rotate
from pyg_equivariant.o3 import spherical_harmonics_reference as spherical_harmonics
from pyg_equivariant.transforms import (
    AddNodeAttributes,
    AddRadiusGraph,
    AddSphericalHarmonics,
    RandomOrthogonal,
)


def harmonics(lmax: int, x: Tensor, normalization: str = "component") -> Tensor:
    irreps = Irreps.spherical_harmonics(lmax)
    return spherical_harmonics(irreps, x, normalization=normalization)


@pytest.mark.parametrize("normalization", ["component", "integral"])
def test_mean_over_incoming_edges_plus_vectors(
    molecules: list[Data], normalization: str
) -> None:
    data = AddRadiusGraph(3.0)(molecules[2])
    # Not symmetric: what goes out must not count
    data.edge_index = data.edge_index[:, data.edge_index[0] > data.edge_index[1]]
    data = AddSphericalHarmonics(lmax=2, normalization=normalization)(data)
    transform = AddNodeAttributes(
        2, ["vel", "force"], unit_scalar=False, normalization=normalization
    )
    out = transform(data)
    for i in range(data.num_nodes):
        incoming = data.edge_sh[data.edge_index[1] == i]
        expected = incoming.mean(0) if len(incoming) else torch.zeros(9).double()
        expected = expected + harmonics(2, data.vel[i], normalization)
        expected = expected + harmonics(2, data.force[i], normalization)
        torch.testing.assert_close(out.node_attr[i], expected)
    assert transform.irreps_node_attr == Irreps("0e + 1o + 2e")
    assert "node_attr" not in data


def test_the_scalar_is_one_even_for_isolated_nodes(molecules: list[Data]) -> None:
    data = AddRadiusGraph(3.0)(molecules[1])
    assert data.edge_index.size(1) == 0
    assert AddNodeAttributes(1)(data).node_attr.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert not AddNodeAttributes(1, unit_scalar=False)(data).node_attr.any()


def test_without_edges_only_physical_quantities(molecules: list[Data]) -> None:
    data = molecules[0]
    transform = AddNodeAttributes(1, ["vel"], edges=False, unit_scalar=False)
    torch.testing.assert_close(transform(data).node_attr, harmonics(1, data.vel))


def test_a_vector_of_the_graph_counts_for_its_nodes(molecules: list[Data]) -> None:
    transform = AddNodeAttributes(1, ["dipole"], edges=False, unit_scalar=False)
    batch = Batch.from_data_list(molecules)
    singly = torch.cat([transform(data).node_attr for data in molecules])
    assert torch.equal(transform(batch).node_attr, singly)
    torch.testing.assert_close(singly[0], harmonics(1, molecules[0].dipole[0]))


def test_pseudovectors_follow_with_their_own_parity(molecules: list[Data]) -> None:
    data = AddRadiusGraph(3.0)(molecules[2])
    transform = AddNodeAttributes(2, {"vel": "1o", "spin": "1e"})
    assert transform.irreps_node_attr == Irreps("0e + 1o + 2e + 1e + 2e")
    attr = transform(data).node_attr
    without = AddNodeAttributes(2, ["vel"])(data).node_attr
    assert torch.equal(attr[:, :9], without)
    torch.testing.assert_close(attr[:, 9:], harmonics(2, data.spin)[:, 1:])


def test_attributes_turn_with_the_graph(
    crystals: list[Data], generator: torch.Generator
) -> None:
    data = AddRadiusGraph(3.0)(crystals[1])
    transform = AddNodeAttributes(3, {"vel": "1o", "spin": "1e", "dipole": "1o"})
    R = rand_matrix(improper=True, generator=generator, dtype=torch.float64)
    turned = data.clone()
    for name in ("pos", "vel", "dipole", "cell"):
        turned[name] = data[name] @ R.T
    turned.spin = torch.linalg.det(R) * data.spin @ R.T
    expected = rotate(transform.irreps_node_attr, transform(data).node_attr, R)
    torch.testing.assert_close(
        transform(turned).node_attr, expected, atol=1e-10, rtol=0
    )
    # The transform that turns graphs knows the same irreps
    attr = {"spin": "1e", "node_attr": transform.irreps_node_attr}
    out = RandomOrthogonal(attr)(transform(data))
    torch.testing.assert_close(
        transform(out).node_attr, out.node_attr, atol=1e-10, rtol=0
    )


def test_types_of_nodes_share_their_edges(complex_: HeteroData) -> None:
    types = [("protein", "near", "ligand"), ("ligand", "near", "ligand")]
    data = AddRadiusGraph(2.0, edge_types=types)(complex_)
    data = AddSphericalHarmonics(lmax=1)(data)
    out = AddNodeAttributes(1, ["vel"], unit_scalar=False)(data)
    i = torch.cat([data[t].edge_index[1] for t in types])
    edge_sh = torch.cat([data[t].edge_sh for t in types])
    for node, vel in enumerate(data["ligand"].vel):
        expected = edge_sh[i == node].mean(0) + harmonics(1, vel)
        torch.testing.assert_close(out["ligand"].node_attr[node], expected)
    assert not out["protein"].node_attr.any()
    assert "node_attr" not in out["family"]


def test_repr_and_bad_input(molecules: list[Data]) -> None:
    assert str(AddNodeAttributes(1, "vel")) == (
        "AddNodeAttributes(1, vectors={'vel': '1o'}, edges=True, unit_scalar=True, "
        "normalization='component')"
    )
    data = AddRadiusGraph(3.0)(molecules[0])
    with pytest.raises(ValueError, match=r"names \['wind'\], which the data do not"):
        AddNodeAttributes(1, ["wind"])(data)
    with pytest.raises(ValueError, match=r"one vector for each node \(5, 3\)"):
        AddNodeAttributes(1, ["energy"])(data)
    with pytest.raises(ValueError, match=r"must be '1o' \(vector\) or '1e'"):
        AddNodeAttributes(1, {"vel": "2e"})
    with pytest.raises(ValueError, match="normalization='unit'"):
        AddNodeAttributes(1, normalization="unit")
    with pytest.raises(ValueError, match="nothing is left to add"):
        AddNodeAttributes(1, edges=False)
    with pytest.raises(ValueError, match="needs edge_index"):
        AddNodeAttributes(1)(molecules[0])
    with pytest.raises(ValueError, match="needs the positions `pos`"):
        AddNodeAttributes(1)(Data(x=torch.rand(2, 3)))


def test_many_edges_in_half_precision() -> None:
    """The mean has room in float16 where the sum has none."""
    pos = torch.zeros(50_001, 3, dtype=torch.float16)
    pos[1:, 0], pos[1::20, 1] = 1, 1
    source = torch.arange(1, 50_001)
    data = Data(pos=pos, edge_index=torch.stack([source, torch.zeros_like(source)]))
    found = AddNodeAttributes(1)(data).node_attr
    assert found.dtype == torch.float16
    data.pos = pos.double()
    expected = AddNodeAttributes(1)(data).node_attr
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-2)
