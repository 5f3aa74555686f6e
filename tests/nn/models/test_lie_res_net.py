"""What only networks on a group have: lifts, and symmetry in distribution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch_geometric.data import Data

from pyg_equivariant.nn import ForceField, LieResNet, load_model, save_model
from pyg_equivariant.o3 import (
    matrix_to_quaternion,
    quaternion_to_matrix,
    rand_matrix,
    rand_quaternion,
)
from pyg_equivariant.testing import difficult_graphs

# networks that would jump in dynamics are right in their derivatives all the same
pytestmark = pytest.mark.filterwarnings("ignore:energies of this")

SMALL: dict[str, Any] = {"hidden_channels": 16, "num_layers": 2}
SMALL |= {"kernel_channels": (6, 5), "species": tuple(range(1, 10))}
LIFTED = SMALL | {"group": "SE(3)", "num_lifts": 2}


@pytest.fixture
def graphs(generator: torch.Generator) -> dict[str, Data]:
    return difficult_graphs(generator=generator)


def lifts(data: Data) -> Tensor:
    """Two quaternions for every atom."""
    return rand_quaternion(len(data.z), 2, dtype=torch.float64)


def turned(q: Tensor, g: Tensor) -> Tensor:
    """Lifts after a rotation."""
    return matrix_to_quaternion(g @ quaternion_to_matrix(q))


def network(**options: Any) -> LieResNet:
    """No parameter at zero."""
    model = LieResNet(**LIFTED | options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(
    "graph", ["two_molecules", "coincident", "collinear", "no_edges", "single_node"]
)
def test_lifts_that_move_along_leave_energies_and_turn_forces(
    graphs: dict[str, Data], graph: str
) -> None:
    data, g = graphs[graph], rand_matrix(dtype=torch.float64)
    model = ForceField(network(head="sum").eval())
    q = lifts(data)
    expected = model(data.z, data.pos, data.batch, quaternion=q)
    moved = data.pos @ g.T - 3
    found = model(data.z, moved, data.batch, quaternion=turned(q, g))
    close: dict[str, float] = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(found.energy, expected.energy, **close)
    torch.testing.assert_close(found.forces, expected.forces @ g.T, **close)
    if graph == "two_molecules":
        for pos, others in ((moved, q), (-data.pos, q)):
            other = model(data.z, pos, data.batch, quaternion=others)
            assert ((other.energy - expected.energy).abs() > 1e-6).all()


def test_reflections_change_what_lifts_that_move_along_give(
    graphs: dict[str, Data],
) -> None:
    """The handedness of a molecule is felt: energies of mirror images differ."""
    data = graphs["two_molecules"]
    model, q = network().eval(), lifts(data)
    predicted = model(data.z, data.pos, data.batch, quaternion=q)
    # conjugated by the reflection x -> -x, a rotation about x keeps its sign
    mirror = torch.tensor([-1.0, 1.0, 1.0]).double()
    image = q * torch.tensor([1.0, 1.0, -1.0, -1.0])
    found = model(data.z, data.pos * mirror, data.batch, quaternion=image)
    assert ((found - predicted).abs() > 1e-6).all()


@pytest.mark.parametrize("drawn", [True, False])
def test_rotations_change_no_distribution(
    graphs: dict[str, Data], drawn: bool, generator: torch.Generator
) -> None:
    """Means and spreads of many draws agree, those of given lifts do not."""
    data, count = graphs["planar"], 4000
    model = network().eval()
    z, batch = data.z.repeat(count), torch.arange(count).repeat_interleave(4)
    g = rand_matrix(dtype=torch.float64, generator=generator)
    fixed = torch.tensor([1.0, 0, 0, 0]).double().expand(4 * count, 1, 4)
    given: dict[str, Any] = {} if drawn else {"quaternion": fixed}
    samples = []
    for pos in (data.pos, data.pos @ g.T):
        with torch.no_grad():
            graph = model.graph(pos.repeat(count, 1), batch, batch_size=count)
            if drawn:
                given = {"generator": generator}
            samples.append(model.predict(z, graph, **given))
    spread = [s.std() for s in samples]
    difference = abs(float(samples[0].mean() - samples[1].mean()))
    error = float(sum(s.square() for s in spread) / count) ** 0.5
    if drawn:
        assert difference < 4 * error
        assert abs(float(spread[0] / spread[1]) - 1) < 0.1
        assert spread[0] > 1e-3
    else:
        assert difference > 1e-3


def test_draws_are_those_of_a_generator(graphs: dict[str, Data]) -> None:
    data, model = graphs["planar"], network().eval()
    graph = model.graph(data.pos)

    def predict(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return model.predict(data.z, graph, generator=generator)

    state = torch.get_rng_state()
    assert torch.equal(predict(0), predict(0))
    assert not torch.equal(predict(0), predict(1))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(model(data.z, data.pos), model(data.z, data.pos))


@pytest.mark.parametrize("batch_norm", [True, False])
def test_batches_equal_singles(graphs: dict[str, Data], batch_norm: bool) -> None:
    data = graphs["two_molecules"]
    model = network(batch_norm=batch_norm, cutoff=2.5, smooth=True).eval()
    q = lifts(data)
    whole = model(data.z, data.pos, data.batch, quaternion=q)
    for k in range(2):
        part = data.batch == k
        found = model(data.z[part], data.pos[part], quaternion=q[part])
        torch.testing.assert_close(found, whole[k : k + 1])


def test_derivatives_are_right() -> None:
    model = network(cutoff=2.5, smooth=True, num_layers=1).eval()
    z, q = torch.tensor([1, 6, 8]), rand_quaternion(3, 2, dtype=torch.float64)
    pos = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)

    def energy(pos: Tensor) -> Tensor:
        return model(z, pos, quaternion=q)

    assert gradcheck(energy, (pos,))
    assert gradgradcheck(energy, (pos,))


def test_edge_features_of_lifted_points(graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    model, q = network(irreps_edge="2x0e").eval(), lifts(data)
    edge_index = data.edge_index
    edge_attr = torch.randn(edge_index.shape[1], 2).double().requires_grad_()
    inputs = {"quaternion": q, "edge_index": edge_index}
    out = model(data.z, data.pos, data.batch, edge_attr=edge_attr, **inputs)
    (gradient,) = torch.autograd.grad(out.sum(), edge_attr)
    assert (gradient.abs().sum(-1) > 0).all()
    order = torch.randperm(edge_index.shape[1])
    inputs["edge_index"] = edge_index[:, order]
    same = model(data.z, data.pos, data.batch, edge_attr=edge_attr[order], **inputs)
    torch.testing.assert_close(same, out)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_normalization_joins_a_batch_in_training_alone(
    graphs: dict[str, Data], batch_norm: bool
) -> None:
    data = graphs["two_molecules"]
    model = LieResNet(**SMALL, batch_norm=batch_norm).double()
    first = data.batch == 0
    for training in (True, False):
        model.train(training)
        whole = model(data.z, data.pos, data.batch)[:1]
        alone = model(data.z[first], data.pos[first])
        assert torch.allclose(whole, alone) == (not (training and batch_norm))


def test_training_turns_graphs_at_random_if_asked(graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    options = SMALL | {"batch_norm": False}
    model = LieResNet(**options, augment=True).double()
    plain = LieResNet(**options).double()
    plain.load_state_dict(model.state_dict())
    graph, many = model.graph(data.pos, data.batch), []
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        many.append(model.predict(data.z, graph, generator=generator))
        R = rand_matrix(2, generator=torch.Generator().manual_seed(seed)).double()
        pos = (R[data.batch] @ data.pos.unsqueeze(-1)).squeeze(-1)
        expected = plain(data.z, pos, data.batch)
        torch.testing.assert_close(many[-1], expected, rtol=1e-5, atol=1e-5)
    assert (torch.stack(many).std(0) > 1e-5).all()
    model.eval()
    expected = plain(data.z, data.pos, data.batch)
    torch.testing.assert_close(model(data.z, data.pos, data.batch), expected)


def test_files_hold_running_averages_and_radii(
    tmp_path: Path, graphs: dict[str, Data]
) -> None:
    data = graphs["two_molecules"]
    model = network(fill=0.5)
    for _ in range(3):
        model(data.z, data.pos, data.batch)
    save_model(model.eval(), tmp_path / "model.pt")
    loaded: Any = load_model(tmp_path / "model.pt")
    assert float(loaded.blocks[0].conv.ball.radius) != 2.0
    inputs = {"batch": data.batch, "quaternion": lifts(data)}
    expected = model(data.z, data.pos, **inputs)
    torch.testing.assert_close(loaded(data.z, data.pos, **inputs), expected)


def test_says_when_it_is_smooth_and_extensive() -> None:
    options = SMALL | {"cutoff": 3.0, "head": "extensive"}
    assert not LieResNet(**options).is_smooth
    assert LieResNet(**options, smooth=True).is_smooth
    assert LieResNet(**SMALL).is_smooth
    assert not LieResNet(**SMALL, fill=0.5).is_smooth
    assert not LieResNet(**options).is_extensive
    assert LieResNet(**options, batch_norm=False).is_extensive


def test_what_has_no_meaning_is_refused(graphs: dict[str, Data]) -> None:
    data = graphs["planar"]
    with pytest.raises(ValueError, match="a point has one lift"):
        LieResNet(**SMALL, num_lifts=2)
    with pytest.raises(ValueError, match="got num_lifts=0"):
        LieResNet(**LIFTED | {"num_lifts": 0})
    with pytest.raises(ValueError, match=r"smooth=True with fill=0\.5"):
        LieResNet(**SMALL, cutoff=2.0, smooth=True, fill=0.5)
    with pytest.raises(ValueError, match=r"lifts to T\(3\)"):
        LieResNet(**SMALL).double()(data.z, data.pos, quaternion=lifts(data))
    with pytest.raises(ValueError, match=r"expected q \(4, S, 4\)"):
        network()(data.z, data.pos, quaternion=lifts(data)[:3])
