"""Predictions of any irreps turn as they should, from every network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch_geometric.data import Data

from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import TFN, ForceField, PaiNN, SchNet
from pyg_equivariant.nn.models import Features, IrrepsHead, MolecularModel
from pyg_equivariant.nn.models.model_file import load_model, save_model
from pyg_equivariant.o3 import CartesianTensor, Irreps, rotate
from pyg_equivariant.testing import assert_permutation_equivariant

Build = Callable[..., MolecularModel]
OUT = ["1x0e", "2x1o+1x2e", "1x1e", "1x0o", "1x2o+1x3e+1x0e", "1x4e+1x5o"]
Turns = Callable[[MolecularModel, Data, Callable[..., Tensor]], None]
FORMULAS = ["ij=ji", "ij=-ji", "ijk=ikj", "ijkl=jikl=klij"]


@pytest.fixture
def assert_turns(rotations: Callable[[str], Tensor]) -> Turns:
    """Asserts that a prediction turns with the graph, and is a number."""

    def turns(model: MolecularModel, data: Data, turn: Callable[..., Tensor]) -> None:
        expected = model(data.z, data.pos, data.batch, data.edge_index)
        assert expected.isfinite().all()
        size = expected.abs().max() if expected.numel() else torch.ones(())
        for R in rotations(NETWORKS[type(model).__name__.lower()].group):
            pos = data.pos @ R.T + 2.0
            found = model(data.z, pos, data.batch, data.edge_index)
            error = (found - turn(expected, R)).abs()
            assert (error <= 1e-10 * (1 + size)).all()

    return turns


@pytest.mark.parametrize("irreps", OUT)
def test_irreps_turn_and_are_not_zero(
    smooth: Build, graphs: dict[str, Data], irreps: str, assert_turns: Turns
) -> None:
    for reduce in ("sum", "node"):
        model = smooth(irreps_out=irreps, head=reduce, hidden_channels=8).eval()
        data = graphs["two_molecules"]
        assert_turns(model, data, lambda y, R: rotate(irreps, y, R))
        out = model(data.z, data.pos, data.batch, data.edge_index)
        assert out.shape == (2 if reduce == "sum" else len(data.z), Irreps(irreps).dim)
        for part in Irreps(irreps).split(out):  # 0o is a product of three, and small
            assert part.abs().amax(dim=(0, 1)).gt(1e-16).all()


@pytest.mark.parametrize("formula", FORMULAS)
def test_cartesian_tensors_turn(
    smooth: Build, graphs: dict[str, Data], formula: str, assert_turns: Turns
) -> None:
    model = smooth(irreps_out=formula, head="mean").eval()
    tensor = CartesianTensor(formula)

    def turn(T: Tensor, R: Tensor) -> Tensor:
        for axis in range(1, tensor.rank + 1):
            T = (T.movedim(axis, -1) @ R.T).movedim(-1, axis)
        return T

    assert_turns(model, graphs["two_molecules"], turn)
    data = graphs["two_molecules"]
    out = model(data.z, data.pos, data.batch, data.edge_index)
    assert out.shape == (2, *[3] * tensor.rank)
    there_and_back = tensor.to_cartesian(tensor.from_cartesian(out))
    torch.testing.assert_close(there_and_back, out, rtol=0, atol=1e-12)
    assert out.abs().max() > 1e-9


@pytest.mark.parametrize(
    "graph", ["no_edges", "single_node", "empty", "coincident", "planar"]
)
def test_nasty_graphs_have_predictions(
    smooth: Build, graphs: dict[str, Data], graph: str, assert_turns: Turns
) -> None:
    irreps = "1x0e+1x1e+1x2e"
    model = smooth(irreps_out=irreps, head="sum").eval()
    assert_turns(model, graphs[graph], lambda y, R: rotate(irreps, y, R))
    if graph in ("no_edges", "single_node"):
        data = graphs[graph]
        out = model(data.z, data.pos, data.batch, data.edge_index)
        assert out[:, 1:].abs().max() < 1e-12 < out[:, 0].abs().max()


def test_order_and_batches(build: Build, name: str, graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    inputs = [data.z, data.pos, data.batch, data.edge_index]
    kinds = ["node", "node", "node", "edge_index"]
    node = build(name, irreps_out="1x1e+1x2e", head="node")
    assert_permutation_equivariant(node, inputs, kinds, "node")
    model = build(name, irreps_out="1x1e+1x2e", head="mean", **local(name))
    whole = model(data.z, data.pos, data.batch)
    for k in range(2):
        part = data.batch == k
        found = model(data.z[part], data.pos[part])
        torch.testing.assert_close(found, whole[k : k + 1])


def local(name: str) -> dict[str, Any]:
    """No statistics of a graph."""
    return {"norm": None} if name == "SEGNN" else {}


def test_all_pairs_need_no_cutoff(graphs: dict[str, Data], assert_turns: Turns) -> None:
    from pyg_equivariant.nn import EGNN

    data = graphs["planar"]
    options: dict[str, Any] = {"species": tuple(range(1, 10)), "update_pos": True}
    model = EGNN(8, 1, irreps_out="1x2e", **options).double()
    assert_turns(model, data, lambda y, R: rotate("1x2e", y, R))
    far = model(data.z, 1e6 * data.pos)
    assert far.isfinite().all()


def test_parts_far_apart_add_up(build: Build, name: str) -> None:
    model = build(name, irreps_out="1x2e", head="extensive", **local(name)).eval()
    assert model.is_extensive
    z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3, dtype=torch.float64)
    one = model(z, pos)
    both = model(z.repeat(2), torch.cat([pos, pos + 100.0]))
    torch.testing.assert_close(both, 2 * one, rtol=1e-9, atol=1e-10)


def test_a_convolution_comes_only_where_it_is_needed() -> None:
    small: dict[str, Any] = {"hidden_channels": 8, "num_layers": 1}
    for model, without in (
        (TFN(**small, irreps_out="1x2e"), True),
        (TFN(**small, irreps_out="1x1e"), True),
        (TFN(irreps_hidden="8x0e+4x1e", num_layers=1, irreps_out="1x1e"), True),
        (TFN(**small, irreps_out="1x3o"), False),
        (PaiNN(**small, irreps_out="3x1o"), True),
        (PaiNN(**small, irreps_out="1x2e"), False),
        (SchNet(**small, irreps_out="4x0e"), True),
        (SchNet(**small, irreps_out="1x1o"), False),
    ):
        assert isinstance(model.head, IrrepsHead)
        assert (model.head.conv is None) == without


def test_smooth_at_the_cutoff(smooth: Build) -> None:
    model = smooth(irreps_out="1x2e", head="sum").eval()
    z = torch.tensor([8, 1, 6])
    pos = torch.tensor([[0.0, 0, 0], [1, 0, 0], [-2.5, 0, 0]]).double()
    near, far = pos.clone(), pos.clone()
    near[2] *= 1 - 1e-9
    far[2] *= 1 + 1e-9
    assert (model(z, near) - model(z, far)).abs().max() < 1e-7


def test_derivatives(smooth: Build) -> None:
    model = smooth(irreps_out="1x1e+1x2e", head="sum", num_layers=1)
    z, edge_index = torch.tensor([1, 6, 8]), torch.tensor([[0, 1, 2, 0], [1, 0, 1, 2]])
    pos = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)

    def predict(pos: Tensor) -> Tensor:
        return model(z, pos, edge_index=edge_index)

    assert gradcheck(predict, (pos,), fast_mode=True)


@pytest.mark.parametrize("irreps", ["1x1e+1x2e", "ij=ji"])
def test_narrow_dtypes(
    build: Build, name: str, graphs: dict[str, Data], irreps: str
) -> None:
    data = graphs["two_molecules"]
    model = build(name, irreps_out=irreps, head="sum")
    expected = model(data.z, data.pos, data.batch).float()
    model, pos = model.float(), data.pos.float()
    found = model(data.z, pos, data.batch)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(data.z, pos, data.batch).isfinite().all()


def test_units_follow_what_is_predicted() -> None:
    small: dict[str, Any] = {"hidden_channels": 8, "num_layers": 1}
    z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
    atomref = torch.arange(10.0)
    scalar = SchNet(**small, irreps_out="1x0e", atomref=atomref)
    scalar_alone = SchNet(**small, irreps_out="1x0e")
    scalar_alone.load_state_dict(scalar.state_dict(), strict=False)
    torch.testing.assert_close(scalar(z, pos), scalar_alone(z, pos) + 10)
    assert ForceField(scalar)(z, pos).forces.shape == (3, 3)
    for irreps in ("2x0e", "1x2e"):
        with pytest.raises(ValueError, match="atomref holds scalars"):
            SchNet(**small, irreps_out=irreps, atomref=atomref)
    with pytest.raises(ValueError, match=r"mean=1.0 cannot be added to what turns"):
        SchNet(**small, irreps_out="1x2e", mean=1.0)
    with pytest.raises(ValueError, match="forces need a model of an energy"):
        ForceField(SchNet(**small, irreps_out="ij=ji"))


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"'1x2e' says what .* got 'dipole'"):
        SchNet(irreps_out="1x2e", head="dipole")
    with pytest.raises(ValueError, match="got None"):
        TFN(irreps_out="1x2e", head=None)
    with pytest.raises(ValueError, match="holds nothing to predict, got ''"):
        PaiNN(irreps_out="")
    with pytest.raises(ValueError, match="every term of a formula"):
        PaiNN(irreps_out="ij=jk")
    with pytest.raises(ValueError, match="reduce is 'sum'"):
        IrrepsHead("8x0e", "1x0e", 5.0, reduce="max")
    head = IrrepsHead("8x0e", "1x2e", 5.0)
    features = Features(torch.randn(3, 8), None, torch.randn(3, 3))
    with pytest.raises(ValueError, match="features with their graph"):
        head(features, torch.ones(3).long())


def test_checkpoints_come_back(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    data = graphs["two_molecules"]
    one, other = (build(name, irreps_out="ij=ji") for _ in range(2))
    expected = one(data.z, data.pos, data.batch)
    assert not torch.allclose(other(data.z, data.pos, data.batch), expected)
    other.load_state_dict(one.state_dict())
    assert torch.equal(other(data.z, data.pos, data.batch), expected)


def test_all_parameters_are_drawn_anew(build: Build, name: str) -> None:
    model = build(name, irreps_out="1x0o", **irreps_of_features())
    before = copy.deepcopy(model)
    model.reset_parameters()
    for (key, new), old in zip(
        model.named_parameters(), before.parameters(), strict=True
    ):
        assert not torch.equal(new, old), key


def irreps_of_features() -> dict[str, str]:
    """At atoms and edges."""
    return {"irreps_x": "1x0e+1x1o", "irreps_edge": "1x1o"}


def test_files_hold_irreps(name: str, graphs: dict[str, Data], tmp_path: Path) -> None:
    irreps = {"irreps_x": Irreps("1x0e+1x1o"), "irreps_out": "ij=ji"}
    network = next(n for n in NETWORKS.values() if n.model.__name__ == name)
    model = network.build_small(**irreps, head="sum").eval()
    save_model(model, tmp_path / "model.pt")
    loaded = load_model(tmp_path / "model.pt")
    data = graphs["two_molecules"]
    x = torch.randn(len(data.z), 4)
    inputs = data.z, data.pos.float(), data.batch
    assert torch.equal(loaded(*inputs, x=x), model(*inputs, x=x))
