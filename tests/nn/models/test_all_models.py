"""What every network of the registry owes to its user."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.functional import hessian, jacobian
from torch.export import Dim
from torch.func import vmap
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from pyg_equivariant.graph import complete_graph, radius_graph
from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import EquivariantConv
from pyg_equivariant.nn.models import ForceField, MolecularModel
from pyg_equivariant.o3 import rand_matrix, widen
from pyg_equivariant.testing import (
    assert_equivariant,
    assert_permutation_equivariant,
)

GRAPHS = (
    "asymmetric",
    "two_molecules",
    "coincident",
    "collinear",
    "planar",
    "no_edges",
    "single_node",
    "empty",
)

# networks that would jump in dynamics are right in their derivatives all the same
pytestmark = pytest.mark.filterwarnings("ignore:energies of this")
Build = Callable[..., MolecularModel]
BY_MODEL = {network.model.__name__: network for network in NETWORKS.values()}
PRECISIONS = {
    "float16": (torch.float16, None),
    "bfloat16": (torch.bfloat16, None),
    "float32": (torch.float32, None),
    "float64": (torch.float64, None),
    "autocast float16": (torch.float32, torch.float16),
    "autocast bfloat16": (torch.float32, torch.bfloat16),
}


def close(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_finds_its_own_edges(build: Build, name: str, graphs: dict[str, Data]) -> None:
    model, data = build(name), graphs["two_molecules"]
    edge_index, _ = radius_graph(data.pos, model.cutoff, data.batch)
    assert 0 < edge_index.shape[1] < complete_graph(11, data.batch).shape[1]
    bare = model(data.z, data.pos, data.batch)
    assert bare.shape == (2, 1)
    close(model(data.z, data.pos, data.batch, edge_index), bare)
    close(model(data.z, data.pos, data.batch, batch_size=2), bare)
    other = model(data.z, data.pos, data.batch, edge_index[:, ::2])
    assert not torch.allclose(other, bare)


def test_one_molecule_needs_no_batch(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    for head in ("sum", "mean"):
        model, data = build(name, head=head), graphs["planar"]
        close(model(data.z, data.pos), model(data.z, data.pos, data.batch))


@pytest.mark.parametrize("graph", GRAPHS)
def test_energies_are_invariant_and_forces_turn(
    smooth: Any, graphs: dict[str, Data], graph: str
) -> None:
    data = graphs[graph]
    model = ForceField(smooth()).eval()

    def function(pos: Tensor) -> tuple[Tensor, Tensor]:
        return model(data.z, pos, data.batch, data.edge_index)[:2]

    assert_equivariant(
        function, "pos", [None, "1o"], [data.pos], group=smooth.network.group
    )
    energy, forces, _ = model(data.z, data.pos, data.batch, data.edge_index)
    assert energy.isfinite().all()
    assert forces.isfinite().all()
    if not data.edge_index.numel():
        assert not forces.any()


@pytest.mark.parametrize("seed", range(3))
def test_symmetry_at_random_depths_and_widths(
    build: Build, name: str, graphs: dict[str, Data], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def between(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    network = BY_MODEL[name]
    kwargs = {"num_layers": between(1, 4), "hidden_channels": between(2, 9)}
    kwargs |= {degree: between(*ends) for degree, ends in network.degrees.items()}
    data = graphs["two_molecules"]
    model = build(name, **kwargs)
    assert_equivariant(
        lambda pos: model(data.z, pos, data.batch),
        "pos",
        [None],
        [data.pos],
        group=network.group,
    )


@pytest.mark.parametrize(
    "name", [name for name, n in BY_MODEL.items() if n.group == "SO(3)"], indirect=True
)
def test_reflections_change_what_commutes_with_rotations_alone(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    model, data = build(name, cutoff=4.0), graphs["two_molecules"]
    predicted = model(data.z, data.pos, data.batch)
    mirrored = model(data.z, -data.pos, data.batch)
    assert ((predicted - mirrored).abs() > 1e-6 * predicted.abs()).all()


@pytest.mark.parametrize(
    "name", [name for name, n in BY_MODEL.items() if n.group == "T(3)"], indirect=True
)
def test_rotations_change_what_commutes_with_translations_alone(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    model, data = build(name, cutoff=4.0), graphs["two_molecules"]
    R = rand_matrix(dtype=torch.float64)
    predicted = model(data.z, data.pos, data.batch)
    for turned in (data.pos @ R.T, -data.pos):
        found = model(data.z, turned, data.batch)
        assert ((predicted - found).abs() > 1e-6 * predicted.abs()).all()


def test_the_order_of_atoms_and_edges_does_not_matter(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    data, model = graphs["two_molecules"], build(name)
    inputs = [data.z, data.pos, data.batch, data.edge_index]
    kinds = ["node", "node", "node", "edge_index"]
    assert_permutation_equivariant(model, inputs, kinds, "graph")
    node = build(name, head="node")
    assert_permutation_equivariant(node, inputs, kinds, "node")
    order = torch.randperm(11)
    shuffled = model(data.z[order], data.pos[order], data.batch[order])
    close(shuffled, model(data.z, data.pos, data.batch))


@pytest.mark.parametrize("head", ["sum", "mean", "node"])
def test_batches_equal_singles(
    smooth: Build, graphs: dict[str, Data], head: str
) -> None:
    model = smooth(head=head)
    names = ("asymmetric", "no_edges", "coincident", "single_node", "planar")
    singles = [
        Data(z=graphs[n].z, pos=graphs[n].pos, edge_index=graphs[n].edge_index)
        for n in names
    ]
    (data,) = DataLoader(singles, batch_size=len(singles))
    found = model(data.z, data.pos, data.batch, data.edge_index)
    each = [model(s.z, s.pos, edge_index=s.edge_index) for s in singles]
    close(found, torch.cat(each))


def _supercell(crystal: Data, repeats: tuple[int, int, int]) -> Data:
    cell = crystal.cell[0]
    shifts = torch.cartesian_prod(*(torch.arange(n) for n in repeats)).double() @ cell
    pos = (crystal.pos + shifts.unsqueeze(1)).flatten(0, 1)
    scale = torch.tensor(repeats).unsqueeze(-1)
    return Data(
        z=crystal.z.repeat(len(shifts)),
        pos=pos,
        cell=(cell * scale).unsqueeze(0),
        pbc=crystal.pbc,
    )


def test_a_cell_is_as_good_as_its_supercell(smooth: Build, crystal: Data) -> None:
    """Energies are extensive, forces and stress the same."""
    model = ForceField(smooth(), compute_stress=True).eval()
    energy, forces, stress = model(
        crystal.z, crystal.pos, cell=crystal.cell, pbc=crystal.pbc
    )
    assert forces.abs().max() > 1e-3
    large = _supercell(crystal, (2, 3, 2))
    found = model(large.z, large.pos, cell=large.cell, pbc=large.pbc)
    close(found.energy, 12 * energy, 1e-11)
    close(found.forces, forces.repeat(12, 1), 1e-11)
    close(found.stress, stress, 1e-11)


def test_a_slab_in_vacuum_is_periodic_in_its_plane_only(
    smooth: Build, crystal: Data
) -> None:
    """Images that are given explicitly are atoms like any other: an energy per atom."""
    model = smooth(local=True, head="node")
    slab = torch.tensor([[True, True, False]])
    periodic = model(crystal.z, crystal.pos, cell=crystal.cell, pbc=slab)
    large = _supercell(crystal, (9, 11, 1))
    cluster = model(large.z, large.pos).unflatten(0, (9, 11, 3))
    close(cluster[4, 5], periodic, 1e-11)
    everywhere = model(crystal.z, crystal.pos, cell=crystal.cell, pbc=crystal.pbc)
    assert not torch.allclose(everywhere, periodic)


def test_edges_and_shifts_may_be_given(smooth: Build, crystal: Data) -> None:
    model = smooth()
    cell, pbc = crystal.cell, crystal.pbc
    edge_index, edge_shift = radius_graph(crystal.pos, model.cutoff, cell=cell, pbc=pbc)
    expected = model(crystal.z, crystal.pos, cell=cell, pbc=pbc)
    found = model(crystal.z, crystal.pos, None, edge_index, edge_shift, cell)
    close(found, expected)


def _scan(model: ForceField, z: Tensor, pos: Tensor, r: float) -> tuple[Tensor, Tensor]:
    """Energy and forces with the last atom at a distance r from the one before."""
    pos = pos.clone()
    pos[-1] = pos[-2] + r * torch.tensor([0.6, 0.0, 0.8], dtype=pos.dtype)
    return model(z, pos)[:2]


CLUSTER = [[0.0, 0.0, 0.0], [1.1, 0.3, 0.0], [0.2, -0.4, 1.0], [0.0, 0.0, 0.0]]


def test_edges_without_their_images_are_refused(smooth: Build, crystal: Data) -> None:
    model, cell = smooth(), crystal.cell
    edge_index = radius_graph(crystal.pos, model.cutoff, cell=cell)[0]
    for predict in (model, ForceField(model)):
        call = {"edge_index": edge_index, "cell": cell}
        with pytest.raises(ValueError, match="cell came without edge_shift"):
            predict(crystal.z, crystal.pos, **call)
    with pytest.raises(ValueError, match="cell came without edge_shift"):
        model.edges(crystal.pos, **call)
    open_ = {"edge_index": edge_index[:, :0], "cell": cell}
    model(crystal.z, crystal.pos, **open_, pbc=torch.zeros(3).bool())


def test_more_atoms_than_pairs_fit_into_32_bits(build: Build, name: str) -> None:
    """Numbers of two atoms, multiplied, do not fit from 46,341 atoms on."""
    count = 50_000
    model = build(name).float()
    pos = torch.zeros(count, 3)
    pos[:, 0] = torch.arange(count) // 2 * 8
    pos[1::2, 1] = 0.5 + torch.rand(count // 2)
    edge_index = radius_graph(pos, model.cutoff)[0]
    z = torch.ones(count, dtype=torch.long)
    with torch.no_grad():
        found = model(z, pos, edge_index=edge_index.int(), batch_size=1)
        assert torch.equal(model(z, pos, edge_index=edge_index, batch_size=1), found)


@pytest.mark.parametrize("atoms", [2, 4])
def test_energy_and_forces_pass_the_cutoff_without_a_jump(
    smooth: Build, atoms: int
) -> None:
    """One atom leaves a cluster, or leaves its only neighbor alone."""
    model = ForceField(smooth()).eval()
    pos = torch.tensor(CLUSTER, dtype=torch.float64)[4 - atoms :]
    z = torch.tensor([1, 6, 7, 8])[4 - atoms :]
    cutoff = model.model.cutoff
    step = 1e-5
    inside, outside = (_scan(model, z, pos, cutoff + d) for d in (-step, step))
    farther = _scan(model, z, pos, cutoff - 0.5)
    assert (farther[0] - outside[0]).abs() > 1e-4
    assert (inside[0] - outside[0]).abs() < 1e-8
    assert (inside[1] - outside[1]).abs().max() < 1e-3
    halved = _scan(model, z, pos, cutoff - step / 16)[1]
    assert (halved - outside[1]).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["EGNN", "SEGNN"], indirect=True)
def test_without_an_envelope_they_jump_as_in_the_papers(
    build: Build, name: str
) -> None:
    model = ForceField(build(name)).eval()
    pos = torch.tensor(CLUSTER, dtype=torch.float64)
    z = torch.tensor([1, 6, 7, 8])
    inside, outside = (_scan(model, z, pos, 2.5 + d) for d in (-1e-9, 1e-9))
    assert (inside[0] - outside[0]).abs() > 1e-4


def test_derivatives_of_energies_and_forces(smooth: Build) -> None:
    """Of energies first and second, of forces first: also in the parameters."""
    model = smooth(num_layers=1)
    z = torch.tensor([1, 6, 8])
    pos = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    edge_index = torch.tensor([[0, 1, 2, 0, 2], [1, 0, 1, 2, 0]])
    parameters = [*model.parameters()]  # perturbed in place by the check

    def energy(pos: Tensor, *_: Tensor) -> Tensor:
        return model(z, pos, edge_index=edge_index)

    force_field = ForceField(model)

    def forces(pos: Tensor, *_: Tensor) -> Tensor:
        return force_field(z, pos, edge_index=edge_index).forces

    assert gradcheck(energy, (pos, *parameters), fast_mode=True)
    assert gradgradcheck(energy, (pos, *parameters), fast_mode=True)
    assert gradcheck(forces, (pos, *parameters), fast_mode=True)


def test_derivatives_with_atoms_at_one_place(smooth: Build) -> None:
    model = smooth(num_layers=1)
    z = torch.tensor([1, 6, 8])
    points = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    edge_index = torch.tensor([[0, 1, 2, 0, 2, 1], [1, 0, 1, 2, 0, 2]])

    def energy(points: Tensor) -> Tensor:
        return model(z, points[[0, 0, 1]], edge_index=edge_index)

    assert gradcheck(energy, (points,), fast_mode=True)
    assert gradgradcheck(energy, (points,), fast_mode=True)
    pos = points.detach()[[0, 0, 1]].requires_grad_()
    forces = ForceField(model)(z, pos, edge_index=edge_index).forces
    second = torch.autograd.grad(
        forces.square().sum(), [pos, *model.parameters()], allow_unused=True
    )
    assert forces.isfinite().all()
    assert all(g.isfinite().all() for g in second if g is not None)


@pytest.mark.parametrize("fuse", [True, False])
def test_hessians_from_batches(build: Build, name: str, fuse: bool) -> None:
    """All ways of torch to a Hessian, in one sweep too, are a loop of gradients."""
    model = build(name)
    for module in model.modules():
        if isinstance(module, EquivariantConv):
            module.fuse = fuse
    z, pos = torch.tensor([1, 6, 8]), torch.randn(3, 3, dtype=torch.float64)
    edge_index, _ = radius_graph(pos, 2.5)

    def energy(pos: Tensor) -> Tensor:
        return model(z, pos, edge_index=edge_index).sum()

    def gradient(pos: Tensor) -> Tensor:
        pos = pos if pos.requires_grad else pos.clone().requires_grad_()
        return torch.autograd.grad(energy(pos), pos, create_graph=True)[0]

    atoms = pos.clone().requires_grad_()
    first = gradient(atoms)
    one = torch.eye(9, dtype=pos.dtype).unflatten(1, (3, 3))
    rows = [torch.autograd.grad(first, atoms, e, retain_graph=True)[0] for e in one]
    expected = torch.stack(rows)

    def batched(vectors: Tensor, **options: bool) -> Tensor:
        return torch.autograd.grad(first, atoms, vectors, create_graph=True, **options)[
            0
        ]

    found = {
        "is_grads_batched": batched(one, is_grads_batched=True),
        "vmap of autograd.grad": vmap(batched)(one),
        "jacobian of forces": jacobian(gradient, pos, vectorize=True),
        "func.hessian": torch.func.hessian(energy)(pos),
        "func.jacrev": torch.func.jacrev(torch.func.grad(energy))(pos),
    }
    for outer in ("reverse-mode", "forward-mode"):
        options = {"vectorize": True, "outer_jacobian_strategy": outer}
        found[f"hessian, {outer}"] = hessian(energy, pos, **options)
    for what, result in found.items():
        difference = (result.reshape(9, 3, 3) - expected).abs().max()
        assert difference <= 1e-12 * expected.abs().max(), what
    # a third derivative through a batch, and batches of positions
    totals = (
        found["is_grads_batched"].sin().sum(),
        sum(batched(e).sin().sum() for e in one),
    )
    third = [torch.autograd.grad(t, atoms, retain_graph=True)[0] for t in totals]
    close(*third, 1e-10)
    many = torch.stack([pos, 1.1 * pos])
    close(vmap(torch.func.grad(energy))(many), torch.stack(list(map(gradient, many))))


def test_torch_func_finds_edges(build: Build, name: str) -> None:
    model = build(name)
    z, pos = torch.tensor([1, 6, 8, 1]), torch.randn(4, 3, dtype=torch.float64)

    def energy(pos: Tensor) -> Tensor:
        return model(z, pos).sum()

    _, forces, _ = ForceField(model)(z, pos)
    close(torch.func.grad(energy)(pos), -forces)
    close(torch.func.hessian(energy)(pos), hessian(energy, pos), 1e-11)


def test_works_in_float32_and_under_autocast(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    model, data = build(name), graphs["two_molecules"]
    inputs = data.batch, data.edge_index
    expected = model(data.z, data.pos, *inputs)
    model.float()
    pos = data.pos.float()
    found = model(data.z, pos, *inputs)
    close(found, expected.float(), 1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(data.z, pos, *inputs)
    assert found.dtype == torch.float32
    close(found, expected.float(), 0.1)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_degenerate_graphs_in_every_precision(
    smooth: Build, graphs: dict[str, Data], precision: str
) -> None:
    """Energies are right, first and second derivatives finite, in all parameters."""
    dtype, autocast = PRECISIONS[precision]
    rough = torch.bfloat16 in (dtype, autocast)
    model = smooth().to(dtype)
    exact = copy.deepcopy(model).double()
    graphs["one place"] = graphs["planar"].clone()
    graphs["one place"].pos = torch.ones(4, 3).double()
    graphs["at the cutoff"] = graphs["planar"].clone()
    graphs["at the cutoff"].pos[0] = graphs["planar"].pos[1] + torch.tensor([2.5, 0, 0])
    for name, data in graphs.items():
        pos = data.pos.to(dtype).requires_grad_()
        wanted = [pos, *model.parameters()]
        with torch.autocast("cpu", dtype=autocast, enabled=autocast is not None):
            energy = model(data.z, pos, data.batch, data.edge_index)
            first = torch.autograd.grad(
                energy.sum(), wanted, create_graph=True, materialize_grads=True
            )
            total = widen(first[0]).sin().sum() + widen(energy).sum()
            second = torch.autograd.grad(total, wanted, materialize_grads=True)
        for gradient in (*first, *second):
            assert gradient.isfinite().all(), name
        expected = exact(data.z, pos.detach().double(), data.batch, data.edge_index)
        close(energy.double(), expected, 0.2 if rough else 0.05)


def test_copies_and_checkpoints_predict_the_same(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    units = {"mean": -3.25, "scale": 1.7, "atomref": torch.randn(10)}
    model, data = build(name, **units), graphs["two_molecules"]
    expected = model(data.z, data.pos, data.batch)
    fresh = build(name, atomref=torch.zeros(10))
    assert not torch.allclose(fresh(data.z, data.pos, data.batch), expected)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    for copied in (
        fresh,
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model).to(torch.float64),
    ):
        assert torch.equal(copied(data.z, data.pos, data.batch), expected)
        assert str(copied) == str(model)
    fresh.reset_parameters()
    assert not torch.allclose(fresh(data.z, data.pos, data.batch), expected)
    assert float(fresh.mean) == -3.25


def test_exports_with_any_number_of_atoms_and_edges(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    small = {"lmax_attr": 1} if name == "SEGNN" else {}
    model = build(name, num_layers=1, **small, mean=0.5).eval()
    atoms, edges = Dim("atoms"), Dim("edges")

    def arguments(graph: str) -> tuple[tuple[Tensor, Tensor], dict[str, Any]]:
        data = graphs[graph]
        batch = data.batch if graph == "two_molecules" else torch.tensor([0, 0, 1, 1])
        kwargs = {"batch": batch, "edge_index": data.edge_index, "batch_size": 2}
        return (data.z, data.pos), kwargs

    args, kwargs = arguments("two_molecules")
    shapes = {"z": {0: atoms}, "pos": {0: atoms}, "batch": {0: atoms}}
    program = torch.export.export(
        model,
        args,
        kwargs,
        dynamic_shapes=shapes | {"edge_index": {1: edges}, "batch_size": None},
    )
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for graph in ("two_molecules", "planar"):
        (z, pos), kwargs = arguments(graph)
        pos = pos.clone().requires_grad_()
        results = []
        for network in (loaded, model):
            energy = network(z, pos, **kwargs)
            results.append((energy, torch.autograd.grad(energy.sum(), pos)[0]))
        close(results[0], results[1])


@pytest.mark.slow
def test_compiles_whole_and_once_for_all_batches(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    from torch._dynamo.testing import CompileCounterWithBackend

    torch.compiler.reset()
    small = {"lmax_attr": 1} if name == "SEGNN" else {}
    model = build(name, num_layers=1, **small)
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=counter)
    frames = []
    for graph in ("two_molecules", "asymmetric", "planar"):
        data = graphs[graph]
        batch = data.batch if graph == "two_molecules" else data.pos[:, 0].ge(0).long()
        inputs = {"batch": batch, "edge_index": data.edge_index, "batch_size": 2}
        pos = data.pos.clone().requires_grad_()
        results = []
        for network in (compiled, model):
            energy = network(data.z, pos, **inputs)
            results.append((energy, torch.autograd.grad(energy.sum(), pos)[0]))
        close(results[0], results[1])
        frames.append(counter.frame_count)
    assert frames[0] == frames[-1] > 0


def test_bad_input_is_named(build: Build, name: str, graphs: dict[str, Data]) -> None:
    model, data = build(name), graphs["planar"]
    z, pos = data.z, data.pos
    with pytest.raises(TypeError, match=r"positions.*int64"):
        model(z, pos.long())
    with pytest.raises(TypeError, match="float32"):
        model(z, pos.float())
    with pytest.raises(ValueError, match=r"\(\|V\|, 3\), got \(4, 2\)"):
        model(z, pos[:, :2])
    with pytest.raises(ValueError, match="one row of z for each of 4"):
        model(z[:-1], pos)
    with pytest.raises(ValueError, match="one row of batch for each of 4"):
        model(z, pos, data.batch[:-1])
    with pytest.raises(TypeError, match="atomic numbers"):
        model(z.double(), pos)
    with pytest.raises(ValueError, match=r"121"):
        model(torch.tensor([1, 121, 6, 1]), pos)
    with pytest.raises(ValueError, match=r"-1"):
        model(torch.tensor([1, -1, 6, 1]), pos)
    with pytest.raises(ValueError, match="edge_shift"):
        model(z, pos, edge_shift=torch.zeros(2, 3))


@pytest.mark.parametrize("cutoff", [0.0, -1.0])
def test_a_cutoff_is_positive(build: Build, name: str, cutoff: float) -> None:
    with pytest.raises(ValueError, match="cutoff"):
        build(name, cutoff=cutoff)


@pytest.mark.parametrize("kind", ["SchNet", "TFN"])
def test_radial_part_once_for_both_directions(
    build: Build, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = build(kind)
    z, pos = torch.randint(1, 9, (7,)), 2 * torch.rand(7, 3, dtype=torch.float64)
    results: list[list[Tensor]] = []
    rows: list[int] = []
    conv = model.convs[0]
    network = conv.filter if kind == "SchNet" else conv.radial
    network.register_forward_hook(lambda _, __, out: rows.append(len(out)))
    for paired in (True, False):
        if not paired:
            embed = model.edges.embed
            monkeypatch.setattr(
                model.edges,
                "embed",
                lambda graph, by_pair, embed=embed, **rest: embed(graph, **rest),
            )
        atoms = pos.clone().requires_grad_()
        wanted = [atoms, *model.parameters()]
        energy = model(z, atoms)
        (forces,) = torch.autograd.grad(energy.sum(), atoms, create_graph=True)
        second = torch.autograd.grad(
            forces.square().sum() + energy.sum(), wanted, materialize_grads=True
        )
        results.append([energy, forces, *second])
    assert 2 * rows[0] == rows[1]
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_builds_on_the_meta_device(
    build: Build, name: str, graphs: dict[str, Data]
) -> None:
    data, model = graphs["planar"], build(name)
    with torch.device("meta"):
        empty = build(name)
    assert all(value.is_meta for value in empty.state_dict().values())
    filled = empty.to_empty(device="cpu")
    filled.load_state_dict(model.state_dict())
    assert torch.equal(filled(data.z, data.pos), model(data.z, data.pos))


@pytest.mark.parametrize("irreps", ["2x1o+4x0e+1x2e", "1x2e+3x0e+2x1o+1x0e"])
@pytest.mark.parametrize("kind", ["TFN", "SEGNN"])
def test_irreps_come_in_any_order(
    build: Build, kind: str, irreps: str, graphs: dict[str, Data]
) -> None:
    data = graphs["two_molecules"]
    model = build(kind, irreps_hidden=irreps, cutoff=4.0, head="dipole")

    def function(pos: Tensor) -> Tensor:
        return model(data.z, pos, data.batch)

    assert_equivariant(function, ["pos"], ["1o"], [data.pos])
    assert function(data.pos).abs().max() > 1e-6
