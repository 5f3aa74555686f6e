"""What every row of the table of charged particles owes to its user."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch_geometric.data import Batch, Data

from pyg_equivariant.networks import PARTICLE_NETWORKS, ParticleNetwork
from pyg_equivariant.nn import load_model, save_model
from pyg_equivariant.nn.particles import ParticleModel
from pyg_equivariant.testing import (
    assert_equivariant,
    assert_permutation_equivariant,
    equivariance_error,
)

Build = Callable[..., ParticleModel]
Run = Callable[[ParticleModel, Data], Tensor]
GRAPHS = ("asymmetric", "two_molecules", "coincident", "collinear", "planar")
LONELY = ("no_edges", "single_node", "empty")
READS = {
    "LinearMotion": (),
    "RadialField": ("edge_attr", "edge_index"),
    "ParticleMPNN": ("edge_attr", "edge_index"),
    "ParticleEGNN": ("edge_attr", "edge_index"),
    "ParticleSE3Transformer": ("charge", "edge_index"),
    "ParticleSEGNN": ("edge_attr", "edge_index"),
}  # besides velocities
EQUIVARIANT = [name for name, row in PARTICLE_NETWORKS.items() if row.group]


def _of_vectors(model: ParticleModel, data: Data) -> Callable[..., Tensor]:
    others = data.charge, data.edge_index, data.edge_attr, data.batch
    return lambda pos, vel: model(pos, vel, *others)


@pytest.mark.parametrize("row", EQUIVARIANT, indirect=True)
@pytest.mark.parametrize("name", [*GRAPHS, *LONELY])
def test_commutes_with_its_group_and_translations(
    build: Build, row: ParticleNetwork, systems: dict[str, Data], name: str
) -> None:
    data = systems[name]
    function = _of_vectors(build(row), data)
    inputs = [data.pos, data.vel]
    assert row.group is not None
    assert_equivariant(function, ["pos", "1o"], "pos", inputs, group=row.group)


def test_commutes_with_no_more_than_its_group(
    build: Build, row: ParticleNetwork, systems: dict[str, Data]
) -> None:
    data = systems["two_molecules"]
    function = _of_vectors(build(row), data)
    error = equivariance_error(function, ["pos", "1o"], "pos", [data.pos, data.vel])
    assert (error.rotation < 1e-10) == (row.group is not None)
    assert (error.translation < 1e-10) == (row.group is not None)
    assert (error.reflection < 1e-10) == (row.group == "O(3)")


@pytest.mark.parametrize("name", GRAPHS)
def test_commutes_with_renumbering_particles_and_edges(
    build: Build, row: ParticleNetwork, systems: dict[str, Data], name: str
) -> None:
    data = systems[name]
    given = data.pos, data.vel, data.charge, data.edge_index, data.edge_attr
    kinds = ["node", "node", "node", "edge_index", "edge", "node"]
    inputs = [*given, data.batch]
    assert_permutation_equivariant(build(row), inputs, kinds, ["node"])


def test_batches_equal_singles(
    build: Build, run: Run, row: ParticleNetwork, systems: dict[str, Data]
) -> None:
    names = ("asymmetric", "coincident", "no_edges", "single_node", "planar")
    singles = [systems[name] for name in names]
    for single in singles:
        single.batch = None
    model = build(row)
    whole = run(model, Batch.from_data_list(singles))
    expected = torch.cat([run(model, single) for single in singles])
    torch.testing.assert_close(whole, expected, rtol=0, atol=1e-12)


def test_joins_all_pairs_of_a_system_by_itself(
    build: Build, run: Run, row: ParticleNetwork, systems: dict[str, Data]
) -> None:
    model, data = build(row), systems["two_molecules"]
    expected = model(data.pos, data.vel, data.charge, batch=data.batch)
    same = data.batch[:, None] == data.batch
    data.edge_index = (same & ~torch.eye(len(same)).bool()).nonzero().T
    j, i = data.edge_index
    data.edge_attr = data.charge[j] * data.charge[i]
    torch.testing.assert_close(run(model, data), expected, rtol=0, atol=1e-12)


def test_reads_velocities_and_edges(
    build: Build, run: Run, row: ParticleNetwork, systems: dict[str, Data]
) -> None:
    data = systems["two_molecules"]
    model = build(row)
    before = run(model, data)
    for name in ("vel", *READS[row.model.__name__]):
        other = data.clone()
        x = data[name]
        other[name] = x.flip(0) if name == "edge_index" else torch.randn_like(x)
        assert not torch.allclose(run(model, other), before), name


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_are_right(build: Build, row: ParticleNetwork, order: int) -> None:
    model = build(row)
    draw = {"dtype": torch.float64, "requires_grad": True}
    pos, vel, charge = (torch.randn(3, k, **draw) for k in (3, 3, 1))
    edge_index = torch.tensor([[0, 1, 2, 0], [1, 0, 1, 2]])

    def function(pos: Tensor, vel: Tensor, charge: Tensor, *_: Tensor) -> Tensor:
        return model(pos, vel, charge, edge_index)

    inputs = (pos, vel, charge)
    if order == 1:
        assert gradcheck(function, (*inputs, *model.parameters()), fast_mode=True)
    else:
        assert gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("name", ["coincident", "collinear", *LONELY[:2]])
@pytest.mark.parametrize("still", [False, True])
def test_derivatives_are_finite_where_particles_meet_or_rest(
    build: Build,
    run: Run,
    row: ParticleNetwork,
    systems: dict[str, Data],
    name: str,
    still: bool,
) -> None:
    data = systems[name]
    data.vel = torch.zeros_like(data.vel) if still else data.vel
    leaves = [data.pos.requires_grad_(), data.vel.requires_grad_()]
    model = build(row)
    out = run(model, data)
    wanted = [*leaves, *model.parameters()]
    options = {"create_graph": True, "materialize_grads": True}
    first = torch.autograd.grad(out.sin().sum(), wanted, **options)
    total = sum(g.sin().sum() for g in first[:2])
    second = torch.autograd.grad(total, wanted, materialize_grads=True)
    assert all(x.isfinite().all() for x in (out, *first, *second))
    assert first[0].abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_works_in_narrower_dtypes(
    build: Build,
    run: Run,
    row: ParticleNetwork,
    systems: dict[str, Data],
    dtype: torch.dtype,
) -> None:
    model, data = build(row), systems["two_molecules"]
    expected = run(model, data)
    narrow = copy.deepcopy(model).to(dtype)
    found = run(narrow, _to(data, dtype))
    assert found.dtype == dtype
    error = (found.double() - expected).abs().max() / expected.abs().max()
    assert error < (1e-5 if dtype == torch.float32 else 0.1)


def _to(data: Data, dtype: torch.dtype) -> Data:
    return data.clone().apply(lambda x: x.to(dtype) if x.is_floating_point() else x)


def test_a_file_tells_how_to_build_it_again(
    build: Build,
    run: Run,
    row: ParticleNetwork,
    systems: dict[str, Data],
    tmp_path: Path,
) -> None:
    model, data = build(row), systems["asymmetric"]
    save_model(model, tmp_path / "model.pt")
    loaded = load_model(tmp_path / "model.pt")
    assert str(loaded) == str(model)
    assert torch.equal(run(loaded, data), run(model, data))
    loaded.reset_parameters()
    assert not torch.equal(run(loaded, data), run(model, data))


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("vel", torch.zeros(6, 2).double(), ValueError),
        ("charge", torch.zeros(6).double(), ValueError),
        ("edge_attr", torch.zeros(3, 1).double(), ValueError),
        ("vel", torch.zeros(6, 3), TypeError),
        ("charge", torch.zeros(6, 1).long(), TypeError),
        ("pos", torch.zeros(6, 3), TypeError),
    ],
)
def test_bad_input_is_named(
    build: Build,
    run: Run,
    systems: dict[str, Data],
    name: str,
    value: Tensor,
    error: type[Exception],
) -> None:
    model, data = build(PARTICLE_NETWORKS["egnn"]), systems["asymmetric"]
    run(model, data)
    data[name] = value
    with pytest.raises(error, match=name):
        run(model, data)
