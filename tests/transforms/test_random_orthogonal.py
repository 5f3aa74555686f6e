from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData

from pyg_equivariant.o3 import rotate
from pyg_equivariant.transforms import (
    AddEdgeVectors,
    AddNodeAttributes,
    AddRadiusGraph,
    AddSphericalHarmonics,
    RandomOrthogonal,
)


def matrix_between(before: Tensor, after: Tensor) -> Tensor:
    """The matrix that takes the rows of ``before`` to those of ``after``."""
    return torch.linalg.lstsq(before, after).solution.T


def test_all_that_turns_turns_alike(molecules: list[Data]) -> None:
    data = molecules[2]
    data.y = torch.randn(8, 3).double()
    data.steerable = torch.randn(8, 2 + 3 * 4 + 5).double()
    data.stress = torch.randn(1, 3, 3).double()
    data.field = torch.randn(3).double()
    irreps = {"y": "1o", "field": "1o", "spin": "1e", "steerable": "2x0o + 4x1o + 1x2e"}
    out = RandomOrthogonal(irreps)(data)
    R = matrix_between(data.pos, out.pos)
    torch.testing.assert_close(R @ R.T, torch.eye(3).double())
    for name in ("vel", "force", "dipole", "y"):
        torch.testing.assert_close(out[name], data[name] @ R.T)
    for name in ("spin", "steerable"):
        torch.testing.assert_close(out[name], rotate(irreps[name], data[name], R))
    torch.testing.assert_close(out.field, R @ data.field)
    torch.testing.assert_close(out.stress, R @ data.stress @ R.T)
    for name in ("z", "energy"):
        assert torch.equal(out[name], data[name])


def test_the_lattice_and_its_edges_turn_along(crystals: list[Data]) -> None:
    data = crystals[1]
    for transform in (
        AddRadiusGraph(3.0),
        AddEdgeVectors(),
        AddSphericalHarmonics(lmax=3, normalization="integral"),
    ):
        data = transform(data)
    out = RandomOrthogonal()(data)
    assert not torch.allclose(out.edge_vec, data.edge_vec)
    assert torch.equal(out.edge_shift, data.edge_shift)
    anew = AddRadiusGraph(3.0)(out)
    assert torch.equal(anew.edge_index, data.edge_index)
    assert torch.equal(anew.edge_shift, data.edge_shift)
    anew = AddSphericalHarmonics(lmax=3, normalization="integral")(
        AddEdgeVectors()(anew)
    )
    for name in ("edge_vec", "edge_sh", "edge_length"):
        torch.testing.assert_close(out[name], anew[name], atol=1e-10, rtol=0)


def test_it_draws_from_all_of_o3(molecules: list[Data]) -> None:
    pos = molecules[2].pos
    for improper in (True, False):
        transform = RandomOrthogonal(improper=improper)
        drawn = [matrix_between(pos, transform(molecules[2]).pos) for _ in range(200)]
        signs = torch.linalg.det(torch.stack(drawn))
        torch.testing.assert_close(signs.abs(), torch.ones(200).double())
        if improper:
            assert 60 < int((signs < 0).sum()) < 140
        else:
            assert bool((signs > 0).all())
        # Uniform: the mean vanishes, the second moment is a third of the unit matrix
        R = torch.stack(drawn) * signs[:, None, None]
        assert R.mean(0).abs().max() < 0.2
        torch.testing.assert_close(
            (R[:, :, :1] @ R[:, :, :1].mT).mean(0),
            torch.eye(3).double() / 3,
            atol=0.1,
            rtol=0,
        )


def test_a_generator_repeats_what_it_drew(molecules: list[Data]) -> None:
    def draw(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return RandomOrthogonal(generator=generator)(molecules[0]).pos

    assert torch.equal(draw(1), draw(1))
    assert not torch.allclose(draw(1), draw(2))


def test_graphs_of_a_batch_turn_each_on_its_own(crystals: list[Data]) -> None:
    crystals = [AddEdgeVectors()(AddRadiusGraph(3.0)(data)) for data in crystals]
    batch = Batch.from_data_list(crystals)
    out = RandomOrthogonal({"spin": "1e"})(batch)
    for before, after in zip(crystals, out.to_data_list(), strict=True):
        R = matrix_between(before.cell[0], after.cell[0])
        for name in ("pos", "vel", "dipole", "edge_vec"):
            torch.testing.assert_close(after[name], before[name] @ R.T)
        torch.testing.assert_close(after.spin, rotate("1e", before.spin, R))
    first, second = out.cell[0], out.cell[1]
    one, two = (
        matrix_between(crystals[k].cell[0], c) for k, c in enumerate((first, second))
    )
    assert not torch.allclose(one, two)


def test_types_of_nodes_turn_together(complex_: HeteroData) -> None:
    near = ("protein", "near", "ligand")
    data = AddEdgeVectors()(AddRadiusGraph(2.0, edge_types=[near])(complex_))
    out = RandomOrthogonal()(data)
    again = AddEdgeVectors()(out)
    torch.testing.assert_close(out[near].edge_vec, again[near].edge_vec)
    R = matrix_between(data["protein"].pos, out["protein"].pos)
    torch.testing.assert_close(out["ligand"].vel, data["ligand"].vel @ R.T)
    assert torch.equal(out["family"].x, data["family"].x)
    two = Batch.from_data_list([data, data])
    out = RandomOrthogonal()(two)
    torch.testing.assert_close(out[near].edge_vec, AddEdgeVectors()(out)[near].edge_vec)


def test_the_precision_stays_and_the_input_too(molecules: list[Data]) -> None:
    data = molecules[0]
    data.pos = data.pos.float()
    before = copy.deepcopy(data)
    out = RandomOrthogonal()(data)
    assert out.pos.dtype == torch.float32
    assert out.vel.dtype == torch.float64
    assert all(torch.equal(data[name], before[name]) for name in before.to_dict())


def test_repr_and_bad_input(molecules: list[Data]) -> None:
    transform = RandomOrthogonal({"spin": "1e"}, improper=False)
    assert str(transform) == "RandomOrthogonal({'spin': '1x1e'}, improper=False)"
    data = molecules[0]
    with pytest.raises(ValueError, match=r"names \['wind'\], which the data do not"):
        RandomOrthogonal({"wind": "1o"})(data)
    with pytest.raises(ValueError, match=r"`vel` has irreps 2x0e: expected .* 2\)"):
        RandomOrthogonal({"vel": "2x0e"})(data)
    with pytest.raises(ValueError, match="expected floating-point features"):
        RandomOrthogonal({"z": "5x0e"})(data)
    with pytest.raises(ValueError, match="needs the positions `pos`"):
        RandomOrthogonal()(Data(x=torch.rand(2, 3)))
    attributed = AddNodeAttributes(1)(AddRadiusGraph(3.0)(data))
    with pytest.raises(ValueError, match="does not know the irreps of `node_attr`"):
        RandomOrthogonal()(attributed)
    batch = Batch.from_data_list(molecules)
    batch.field = torch.rand(7, 3)
    with pytest.raises(ValueError, match="`field` has 7 rows, expected one for each"):
        RandomOrthogonal({"field": "1o"})(batch)
