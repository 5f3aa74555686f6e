"""NequIP: its irreps, its two forms, and what it says of atoms alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.nn import ForceField, NequIP, RadialMLP
from pyg_equivariant.nn.models.heads import ScalarHead
from pyg_equivariant.o3 import Irreps, rand_matrix
from pyg_equivariant.testing import assert_equivariant

SMALL: dict[str, Any] = {"hidden_channels": 4, "radial_channels": (6,), "cutoff": 2.5}
SMALL |= {"species": tuple(range(1, 10))}


def build(**options: Any) -> NequIP:
    model = NequIP(**{**SMALL, **options})
    return model.double().eval()


def irreps_of(model: NequIP) -> list[str]:
    """Irreps after every layer."""
    return [str(act.irreps_out) for act in model.acts]


def test_irreps_grow_as_paths_reach_them() -> None:
    assert irreps_of(build()) == [
        "4x0e+4x1o+4x2e",
        "4x0e+4x1e+4x1o+4x2e+4x2o",
        "4x0e+4x0o+4x1e+4x1o+4x2e+4x2o",
        "4x0e",
    ]
    assert irreps_of(build(num_layers=3, parity=False)) == [
        *["4x0e+4x1o+4x2e"] * 2,
        "4x0e",
    ]
    channels = build(hidden_channels=(5, 3, 2), num_layers=2, parity=False)
    assert irreps_of(channels) == ["5x0e+3x1o+2x2e", "5x0e"]


def test_the_published_form_keeps_all_irreps_by_parity() -> None:
    assert irreps_of(build(published=True, num_layers=3)) == [
        "4x0e+4x2e+4x1o",
        "4x0e+4x1e+4x2e+4x1o+4x2o",
        "4x0e+4x0o+4x1e+4x2e+4x1o+4x2o",
    ]
    one = build(published=True, parity=False, num_layers=1)
    assert irreps_of(one) == ["4x0e+4x1e+4x2e"]


def test_heads_of_directions_keep_the_irreps_of_the_last_layer(
    graphs: dict[str, Data],
) -> None:
    data = graphs["two_molecules"]
    model = build(head="vector", num_layers=2)
    assert irreps_of(model)[1] == "4x0e+4x1e+4x1o+4x2e+4x2o"

    def function(pos: Tensor) -> Tensor:
        return model(data.z, pos, data.batch)

    assert_equivariant(function, ["pos"], ["1o"], [data.pos])
    own = ScalarHead(RadialMLP([4, 1])).double()
    assert irreps_of(build(head=own, num_layers=1)) == ["4x0e+4x1o+4x2e"]
    features = build(head=None, num_layers=1)(data.z, data.pos, data.batch)
    assert features.x.shape == (11, 4)
    assert features.vec.shape == (11, 3, 4)


def test_the_species_decides_on_what_an_atom_keeps(graphs: dict[str, Data]) -> None:
    model, data = build(), graphs["two_molecules"]
    seen: list[tuple[Tensor, ...]] = []
    for conv in model.convs[1:]:
        conv.self_connection.register_forward_hook(
            lambda _, given, out: seen.append((*given, out))
        )
    assert model.convs[0].self_connection is None
    model(data.z, data.pos, data.batch)
    for x, species, attr, _ in seen:
        assert torch.equal(species, data.z - 1)
        assert attr is model.embedding.weight
        assert len(x) == 11
    published = build(published=True)
    assert [conv.num_attr for conv in published.convs] == [9] * 4
    assert all(conv.self_connection is not None for conv in published.convs)
    assert [conv.num_attr for conv in build(embedding_channels=3).convs] == [3] * 4


def test_an_atom_alone_has_its_reference_energy() -> None:
    scale, atomref = torch.rand(10) + 0.5, torch.randn(10)
    model = build(scale=scale, atomref=atomref)
    for z in (1, 6, 9):
        alone = model(torch.tensor([z]), torch.zeros(1, 3, dtype=torch.float64))
        assert alone.item() == atomref[z].double().item()
    published = build(published=True, atomref=atomref)
    pos = torch.zeros(1, 3, dtype=torch.float64)
    assert (published(torch.tensor([6]), pos) - atomref[6]).abs() > 1e-6


def test_without_parity_the_published_form_turns_and_is_not_mirrored(
    graphs: dict[str, Data],
) -> None:
    data = graphs["two_molecules"]
    model = build(published=True, parity=False, num_layers=3, cutoff=4.0)

    def energy(pos: Tensor) -> Tensor:
        return model(data.z, pos, data.batch)

    expected, R = energy(data.pos), rand_matrix(dtype=torch.float64)
    torch.testing.assert_close(energy(data.pos @ R.T), expected, rtol=1e-11, atol=1e-11)
    assert (energy(-data.pos) - expected).abs().max() > 1e-6


def test_sums_are_divided_by_the_root_of_the_number_of_neighbors() -> None:
    model, four = build(num_layers=1), build(num_layers=1, avg_num_neighbors=48.0)
    four.load_state_dict(model.state_dict())
    assert model.convs[0].avg_num_neighbors == 12.0
    z, pos = torch.tensor([6, 1, 8]), torch.rand(3, 3, dtype=torch.float64)
    seen: list[Tensor] = []
    for network in (model, four):
        network.acts[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
        network(z, pos)
    torch.testing.assert_close(seen[1], seen[0] / 2)


@pytest.mark.parametrize("published", [False, True])
def test_options_reach_their_modules(published: bool) -> None:
    model = NequIP(
        **{**SMALL, "radial_channels": None},
        published=published,
        envelope_exponent=2,
        trainable_radial=True,
        num_radial=6,
        readout_channels=(5,),
        e3nn_constants=True,
    )
    assert model.edges.envelope.p == 2
    assert model.edges.basis.trainable
    assert model.edges.basis.prefactor == 2 / 2.5
    radial = model.convs[0].radial
    assert radial.channels[:-1] == ([6, 64, 64] if published else [6, 128])
    constant = 1.6791767923989418 if published else 2**0.5
    assert radial.act.constant == constant
    assert model.head.pre.channels == [4, 5, 1]
    assert model.head.pre.act.constant == (1.0 if published else 2**0.5)
    assert model.acts[0].act_gates.acts[0].constant == 1.6791767923989418


def test_the_published_readout_is_linear() -> None:
    readout = build(published=True).head.pre
    assert readout.channels == [4, 2, 1]
    x = torch.randn(3, 4, dtype=torch.float64)
    torch.testing.assert_close(readout(-2 * x), -2 * readout(x))


def test_forces_of_crystals_have_stress(crystal: Data) -> None:
    model = ForceField(build(), compute_stress=True)
    given = crystal.z, crystal.pos
    found = model(*given, cell=crystal.cell, pbc=crystal.pbc)
    assert found.forces.shape == (3, 3)
    assert found.stress.abs().max() > 1e-6


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"each degree up to lmax=2, got \(4, 4\)"):
        NequIP(hidden_channels=(4, 4))
    with pytest.raises(ValueError, match="atoms enter as scalars 0e"):
        NequIP(irreps_hidden="4x1o")
    for species in ((), (1, 1), (1, -1)):
        with pytest.raises(ValueError, match="species are"):
            NequIP(species=species)
    with pytest.raises(ValueError, match=r"knows the species \[1, 8\], got \[6\]"):
        NequIP(species=(1, 8))(torch.tensor([8, 6]), torch.rand(2, 3))


def test_irreps_may_be_given() -> None:
    model = build(irreps_hidden="6x0e+2x1o+3x2e", num_layers=2)
    assert irreps_of(model) == ["6x0e+2x1o+3x2e", "6x0e"]
    assert model.irreps_hidden == Irreps("6x0e+2x1o+3x2e")
    assert str(model) == (
        "NequIP(6x0e+2x1o+3x2e, num_layers=2, num_radial=8, cutoff=2.5)"
    )
