"""The model passes torch-sim's own validator, and runs as ASE would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn.models import MolecularModel

ts = pytest.importorskip("torch_sim")

from ase import Atoms, units  # noqa: E402
from ase.build import bulk, molecule  # noqa: E402
from torch_sim.models.interface import validate_model_outputs  # noqa: E402

from pyg_equivariant.simulation.ase import Calculator  # noqa: E402
from pyg_equivariant.simulation.torch_sim import TorchSimModel  # noqa: E402

Build = Callable[..., MolecularModel]
CPU = torch.device("cpu")


def systems() -> list[Atoms]:
    """Three crystals of other sizes, one of them sheared."""
    copper = bulk("Cu", "fcc", a=3.7, cubic=True)
    copper.set_cell(copper.cell[:] + 0.1 * np.eye(3, k=1), scale_atoms=True)
    oxide = bulk("CuO", "rocksalt", a=4.3)
    water = molecule("H2O", vacuum=4.0)
    water.pbc = True
    for seed, atoms in enumerate((copper, oxide, water)):
        atoms.rattle(0.05, seed=seed)
    return [copper, oxide, water]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_torch_sims_own_validator(build: Build, dtype: torch.dtype) -> None:
    for model in (build("schnet"), build("painn").float(), build("tfn")):
        validate_model_outputs(TorchSimModel(model), CPU, dtype)


@pytest.mark.parametrize("name", NETWORKS)
def test_systems_together_are_systems_alone_in_ase(build: Build, name: str) -> None:
    model = build(name)
    state = ts.io.atoms_to_state(systems(), CPU, torch.float64)
    found = TorchSimModel(model)(state)
    start = 0
    for k, atoms in enumerate(systems()):
        atoms.calc = Calculator(model)
        energy = atoms.get_potential_energy()
        assert float(found["energy"][k]) == pytest.approx(energy, abs=1e-10)
        rows = slice(start, start := start + len(atoms))
        np.testing.assert_allclose(found["forces"][rows], atoms.get_forces(), atol=1e-9)
        energies = atoms.calc.results["energies"]
        np.testing.assert_allclose(found["energies"][rows], energies, atol=1e-9)
        stress = atoms.get_stress(voigt=False)
        np.testing.assert_allclose(found["stress"][k], stress, atol=1e-10)


def test_dynamics_conserve_energy_and_keep_neighbors(build: Build) -> None:
    model = TorchSimModel(build("painn"))
    init, step = ts.integrators.nve(
        model=model,
        dt=torch.tensor(0.5e-3).double() * ts.units.MetalUnits.time,
        kT=torch.tensor(300 * units.kB).double(),
    )
    state = init(ts.io.atoms_to_state(systems()[:2], CPU, torch.float64), seed=0)
    totals = []
    for _ in range(40):
        state = step(state=state)
        kinetic = state.momenta.square().sum(-1) / (2 * state.masses)
        by_system = torch.zeros(2).double().index_add(0, state.system_idx, kinetic)
        totals.append(state.energy + by_system)
    table = torch.stack(totals)
    assert (table.amax(0) - table.amin(0)).max() < 5e-3 * by_system.max()
    assert model.neighbors.builds < 12


def test_relaxes_as_many_at_once(build: Build) -> None:
    model = TorchSimModel(build("schnet"))
    before = model(ts.io.atoms_to_state(systems(), CPU, torch.float64))["energy"]
    final = ts.optimize(
        system=systems(),
        model=model,
        optimizer=ts.frechet_cell_fire,
        max_steps=30,
    )
    assert (final.energy < before).all()


def test_molecules_without_periods(build: Build) -> None:
    model = build("painn")
    atoms = molecule("H2O", vacuum=4.0)
    state = ts.io.atoms_to_state([atoms, atoms], CPU, torch.float64)
    state.pbc = False
    found = TorchSimModel(model)(state)
    atoms.calc = Calculator(model)
    energy = atoms.get_potential_energy()
    np.testing.assert_allclose(found["energy"], [energy] * 2, atol=1e-10)


def test_an_ensemble_and_what_is_not_asked_for(build: Build) -> None:
    models = [build(seed=seed) for seed in range(3)]
    state = ts.io.atoms_to_state(systems(), CPU, torch.float64)
    model = TorchSimModel(models)
    found = model(state)
    each = torch.stack([TorchSimModel(one)(state)["forces"] for one in models])
    torch.testing.assert_close(found["forces"], each.mean(0))
    torch.testing.assert_close(found["forces_std"], each.std(0))
    model.compute_forces = model.compute_stress = False
    assert not {"forces", "stress"} & set(model(state))
    assert model.memory_scales_with == "n_atoms_x_density"
