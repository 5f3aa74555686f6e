"""Energies, forces and stress edge by edge are those of the force field."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import radius_graph
from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import EGNN, ForceField, PaiNN
from pyg_equivariant.nn.models import Card, MolecularModel
from pyg_equivariant.simulation import NeighborList, Potential, Prediction
from pyg_equivariant.units import in_ev

Build = Callable[..., MolecularModel]
VARIANTS = [
    pytest.param(name, variant, id=f"{name}{key and '-'}{key}")
    for name, network in NETWORKS.items()
    for key, variant in {"": {}, **network.variants}.items()
]


def crystals() -> dict[str, Tensor]:
    """Two of them, smaller than the cutoff and sheared."""
    torch.manual_seed(3)
    cell = torch.tensor([[[3.0, 0, 0], [0.4, 2.5, 0], [0, -0.3, 4]], [[3.0, 0, 0]] * 3])
    cell[1] = torch.tensor([[4.0, 1, 0], [0, 4, 0], [0, 0, 3]])
    pos = torch.cat([torch.rand(3, 3) @ cell[0], torch.rand(4, 3) @ cell[1]])
    return {
        "z": torch.tensor([1, 6, 8, 8, 1, 29, 6]),
        "pos": pos.double(),
        "batch": torch.tensor([0] * 3 + [1] * 4),
        "cell": cell.double(),
        "pbc": torch.tensor([[True, True, True], [True, True, False]]),
    }


def predict(potential: Potential, data: dict[str, Tensor]) -> Prediction:
    z, pos, *box = data.values()
    edges = NeighborList(potential.cutoff)(pos, *box, 2)
    return potential(z, *edges, data["batch"], 2, data["cell"])


def close(found: Tensor | None, expected: Tensor, tolerance: float = 1e-10) -> None:
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_is_the_force_field(build: Build, name: str, variant: dict[str, Any]) -> None:
    model = build(name, **variant)
    data = crystals()
    expected = ForceField(model, compute_stress=True).eval()(**data)
    found = predict(Potential(model), data)
    assert expected.forces.abs().max() > 1e-3
    close(found.energy, expected.energy.squeeze(-1))
    close(found.forces, expected.forces)
    close(found.stress, expected.stress)
    assert found.energies is not None
    totals = torch.zeros(2).double().index_add(0, data["batch"], found.energies)
    close(totals, found.energy)


@pytest.mark.parametrize("head", ["sum", "mean"])
def test_energies_that_are_no_sums(build: Build, head: str) -> None:
    with pytest.warns(UserWarning, match="do not add up"):
        force_field = ForceField(build("egnn", head=head), compute_stress=True).eval()
    data, potential = crystals(), Potential(force_field)
    expected = force_field(**data)
    found = predict(potential, data)
    assert found.energies is None
    close(found.energy, expected.energy.squeeze(-1))
    close(found.forces, expected.forces)
    close(found.stress, expected.stress)


def test_a_mean_is_shared_by_no_atoms(build: Build) -> None:
    with pytest.warns(UserWarning, match="do not add up"):
        potential = Potential(build(mean=3.0))
    found = predict(potential, crystals())
    assert found.energies is None
    close(found.energy, predict(Potential(build()), crystals()).energy + 3)


def test_units_are_those_of_the_card_or_of_the_caller(build: Build) -> None:
    """A network in other units is the same network, if its lengths are scaled."""
    data = crystals()
    plain = predict(Potential(build()), data)
    model = build()
    model.card = Card(unit="kcal/mol")
    scaled = predict(Potential(model), data)
    factor = in_ev("kcal/mol")
    close(scaled.energy, factor * plain.energy)
    close(scaled.forces, factor * plain.forces)
    assert plain.stress is not None
    close(scaled.stress, factor * plain.stress)
    close(predict(Potential(model, unit="eV"), data).energy, plain.energy)

    large = {name: 10 * data[name] for name in ("pos", "cell")}
    wide = predict(Potential(build(), length_unit="nm"), data | large)
    close(wide.energy, plain.energy)
    close(wide.forces, plain.forces / 10)
    close(wide.stress, plain.stress / 1000)


def test_forces_do_not_notice_where_a_float32_network_stands(build: Build) -> None:
    """Nor what is added to energies: both would take all its digits."""
    atomref = torch.zeros(100).double()
    atomref[1:] = -1e4 - torch.rand(99).double()
    model = build(atomref=atomref).float()
    potential = Potential(model)
    data = crystals()
    here = predict(potential, data)
    there = predict(potential, data | {"pos": data["pos"] + 1e5})
    close(there.forces, here.forces, 1e-5)
    references = torch.zeros(2).double().index_add(0, data["batch"], atomref[data["z"]])
    exact = predict(Potential(build()), data)
    close(here.energy - references, exact.energy, 1e-4)


def test_the_network_that_came_stays_as_it_is(build: Build) -> None:
    model = build().train()
    potential = Potential(model, dtype=torch.float32)
    assert model.training
    assert all(p.requires_grad and p.dtype == torch.float64 for p in model.parameters())
    before = predict(potential, crystals()).energy
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    close(predict(potential, crystals()).energy, before, 0)
    assert torch.get_default_dtype() == torch.float32


def test_inside_inference_mode_and_without_gradients(build: Build) -> None:
    potential = Potential(build())
    expected = predict(potential, crystals())
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            found = predict(potential, crystals())
        close(found.forces, expected.forces)
        assert not found.forces.requires_grad


def test_edges_beyond_the_cutoff_change_nothing(build: Build) -> None:
    """Under an envelope they would not, but Gaussians reach beyond theirs."""
    for name in NETWORKS:
        potential = Potential(build(name))
        pos = 3 * torch.rand(8, 3).double()
        z = torch.tensor([1, 6, 8, 29] * 2)
        near = potential(z, *NeighborList(potential.cutoff)(pos))
        wide = radius_graph(pos, 9.0)[0]
        edge_vec = pos[wide[0]] - pos[wide[1]]
        far = potential(z, wide, edge_vec)
        assert torch.equal(near.energy, far.energy)
        assert torch.equal(near.forces, far.forces)


def test_a_molecule_has_no_stress_and_a_zero_cell_none_either(build: Build) -> None:
    potential = Potential(build())
    pos = torch.rand(3, 3).double()
    z = torch.tensor([8, 1, 1])
    edges = NeighborList(potential.cutoff)(pos)
    assert potential(z, *edges).stress is None
    zero = torch.zeros(1, 3, 3).double()
    assert torch.equal(potential(z, *edges, cell=zero).stress, zero)


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_atoms_or_a_single_one(build: Build, name: str, size: int) -> None:
    potential = Potential(build(name))
    z = torch.full((size,), 8)
    pos = torch.zeros(size, 3).double()
    out = potential(z, *NeighborList(potential.cutoff)(pos))
    assert out.energy.isfinite().all()
    assert torch.equal(out.forces, torch.zeros(size, 3).double())
    assert out.energies is not None
    assert out.energies.shape == (size,)


def test_species_that_were_not_trained_are_refused(build: Build) -> None:
    model = build()
    model.card = Card(species=(1, 8))
    with pytest.raises(ValueError, match=r"species \[1, 8\], got \[6, 29\]"):
        predict(Potential(model), crystals())


def test_what_jumps_is_warned_of_once() -> None:
    model = EGNN(16, 1, cutoff=4.0, head="extensive")
    with pytest.warns(UserWarning, match="smooth=True"):
        force_field = ForceField(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Potential(force_field)
        Potential(PaiNN(16, 1))
    with pytest.warns(UserWarning, match="smooth=True"):
        Potential(model)


@pytest.mark.parametrize("head", ["node", "dipole", "spatial_extent", None])
def test_what_predicts_no_energy_is_refused(build: Build, head: str | None) -> None:
    with pytest.raises(ValueError, match="expected a network that predicts energies"):
        Potential(build(head=head))


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(TypeError, match="got Linear"):
        Potential(torch.nn.Linear(3, 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="floating-point dtype"):
        Potential(PaiNN(16, 1), dtype=torch.int64)
    with pytest.raises(ValueError, match="an energy"):
        Potential(PaiNN(16, 1), unit="parsec")
