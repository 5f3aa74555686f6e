"""Allegro: its irreps, its two forms, and how far it sees."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.nn import Allegro, ForceField
from pyg_equivariant.nn.models._allegro_tracks import NormalizedBesselBasis
from pyg_equivariant.o3 import Irreps, rand_matrix
from pyg_equivariant.testing import assert_equivariant

SMALL: dict[str, Any] = {"hidden_channels": 6, "tensor_channels": 2, "cutoff": 2.5}
SMALL |= {"two_body_channels": (5,), "latent_channels": (5,)}
SMALL |= {"readout_channels": (4,), "avg_num_neighbors": 3.0}
SMALL |= {"species": tuple(range(1, 10))}


def build(**options: Any) -> Allegro:
    return Allegro(**{**SMALL, **options}).double().eval()


def irreps_of(model: Allegro) -> list[str]:
    """Irreps of an edge before the first layer and after every one, without copies."""
    convs = list(model.convs)
    irreps = [convs[0].irreps_in, *(conv.irreps_out for conv in convs)]
    return [str(Irreps([(1, ir) for _, ir in layer])) for layer in irreps]


def test_irreps_grow_as_paths_reach_them_and_end_in_scalars() -> None:
    harmonics = "1x0e+1x1o+1x2e"
    many = "1x0e+1x1e+1x1o+1x2e+1x2o"
    assert irreps_of(build()) == [harmonics, harmonics, "1x0e"]
    assert irreps_of(build(num_layers=3)) == [harmonics, many, harmonics, "1x0e"]
    restricted = build(num_layers=3, parity=False)
    assert irreps_of(restricted) == [*[harmonics] * 3, "1x0e"]
    without = build(num_layers=2, parity=None, published=True)
    even = "1x0e+1x1e+1x2e"
    assert irreps_of(without) == [even, even, "1x0e"]
    assert irreps_of(build(num_layers=1, lmax=0)) == ["1x0e", "1x0e"]


def test_heads_of_directions_keep_the_irreps_of_the_last_layer(
    graphs: dict[str, Data],
) -> None:
    data = graphs["two_molecules"]
    for published in (False, True):
        model = build(head="vector", published=published)
        assert irreps_of(model)[-1] == "1x0e+1x0o+1x1e+1x1o+1x2e+1x2o"

        def function(pos: Tensor, model: Allegro = model) -> Tensor:
            return model(data.z, pos, data.batch)

        assert_equivariant(function, ["pos"], ["1o"], [data.pos])
        assert function(data.pos).abs().max() > 1e-6
    features = build(head=None)(data.z, data.pos, data.batch)
    assert features.steerable.shape == (11, build(head=None).irreps_last.dim)


@pytest.mark.parametrize("published", [False, True])
def test_an_atom_alone_has_its_reference_energy_exactly(published: bool) -> None:
    atomref = torch.randn(10).double()
    model = build(published=published, atomref=atomref, scale=1.7)
    z = torch.tensor([8, 1])
    far = torch.tensor([[0.0, 0, 0], [9.0, 0, 0]]).double()
    assert torch.equal(model(z, far, torch.arange(2))[:, 0], atomref[z])


@pytest.mark.parametrize("published", [False, True])
def test_an_atom_feels_its_neighbors_alone(published: bool) -> None:
    """A chain: what is two edges away changes no energy, however many layers."""
    model = build(published=published, head="node", num_layers=3)
    assert model.num_hops == 1
    z = torch.tensor([8, 1, 6, 7])
    pos = torch.zeros(4, 3).double()
    pos[:, 0] = 2.0 * torch.arange(4)
    before = model(z, pos)
    pos[3, 1] += 0.5
    after = model(z, pos)
    assert torch.equal(before[:2], after[:2])
    assert (before[2:] - after[2:]).abs().min() > 1e-8


def test_averages_may_differ_by_species_of_the_center(graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    one = build(head="node")
    table = torch.full((9,), 3.0)
    same = build(head="node", avg_num_neighbors=table.tolist())
    same.load_state_dict(one.state_dict())
    expected = one(data.z, data.pos, data.batch)
    torch.testing.assert_close(same(data.z, data.pos, data.batch), expected)
    table[int(data.z[0]) - 1] = 5.0
    other = build(head="node", avg_num_neighbors=table.tolist())
    other.load_state_dict(one.state_dict())
    changed = (other(data.z, data.pos, data.batch) - expected).squeeze().abs() > 1e-9
    has_edges = (
        torch.bincount(one.graph(data.pos, data.batch).edge_index[1], None, 11) > 0
    )
    assert torch.equal(changed, (data.z == data.z[0]) & has_edges)


@pytest.mark.parametrize("published", [False, True])
def test_without_parity_it_turns_but_does_not_reflect(
    graphs: dict[str, Data], published: bool
) -> None:
    data = graphs["two_molecules"]
    options: dict[str, Any] = {"parity": None, "published": published}
    model = build(num_layers=3, lmax=1, **options)
    energy = model(data.z, data.pos, data.batch)
    R = rand_matrix(dtype=torch.float64)
    turned = model(data.z, data.pos @ R.T, data.batch)
    torch.testing.assert_close(turned, energy, rtol=1e-11, atol=1e-11)
    mirrored = model(data.z, -data.pos, data.batch)
    assert (mirrored - energy).abs().max() > 1e-8


def test_updates_of_the_published_form(graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]

    def energy(residual: Any) -> Tensor:
        torch.manual_seed(0)
        model = build(published=True, residual=residual)
        return model(data.z, data.pos, data.batch)

    half = energy(0.5)
    torch.testing.assert_close(energy((0.5, 0.5)), half, rtol=0, atol=0)
    replaced = energy(None)
    torch.testing.assert_close(energy(1e9), replaced, rtol=1e-6, atol=1e-6)
    assert (half - replaced).abs().max() > 1e-4


def test_bessel_functions_are_normalized_over_lengths() -> None:
    basis = NormalizedBesselBasis(4, 3.0).double()
    length = 3.0 * torch.arange(1, 4001, dtype=torch.float64) / 4000
    values = basis(length)
    zero = torch.zeros(4).double()
    torch.testing.assert_close(values.mean(dim=0), zero, rtol=0, atol=1e-12)
    torch.testing.assert_close(values.std(dim=0), zero + 1, rtol=1e-12, atol=0)
    assert basis(torch.zeros(1).double()).isfinite().all()


def test_networks_without_activations_are_linear(graphs: dict[str, Data]) -> None:
    """Then the energy of a pair is of one degree in every matrix of theirs."""
    data = graphs["planar"]
    model = build(num_layers=1, linear=("two_body", "latent", "readout"))
    first = model(data.z, data.pos)
    with torch.no_grad():
        model.head.pre.weights[0].mul_(2)
        model.readout.weights[0].mul_(3)
    torch.testing.assert_close(model(data.z, data.pos), 6 * first)
    curved = build(num_layers=1)
    first = curved(data.z, data.pos)
    with torch.no_grad():
        curved.readout.weights[0].mul_(3)
    assert not torch.allclose(curved(data.z, data.pos), 3 * first)


def test_forces_come_from_neighbors_by_pairs(graphs: dict[str, Data]) -> None:
    """Their sum is zero: energies do not change with the place."""
    data = graphs["two_molecules"]
    forces = ForceField(build())(data.z, data.pos, data.batch).forces
    total = torch.zeros(2, 3).double().index_add(0, data.batch, forces)
    assert total.abs().max() < 1e-11
    assert forces.abs().max() > 1e-3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"num_layers": 0}, "one layer or more, got num_layers=0"),
        ({"linear": ("env",)}, r"linear names some of .*, got \('env',\)"),
        ({"avg_num_neighbors": 0.0}, "a positive number, or one for each"),
        ({"avg_num_neighbors": (1.0, 2.0)}, "one for each of 9 species"),
        ({"embedding_channels": 5}, "half of embedding_channels"),
        (
            {"published": True, "residual": (0.5,)},
            r"one for each of 2 layers, got \(0\.5,\)",
        ),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        build(**options)


def test_an_unknown_species_is_named() -> None:
    for published in (False, True):
        model = build(species=(1, 8), published=published)
        with pytest.raises(ValueError, match=r"\[6\]"):
            model(torch.tensor([6, 1]), torch.rand(2, 3).double())


def test_the_basis_has_no_prefactor() -> None:
    model = build()
    length = torch.tensor([0.7, 2.0]).double()
    n = torch.arange(1, 9).double()
    x = length.unsqueeze(1) / 2.5
    expected = torch.sin(math.pi * n * x) / (math.pi * x)
    torch.testing.assert_close(model.edges.basis(length), expected)
