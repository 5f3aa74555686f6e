"""One trained potential: the same energies wherever it goes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

from pyg_equivariant.nn import load_model
from pyg_equivariant.simulation.ase import Calculator
from pyg_equivariant.simulation.lammps import export_lammps
from pyg_equivariant.training import Structures, fit, predict


def crystals(count: int) -> list[Atoms]:
    generator = np.random.default_rng(0)
    made = []
    for _ in range(count):
        atoms = bulk("CuAu", "rocksalt", a=generator.uniform(5.0, 5.6))
        atoms.rattle(0.1, rng=generator)
        atoms.calc = EMT()
        atoms.get_stress()
        made.append(atoms)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a short run: Lightning's checkpoints, and the network of the best epoch."""
    place = tmp_path_factory.mktemp("trained")
    write(place / "crystals.xyz", crystals(12), format="extxyz")
    fit(
        place / "crystals.xyz",
        folder=place / "run",
        epochs=2,
        cutoff=4.0,
        arguments={"hidden_channels": 8, "num_layers": 1},
        machine={"accelerator": "cpu"},
        verbose=False,
    )
    return place / "run"


def structures() -> Structures:
    both = crystals(2)
    return Structures(
        torch.tensor(np.concatenate([atoms.numbers for atoms in both])),
        torch.tensor(np.concatenate([atoms.positions for atoms in both])),
        torch.tensor([len(atoms) for atoms in both]),
        {},
        torch.tensor(np.stack([atoms.cell[:] for atoms in both])),
        torch.ones(2, 3, dtype=torch.bool),
    )


def test_ase_has_the_energies_of_training(folder: Path) -> None:
    model = load_model(folder / "model.pt")
    assert model.card is not None
    assert model.card.species == (29, 79)
    found = predict(model, structures())
    expected = {name: value.detach() for name, value in found.items()}
    calculators = [Calculator(model), Calculator(folder / "model.pt")]
    for calculator in calculators:
        for k, atoms in enumerate(crystals(2)):
            atoms.calc = calculator
            energy = atoms.get_potential_energy()
            assert energy == pytest.approx(float(expected["energy"][k]), abs=2e-5)
            forces = expected["forces"][2 * k : 2 * k + 2]
            np.testing.assert_allclose(atoms.get_forces(), forces, atol=2e-5)
            stress = atoms.get_stress(voigt=False)
            np.testing.assert_allclose(stress, expected["stress"][k], atol=1e-6)


def test_checkpoints_of_the_run_are_potentials(folder: Path) -> None:
    (atoms,) = crystals(1)
    checkpoints = sorted(folder.rglob("*.ckpt"))
    assert checkpoints
    for checkpoint in checkpoints:
        atoms.calc = Calculator(checkpoint)
        assert np.isfinite(atoms.get_potential_energy())


def test_lammps_reads_the_same_potential(folder: Path, tmp_path: Path) -> None:
    export_lammps(folder / "model.pt", tmp_path / "model.mliap")
    exported = pickle.loads((tmp_path / "model.mliap").read_bytes())
    assert exported.element_types == ["Cu", "Au"]
    (atoms,) = crystals(1)
    atoms.calc = Calculator(folder / "model.pt")
    energy = atoms.get_potential_energy()
    atoms.calc = Calculator(exported.potential)
    assert atoms.get_potential_energy() == energy


def test_torch_sim_has_the_same_energies(folder: Path) -> None:
    ts = pytest.importorskip("torch_sim")
    from pyg_equivariant.simulation.torch_sim import TorchSimModel

    state = ts.io.atoms_to_state(crystals(2), torch.device("cpu"), torch.float64)
    found = TorchSimModel(folder / "model.pt")(state)
    for k, atoms in enumerate(crystals(2)):
        atoms.calc = Calculator(folder / "model.pt")
        energy = atoms.get_potential_energy()
        assert float(found["energy"][k]) == pytest.approx(energy, abs=1e-5)
