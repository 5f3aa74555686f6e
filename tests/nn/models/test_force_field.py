"""Forces and stress are the derivatives of the energy, and can be trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.autograd.functional import jacobian
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from pyg_equivariant.graph import radius_graph
from pyg_equivariant.nn import BesselBasis, EdgeEmbedding, PolynomialCutoff, TFNConv
from pyg_equivariant.nn.models import EGNN, ForceField, SchNet
from pyg_equivariant.o3 import rand_matrix

# networks that would jump in dynamics are right in their derivatives all the same
pytestmark = pytest.mark.filterwarnings("ignore:energies of this")

Smooth = Any  # the fixture of conftest


def close(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def difference(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The gradient of a scalar function by central differences of fourth order."""
    h, out = 2e-4, torch.zeros_like(x)
    for k in range(x.numel()):
        step = torch.zeros_like(x).view(-1)
        step[k] = h
        step = step.view_as(x)
        with torch.no_grad():
            near = function(x + step) - function(x - step)
            far = function(x + 2 * step) - function(x - 2 * step)
        out.view(-1)[k] = (8 * near - far) / (12 * h)
    return out


def test_forces_are_minus_the_gradient(smooth: Smooth, graphs: dict[str, Data]) -> None:
    data, model = graphs["two_molecules"], smooth()
    found = ForceField(model).eval()(data.z, data.pos, data.batch, data.edge_index)
    expected = -difference(
        lambda pos: model(data.z, pos, data.batch, data.edge_index).sum(), data.pos
    )
    assert found.forces.abs().max() > 1e-3
    close(found.forces, expected, 1e-8)
    close(found.energy, model(data.z, data.pos, data.batch, data.edge_index).detach())
    assert found.stress is None


def test_stress_is_the_derivative_by_strain(smooth: Smooth, crystal: Data) -> None:
    """Of a cell that is deformed with its atoms, divided by its volume."""
    model = smooth()
    z, pos, cell, pbc = crystal.z, crystal.pos, crystal.cell, crystal.pbc
    graph = model.graph(pos, cell=cell, pbc=pbc)

    def energy(strain: Tensor) -> Tensor:
        deform = torch.eye(3, dtype=pos.dtype) + (strain + strain.T) / 2
        edges = graph.edge_index, graph.edge_shift
        return model(z, pos @ deform, None, *edges, cell @ deform).sum()

    volume = torch.linalg.det(cell[0]).abs()
    expected = difference(energy, torch.zeros(3, 3, dtype=pos.dtype)) / volume
    model = ForceField(model, compute_stress=True).eval()
    found = model(z, pos, cell=cell, pbc=pbc)
    assert found.stress.shape == (1, 3, 3)
    assert found.stress.abs().max() > 1e-5
    close(found.stress[0], expected, 1e-8)
    close(found.stress, found.stress.transpose(1, 2))
    R = rand_matrix(dtype=torch.float64)
    turned = {"O(3)": -R, "SO(3)": R, "T(3)": torch.eye(3, dtype=R.dtype)}[
        smooth.network.group
    ]
    moved = model(z, pos @ turned.T + 1, cell=cell @ turned.T, pbc=pbc)
    close(moved.stress, turned @ found.stress @ turned.T, 1e-10)


def test_no_net_force_and_no_net_torque(
    smooth: Smooth, graphs: dict[str, Data]
) -> None:
    data = graphs["asymmetric"]
    forces = ForceField(smooth()).eval()(data.z, data.pos).forces
    close(forces.sum(0), torch.zeros(3).double())
    torque = torch.linalg.cross(data.pos, forces).sum(0)
    if smooth.network.group != "T(3)":
        close(torque, torch.zeros(3).double())


def test_trains_on_energy_forces_and_stress(smooth: Smooth, crystal: Data) -> None:
    """The loss has the right gradient in all parameters."""
    model = smooth(num_layers=1)
    force_field = ForceField(model, compute_stress=True)
    inputs = {"cell": crystal.cell, "pbc": crystal.pbc}
    parameters = [*model.parameters()]  # perturbed in place by the check

    def loss(*_: Tensor) -> Tensor:
        energy, forces, stress = force_field(crystal.z, crystal.pos, **inputs)
        target = torch.linspace(-1, 1, 9, dtype=torch.float64).view(3, 3)
        return (
            (energy - 1).square().sum()
            + (forces - target).square().sum()
            + (stress - target).square().sum()
        )

    assert gradcheck(loss, parameters, fast_mode=True)
    before = loss()
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    for _ in range(12):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss() < 0.99 * before


def test_evaluation_keeps_no_graph(smooth: Smooth, crystal: Data) -> None:
    model = ForceField(smooth(), compute_stress=True)
    args, kwargs = (crystal.z, crystal.pos), {"cell": crystal.cell, "pbc": crystal.pbc}
    trained = model(*args, **kwargs)
    assert all(x.requires_grad for x in trained)
    model.eval()
    found = model(*args, **kwargs)
    with torch.no_grad():
        without = model(*args, **kwargs)
    with torch.inference_mode():
        inferred = model(
            crystal.z.clone(),
            crystal.pos.clone(),
            cell=crystal.cell.clone(),
            pbc=crystal.pbc.clone(),
        )
    for each in (found, without, inferred):
        assert not any(x.requires_grad for x in each)
        for x, y in zip(each, trained, strict=True):
            close(x, y.detach())
    assert not crystal.pos.requires_grad
    assert all(p.grad is None for p in model.parameters())


def test_derivatives_reach_what_made_the_positions(smooth: Smooth) -> None:
    """As for a network that generates structures, judged by their forces."""
    latent = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    z = torch.tensor([1, 6, 7, 8])
    out = ForceField(smooth())(z, latent.tanh())
    for value in (out.energy, out.forces):
        (gradient,) = torch.autograd.grad(
            value.square().sum(), latent, retain_graph=True
        )
        assert gradient.abs().max() > 1e-8


@pytest.mark.parametrize("graph", ["no_edges", "single_node", "empty"])
def test_without_edges_there_is_no_force(
    smooth: Smooth, graphs: dict[str, Data], graph: str
) -> None:
    data = graphs[graph]
    for training, factor in ((True, 1), (False, 1), (False, 0)):
        model = ForceField(smooth()).train(training)
        inputs = data.z, factor * data.pos, data.batch, data.edge_index
        energy, forces, _ = model(*inputs)
        assert energy.isfinite().all()
        assert forces.shape == data.pos.shape
        assert not forces.any()
        if training:
            (energy.sum() + forces.square().sum()).backward()


def _crystals(crystal: Data) -> list[Data]:
    other = Data(
        z=torch.tensor([7]),
        pos=torch.rand(1, 3, dtype=torch.float64),
        cell=2.1 * torch.eye(3, dtype=torch.float64).unsqueeze(0),
        pbc=torch.tensor([[True, True, False]]),
    )
    molecule = Data(
        z=torch.tensor([8, 1]),
        pos=torch.rand(2, 3, dtype=torch.float64),
        cell=torch.zeros(1, 3, 3, dtype=torch.float64),
        pbc=torch.zeros(1, 3, dtype=torch.bool),
    )
    return [crystal, molecule, other]


def test_crystals_and_molecules_share_a_batch(smooth: Smooth, crystal: Data) -> None:
    model = ForceField(smooth(local=True), compute_stress=True)
    singles = _crystals(crystal)
    (batch,) = DataLoader(singles, batch_size=3)
    found = model(batch.z, batch.pos, batch.batch, cell=batch.cell, pbc=batch.pbc)
    each = [model(s.z, s.pos, cell=s.cell, pbc=s.pbc) for s in singles]
    for k in range(3):
        close(found[k], torch.cat([single[k] for single in each]), 1e-11)
    assert not found.stress[1].any()
    assert found.stress[[0, 2]].abs().amax((1, 2)).gt(1e-6).all()
    found.stress.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("training", [True, False])
def test_torch_func_derives_what_it_looks_on(
    smooth: Smooth, graphs: dict[str, Data], training: bool
) -> None:
    """Whatever the mode, also where derivatives are not kept otherwise."""
    data, model = graphs["planar"], ForceField(smooth(num_layers=1))
    edges = data.batch, data.edge_index

    def predict(pos: Tensor) -> tuple[Tensor, Tensor]:
        return model(data.z, pos, *edges)[:2]

    energy, forces = predict(data.pos)
    expected = jacobian(predict, data.pos)
    model.train(training)
    for jacobians in (torch.func.jacrev, torch.func.jacfwd):
        close(jacobians(predict)(data.pos), expected, 1e-10)
    options = {"vectorize": True, "strategy": "forward-mode"}
    close(jacobian(predict, data.pos, **options), expected, 1e-10)
    many = torch.stack([data.pos, 2 * data.pos])
    found = torch.func.vmap(predict)(many)
    close((found[0][0], found[1][0]), (energy, forces))


def test_derivatives_of_stress_by_forward_mode(crystal: Data) -> None:
    model = ForceField(SchNet(8, 6, 1, cutoff=2.5).double(), compute_stress=True)
    (data,) = DataLoader([crystal, crystal], batch_size=2)
    rest = data.batch, *radius_graph(data.pos, 2.5, data.batch, data.cell)

    def stress(pos: Tensor) -> Tensor:
        return model(data.z, pos, *rest, cell=data.cell, pbc=data.pbc).stress

    expected = jacobian(stress, data.pos)
    assert expected.abs().max() > 1e-3
    options = {"vectorize": True, "strategy": "forward-mode"}
    close(jacobian(stress, data.pos, **options), expected)


def test_one_cell_may_serve_a_whole_batch(smooth: Smooth, crystal: Data) -> None:
    model = ForceField(smooth(), compute_stress=True).eval()
    z, pos, cell = crystal.z, crystal.pos, crystal.cell
    one = model(z, pos, cell=cell[0])
    batch = torch.tensor([0, 0, 0, 1, 1, 1])
    two = model(z.repeat(2), pos.repeat(2, 1), batch, cell=cell[0])
    for k in range(3):
        close(two[k], torch.cat([one[k], one[k]]), 1e-11)


def test_bad_input_is_named(crystal: Data) -> None:
    model = SchNet(8, 6, 1, 5, 2.5).double()
    with pytest.raises(ValueError, match="cell=None"):
        ForceField(model, compute_stress=True)(crystal.z, crystal.pos)
    with pytest.raises(TypeError, match="int64"):
        ForceField(model)(crystal.z, crystal.pos.long())
    for head in (None, "dipole"):
        with pytest.raises(ValueError, match="energy"):
            ForceField(SchNet(8, 6, 1, 5, 2.5, head=head))
    node = SchNet(8, 6, 1, 5, 2.5, head="node").double()
    with pytest.raises(ValueError, match="one energy per graph"):
        ForceField(node)(crystal.z, crystal.pos)
    with pytest.raises(ValueError, match="periodic"):
        ForceField(EGNN(8, 1).double())(crystal.z, crystal.pos, cell=crystal.cell)


def test_says_what_it_is() -> None:
    text = str(ForceField(SchNet(8, 6, 1, 5, 2.5)))
    assert text.startswith("ForceField(SchNet(hidden_channels=8")
    assert text.endswith("compute_stress=False)")


class OwnNetwork(torch.nn.Module):
    """What a user writes of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.edges = EdgeEmbedding(
            2.5, BesselBasis(4, 2.5), PolynomialCutoff(2.5), "0e+1o"
        )
        self.embedding = torch.nn.Embedding(9, 4)
        self.conv = TFNConv("4x0e", "0e+1o", "4x0e+2x1o", 4)
        self.last = TFNConv("4x0e+2x1o", "0e+1o", "1x0e", 4)

    def forward(
        self, z: Tensor, pos: Tensor, batch: Tensor | None = None, **edges: Any
    ) -> Tensor:
        found = self.edges(pos, batch, **edges)
        x = self.conv.on_edges(self.embedding(z), found)
        x = self.last.on_edges(x, found)
        return x.new_zeros(found.graph.batch_size, 1).index_add(
            0, torch.zeros_like(z) if batch is None else batch, x
        )


def test_a_network_of_ones_own_has_forces_and_stress(crystal: Data) -> None:
    torch.manual_seed(0)
    network = OwnNetwork().double()
    field = ForceField(network, compute_stress=True).eval()
    pos, cell = crystal.pos, crystal.cell
    energy, forces, stress = field(crystal.z, pos, cell=cell)
    torch.testing.assert_close(energy, network(crystal.z, pos, cell=cell).detach())
    step = 1e-5
    for i, axis in ((0, 0), (2, 1)):
        moved = []
        for sign in (1, -1):
            other = pos.clone()
            other[i, axis] += sign * step
            moved.append(network(crystal.z, other, cell=cell).item())
        numeric = -(moved[0] - moved[1]) / (2 * step)
        assert abs(forces[i, axis].item() - numeric) < 1e-7 * max(1, abs(numeric))
    strain = torch.tensor([[0.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]).double()
    energies = []
    for sign in (1, -1):
        deform = torch.eye(3).double() + sign * step * strain
        energies.append(network(crystal.z, pos @ deform, cell=cell @ deform).item())
    assert stress is not None
    volume = torch.linalg.det(cell[0]).abs().item()
    numeric = (energies[0] - energies[1]) / (2 * step * volume)
    assert abs(stress[0, 0, 1].item() - numeric) < 1e-6 * max(1, abs(numeric))
    # trained by forces
    field.train()
    out = field(crystal.z, pos, cell=cell)
    out.forces.square().sum().backward()
    assert network.embedding.weight.grad is not None


@pytest.mark.parametrize("length", [0.3, 1.0, 20.0])
def test_a_pressure_is_the_same_stress_in_any_volume(length: float) -> None:
    """The energy ``p V`` of a cell."""
    cell = length * torch.tensor([[1.0, 0.1, 0.0], [0.2, 0.9, 0.3], [0.0, -0.4, 1.2]])
    field = ForceField(
        lambda z, pos, batch, cell: 7 * torch.linalg.det(cell).view(1, 1),
        compute_stress=True,
    )
    out = field(torch.ones(2).long(), torch.rand(2, 3), cell=cell)
    torch.testing.assert_close(out.stress, 7 * torch.eye(3).unsqueeze(0))


def test_a_function_is_a_model() -> None:
    """Springs to the origin."""
    field = ForceField(lambda z, pos, batch: pos.square().sum().view(1, 1) / 2)
    pos = torch.randn(4, 3)
    energy, forces, _ = field(torch.ones(4).long(), pos)
    torch.testing.assert_close(forces, -pos)
    assert energy.shape == (1, 1)
    wrong = ForceField(lambda z, pos, batch: pos.square().sum())
    with pytest.raises(ValueError, match=r"one energy per graph.*\(\)"):
        wrong(torch.ones(4).long(), pos)
    with pytest.raises(TypeError, match="a module or a function"):
        ForceField("SchNet")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_stress_in_half_precision(crystal: Data, dtype: torch.dtype) -> None:
    model = ForceField(SchNet(8, 6, 1, cutoff=2.5).double(), compute_stress=True)
    pos, cell = crystal.pos.to(dtype), crystal.cell.to(dtype)
    edges = radius_graph(pos, 2.5, cell=cell)

    def predict(dtype: torch.dtype) -> Any:
        model.to(dtype)
        given = pos.to(dtype), None, *edges, cell.to(dtype)
        return model(crystal.z, *given, pbc=crystal.pbc)

    expected, found = predict(torch.float64), predict(dtype)
    assert expected.stress.abs().max() > 1e-2
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        assert (a - b).abs().max() < 0.1 * b.abs().max()
