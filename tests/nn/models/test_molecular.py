"""Units, edges and features: what all networks share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.graph import Graph, complete_graph, edge_vectors
from pyg_equivariant.nn.models import (
    EGNN,
    DipoleHead,
    Features,
    MolecularModel,
    SchNet,
)

Build = Callable[..., MolecularModel]
WITHOUT_VECTORS = ("SchNet", "EGNN", "LieResNet", "NMP")
WITHOUT_VECTORS += ("DimeNet", "DimeNetPlusPlus", "SphereNet")


def close(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("head", ["sum", "extensive", "mean", "node"])
def test_predicts_in_physical_units(
    build: Build, graphs: dict[str, Data], head: str
) -> None:
    """Head times scale, plus mean, plus references joined as the head joins atoms."""
    data = graphs["two_molecules"]
    inputs = data.z, data.pos, data.batch
    plain = build("SchNet", head=head)
    table = torch.randn(10, dtype=torch.float64)
    model = build("SchNet", head=head, mean=2.5, scale=3.0, atomref=table)
    model.load_state_dict(
        plain.state_dict()
        | {k: model.state_dict()[k] for k in ("mean", "scale", "atomref")}
    )
    atoms = table[data.z].unsqueeze(-1)
    if head == "node":
        reference = atoms
    else:
        groups = [atoms[data.batch == graph] for graph in range(2)]
        mean = head == "mean"
        reference = torch.stack([g.mean(0) if mean else g.sum(0) for g in groups])
    close(model(*inputs), 3 * plain(*inputs) + 2.5 + reference)


def test_without_units_the_head_is_the_prediction(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    data = graphs["planar"]
    model = build(name, head="sum")
    graph = model.graph(data.pos)
    close(model(data.z, data.pos), model.head(model.represent(data.z, graph), data.z))
    bare = MolecularModel(2.0, DipoleHead(4))
    assert (bare.mean, bare.scale, bare.atomref) == (0, 1, None)


def test_units_keep_their_digits_and_follow_what_is_loaded() -> None:
    exact = torch.tensor([0.0, -13.61312172, -1029.86312267], dtype=torch.float64)
    model = SchNet(8, 6, 1, 5, 2.5, mean=1 / 3, scale=1 / 7, atomref=exact)
    assert model.atomref.dtype == torch.float32
    wide = copy.deepcopy(model).double()
    assert torch.equal(wide.atomref, exact)
    assert (float(wide.mean), float(wide.scale)) == (1 / 3, 1 / 7)
    assert torch.equal(model.double().float().double().atomref, exact)
    model.mean.fill_(0.1)  # set by hand: there is nothing more exact to return to
    model.float()
    narrow = float(model.mean)
    assert float(model.double().mean) == narrow != 0.1
    state = {k: v + 1 if k == "atomref" else v for k, v in model.state_dict().items()}
    model.float().load_state_dict(state)
    assert torch.equal(model.double().atomref, (exact + 1).float().double())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head": None, "mean": 1.0}, "head=None"),
        ({"head": None, "scale": 2.0}, "head=None"),
        ({"head": None, "atomref": torch.zeros(9)}, "head=None"),
        ({"head": "dipole", "mean": 1.0}, "turns with the molecule"),
        ({"head": "dipole", "atomref": torch.zeros(9)}, "scalars of atoms"),
        ({"head": "dipole_magnitude", "atomref": torch.zeros(9)}, "scalars of atoms"),
        ({"mean": torch.zeros(2)}, r"mean is one number, got shape \(2,\)"),
        ({"scale": torch.ones(9, 2)}, r"one per atomic number, got shape \(9, 2\)"),
        ({"scale": torch.ones(9), "head": "mean"}, "head='extensive', or head='node'"),
        ({"scale": torch.ones(9), "head": None}, "head=None"),
        ({"atomref": torch.zeros(9, 2)}, r"one number per atomic number.*\(9, 2\)"),
    ],
)
def test_units_without_a_place_are_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SchNet(8, 6, 1, 5, 2.5, **arguments)


def test_positions_are_not_scaled() -> None:
    with pytest.raises(ValueError, match=r"scale=2\.0"):
        EGNN(8, 1, update_pos=True, head="pos", scale=2.0)
    assert EGNN(8, 1, update_pos=True, head="vector", scale=2.0).head is not None


def test_references_end_where_their_table_does(graphs: dict[str, Data]) -> None:
    model = SchNet(8, 6, 1, 5, 2.5, atomref=torch.zeros(7))
    with pytest.raises(ValueError, match=r"atomref has rows .* 0 to 6"):
        model(torch.tensor([1, 8]), torch.zeros(2, 3))
    features = EGNN(8, 1, in_channels=4, atomref=torch.zeros(7))
    with pytest.raises(TypeError, match="atomic numbers"):
        features(torch.randn(2, 4), torch.randn(2, 3))


def test_edges_of_a_graph(graphs: dict[str, Data], crystal: Data) -> None:
    data = graphs["two_molecules"]
    model = EGNN(8, 1).double()
    graph = model.graph(data.pos, data.batch)
    assert torch.equal(graph.edge_index, complete_graph(11, data.batch))
    assert (graph.batch_size, graph.edge_shift) == (2, None)
    close(graph.edge_vec(), edge_vectors(data.pos, graph.edge_index))
    moved = graph._replace(pos=2 * data.pos)
    close(moved.edge_vec(), 2 * graph.edge_vec())
    assert model.graph(data.pos[:0], data.batch[:0]).batch_size == 0
    near = SchNet(8, 6, 1, 5, 2.5).double()
    graph = near.graph(crystal.pos, cell=crystal.cell, pbc=crystal.pbc)
    assert isinstance(graph, Graph)
    assert (graph.edge_vec().norm(dim=-1) < 2.5).all()
    assert graph.edge_shift.any()
    for kwargs in ({"cell": crystal.cell}, {"pbc": crystal.pbc}):
        with pytest.raises(ValueError, match="cutoff"):
            model.graph(crystal.pos, **kwargs)
    apart = model.graph(crystal.pos, cell=crystal.cell, pbc=torch.zeros(3).bool())
    assert apart.edge_index.shape == (2, 6)


def test_without_a_head_features_come_back(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    data = graphs["planar"]
    features = build(name, head=None)(data.z, data.pos)
    assert isinstance(features, Features)
    assert features.x.shape[0] == 4
    assert (features.vec is None) == (name in WITHOUT_VECTORS)
    assert torch.equal(features.pos, data.pos)
    assert torch.equal(features.atoms, data.pos)
    assert features.start is None


def test_features_tell_where_atoms_were(build: Build, graphs: dict[str, Data]) -> None:
    data = graphs["planar"]
    features = build("EGNN", head=None, update_pos=True)(data.z, data.pos)
    assert torch.equal(features.atoms, data.pos)
    close(features.pos - data.pos, features.vec.squeeze(-1))
    assert features.vec.abs().max() > 1e-3


def test_the_base_has_no_features_of_its_own() -> None:
    model = MolecularModel(None, DipoleHead(4))
    with pytest.raises(TypeError, match="represent"):
        model(torch.tensor([1]), torch.zeros(1, 3))


@pytest.mark.parametrize(("head", "factor"), [("sum", 3), ("mean", 1), ("node", 1)])
def test_a_mean_of_every_atom_is_joined_as_the_atoms_are(
    head: str, factor: int
) -> None:
    z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
    model = SchNet(8, 8, 1, head=head, atomref=-2.5)
    assert model.arguments["atomref"] == -2.5
    shifted = model(z, pos)
    table = SchNet(8, 8, 1, head=head, atomref=torch.full((10,), -2.5))
    table.load_state_dict({**model.state_dict(), "atomref": torch.full((10,), -2.5)})
    torch.testing.assert_close(table(z, pos), shifted)
    model.atomref.zero_()
    torch.testing.assert_close(model(z, pos) - 2.5 * factor, shifted)
    assert model(z + 20, pos).isfinite().all()  # beyond any table
    assert model.double().atomref.tolist() == [0.0]


def test_a_mean_of_every_atom_needs_no_atomic_numbers() -> None:
    model = SchNet(8, 8, 1, irreps_in="2x0e", atomref=1.5)
    x, pos = torch.randn(4, 2), torch.randn(4, 3)
    before = model(x, pos)
    model.atomref.zero_()
    torch.testing.assert_close(model(x, pos) + 6.0, before)


@pytest.mark.parametrize("head", ["extensive", "sum", "node"])
def test_every_species_has_a_scale(head: str) -> None:
    z, pos = torch.tensor([8, 1, 1, 6, 8]), torch.randn(5, 3)
    batch = torch.tensor([0, 0, 0, 1, 1])
    scale = torch.arange(10.0) / 4 + 0.1
    atomref = torch.arange(20.0)
    model = SchNet(8, 8, 1, head=head, scale=scale, atomref=atomref)
    plain = SchNet(8, 8, 1, head="node")
    state = {k: v for k, v in model.state_dict().items() if "head" not in k}
    plain.load_state_dict(state | {"scale": torch.tensor(1.0)}, strict=False)
    names = {k: v for k, v in plain.state_dict().items() if k.startswith("head")}
    own = [v for k, v in model.state_dict().items() if k.startswith("head")]
    plain.load_state_dict(dict(zip(names, own, strict=True)), strict=False)
    expected = plain(z, pos, batch) * scale[z].unsqueeze(-1) + atomref[z].unsqueeze(-1)
    if head != "node":
        whole = torch.stack([expected[:3].sum(), expected[3:].sum()])
        graph = model.graph(pos, batch)
        atomic = model.atomic_energies(z, graph)
        torch.testing.assert_close(atomic, expected.double(), rtol=1e-5, atol=1e-5)
        expected = whole.unsqueeze(-1)
    torch.testing.assert_close(model(z, pos, batch), expected)
    assert model.scale.shape == (10,)
    with pytest.raises(ValueError, match="scale has rows for the atomic numbers 0 to"):
        model(z + 4, pos, batch)


def test_one_number_for_every_atom_is_part_of_atomic_energies() -> None:
    z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
    model = SchNet(8, 8, 1, atomref=-2.5, scale=2.0)
    atomic = model.atomic_energies(z, model.graph(pos))
    torch.testing.assert_close(atomic.sum().float(), model(z, pos)[0, 0])
