"""The calculator is right as ASE sees it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyg_equivariant.graph import Graph
from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import (
    BesselBasis,
    EdgeEmbedding,
    ForceField,
    PaiNN,
    PolynomialCutoff,
    SchNetConv,
    save_model,
)
from pyg_equivariant.nn.models import (
    Card,
    ExtensiveHead,
    Features,
    MolecularModel,
    ScalarHead,
)

ase = pytest.importorskip("ase")

from ase import Atoms, units  # noqa: E402
from ase.build import bulk, molecule  # noqa: E402
from ase.calculators.calculator import PropertyNotImplementedError  # noqa: E402
from ase.calculators.fd import (  # noqa: E402
    calculate_numerical_forces,
    calculate_numerical_stress,
)
from ase.filters import FrechetCellFilter  # noqa: E402
from ase.io import read, write  # noqa: E402
from ase.md.verlet import VelocityVerlet  # noqa: E402
from ase.optimize import BFGS  # noqa: E402
from ase.vibrations import Vibrations  # noqa: E402

from pyg_equivariant.simulation.ase import Calculator  # noqa: E402

Build = Callable[..., MolecularModel]


def copper() -> Atoms:
    """A small, sheared and rattled crystal."""
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
    atoms.set_cell(atoms.cell[:] + 0.1 * np.eye(3, k=1), scale_atoms=True)
    atoms.rattle(0.1, seed=4)
    return atoms


def water(**options: Any) -> Atoms:
    return molecule("H2O", **options)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("system", [copper, water])
def test_forces_are_finite_differences(
    build: Build, name: str, system: Callable[[], Atoms]
) -> None:
    atoms = system()
    atoms.calc = Calculator(build(name))
    found = atoms.get_forces()
    assert np.abs(found).max() > 1e-4
    expected = calculate_numerical_forces(atoms, eps=1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("pbc", [True, (True, False, True)])
def test_stress_is_of_finite_differences(build: Build, name: str, pbc: Any) -> None:
    """And of ASE's sign and order."""
    atoms = copper()
    atoms.pbc = pbc
    atoms.calc = Calculator(build(name))
    found = atoms.get_stress()
    assert np.abs(found).min() > 1e-7
    expected = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(found).max())


def test_stress_is_positive_in_a_stretched_cell() -> None:
    """As of ASE's own potentials: it pulls the cell together."""
    from ase.calculators.emt import EMT

    atoms = bulk("Cu", "fcc", a=4.0)
    atoms.calc = EMT()
    assert (atoms.get_stress()[:3] > 0).all()


def test_the_file_the_network_and_the_calculator_agree(
    build: Build, tmp_path: Path
) -> None:
    model = build("painn").float()
    model.card = Card(species=(29,))
    save_model(model, tmp_path / "model.pt")
    atoms = copper()
    z, pos, cell = atoms.numbers, atoms.positions, atoms.cell[:]
    given = torch.tensor(z), torch.tensor(pos).float()
    box = {"cell": torch.tensor(cell).float(), "pbc": torch.tensor(atoms.pbc)}
    expected = float(model(*given, **box).detach())
    for path in (tmp_path / "model.pt", str(tmp_path / "model.pt")):
        atoms.calc = Calculator(path)
        assert atoms.get_potential_energy() == pytest.approx(expected, rel=1e-6)
    atoms = water(vacuum=4.0)
    atoms.calc = Calculator(tmp_path / "model.pt")
    with pytest.raises(ValueError, match="trained on the species"):
        atoms.get_potential_energy()


def test_everything_comes_at_once(build: Build) -> None:
    atoms = copper()
    atoms.calc = Calculator(ForceField(build()))
    energy = atoms.get_potential_energy()
    found = atoms.calc.results
    assert set(found) == {"energy", "free_energy", "energies", "forces", "stress"}
    assert isinstance(energy, float)
    assert energy == found["free_energy"] == pytest.approx(found["energies"].sum())
    assert energy == atoms.get_potential_energy(force_consistent=True)
    shapes = {name: np.shape(value) for name, value in found.items()}
    assert shapes["energies"] == (4,)
    assert (shapes["forces"], shapes["stress"]) == ((4, 3), (6,))
    np.testing.assert_array_equal(atoms.get_potential_energies(), found["energies"])
    assert all(
        x.dtype == np.float64 for x in found.values() if isinstance(x, np.ndarray)
    )


def test_a_skin_changes_nothing(build: Build) -> None:
    """Not a digit: the edges are the same, in the same order."""
    given = {"model": build(), "temperature_K": 3000.0}
    found = [trajectory(skin=skin, **given) for skin in (0.0, 0.5, 2.0)]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0][0], other[0])
    builds = [count for _, count in found]
    assert builds[0] > 100 > builds[1] > builds[2] >= 1


def warm(atoms: Atoms, temperature_K: float) -> None:
    """Give random momenta."""
    scale = np.sqrt(units.kB * temperature_K * atoms.get_masses())[:, None]
    normal = np.random.default_rng(0).normal(size=(len(atoms), 3))
    atoms.set_momenta(scale * normal)


def trajectory(
    model: MolecularModel, skin: float, temperature_K: float
) -> tuple[np.ndarray, int]:
    atoms = copper()
    atoms.calc = Calculator(model, skin=skin)
    warm(atoms, temperature_K)
    dynamics = VelocityVerlet(atoms, 2 * units.fs)
    energies = []
    for _ in range(120):
        dynamics.run(1)
        energies.append(atoms.get_total_energy())
    return np.array(energies), atoms.calc.neighbors.builds


def test_dynamics_conserve_energy(build: Build) -> None:
    """Better by the square of the step, which an error in the forces would spoil."""

    def drift(step: float) -> float:
        atoms = copper()
        atoms.calc = Calculator(build())
        warm(atoms, 500.0)
        dynamics = VelocityVerlet(atoms, step * units.fs)
        energies = []
        dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
        dynamics.run(int(80 / step))
        return float(np.ptp(energies))

    assert drift(1.0) < 0.3 * drift(2.0)


def test_a_cell_relaxes(build: Build) -> None:
    atoms = copper()
    atoms.calc = Calculator(build("schnet"))
    start = atoms.get_potential_energy()
    optimizer = BFGS(FrechetCellFilter(atoms), logfile=None, maxstep=0.05)
    optimizer.run(fmax=1e-3, steps=60)
    assert atoms.get_potential_energy() < start - 1e-3


def test_vibrations_of_a_free_molecule(build: Build, tmp_path: Path) -> None:
    """Three moves and three turns cost nothing; their frequencies are zero."""
    atoms = water()
    atoms.calc = Calculator(build("painn"))
    BFGS(atoms, logfile=None).run(fmax=1e-6, steps=200)
    vibrations = Vibrations(atoms, name=str(tmp_path / "vibrations"), delta=1e-3)
    vibrations.run()
    zero = np.sort(np.abs(vibrations.get_frequencies()))[:6]
    assert zero.max() < 2


def test_an_ensemble_gives_means_and_spread(build: Build) -> None:
    models = [build(seed=seed, cutoff=3.0 + seed / 4) for seed in range(3)]
    atoms = copper()
    each = []
    for model in models:
        atoms.calc = Calculator(model)
        atoms.get_forces()
        each.append(atoms.calc.results)
    atoms.calc = Calculator(models)
    atoms.get_forces()
    found = atoms.calc.results
    for name in ("energy", "energies", "forces", "stress"):
        values = np.array([result[name] for result in each])
        np.testing.assert_allclose(found[name], values.mean(0), atol=1e-12)
        spread = values.std(0, ddof=1)
        np.testing.assert_allclose(found[f"{name}_std"], spread, atol=1e-12)
        assert np.abs(spread).max() > 0
    assert atoms.calc.get_property("forces_std", atoms).shape == (4, 3)


def test_a_network_of_dipoles_beside_those_of_energies(build: Build) -> None:
    dipole = build(head="dipole")
    atoms = water()
    atoms.calc = Calculator([build(), dipole])
    found = atoms.get_dipole_moment()
    given = torch.tensor(atoms.numbers), torch.tensor(atoms.positions)
    expected = dipole(*given)[0].detach().numpy() * units.Debye
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, atol=1e-12)
    dipole.card = Card("dipole", "e*Bohr")
    alone = Calculator(dipole)
    assert alone.implemented_properties == ["dipole"]
    atoms.calc = alone
    scaled = expected / units.Debye * units.Bohr
    np.testing.assert_allclose(atoms.get_dipole_moment(), scaled, atol=1e-9)
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_potential_energy()


@pytest.mark.parametrize("name", NETWORKS)
def test_atoms_alone_and_apart(build: Build, name: str) -> None:
    model = build(name)
    for atoms in (Atoms("O"), Atoms("O", cell=[9, 9, 9], pbc=True), Atoms("")):
        atoms.calc = Calculator(model)
        assert np.isfinite(atoms.get_potential_energy())
        np.testing.assert_array_equal(atoms.get_forces(), np.zeros((len(atoms), 3)))
    apart = water()
    apart.positions *= 20
    apart.calc = Calculator(model)
    alone = 0.0
    for symbol in "OHH":
        atom = Atoms(symbol, calculator=Calculator(model))
        alone += atom.get_potential_energy()
    assert apart.get_potential_energy() == pytest.approx(alone, abs=1e-9)
    np.testing.assert_array_equal(apart.get_forces(), np.zeros((3, 3)))


def test_what_there_is_none_of_is_refused(build: Build) -> None:
    atoms = water()
    atoms.calc = Calculator([build(), build(head="dipole")])
    with pytest.raises(PropertyNotImplementedError, match="no stress of a system"):
        atoms.get_stress()
    assert "stress" not in atoms.calc.results
    crystal = copper()
    crystal.calc = atoms.calc
    with pytest.raises(PropertyNotImplementedError, match="no dipole of a system"):
        crystal.get_dipole_moment()
    lost = Atoms("Cu", pbc=True)
    lost.calc = Calculator(build())
    with pytest.raises(ValueError, match="spans no volume"):
        lost.get_potential_energy()
    atoms.positions[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        atoms.get_forces()
    with pytest.raises(TypeError, match="expected a network"):
        Calculator(3)  # type: ignore[arg-type]


def test_nothing_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one potential or more"):
        Calculator([])
    with pytest.raises(FileNotFoundError):
        Calculator(tmp_path / "model.pt")


def test_another_system_on_the_same_calculator(build: Build) -> None:
    calc = Calculator(build())
    found = []
    for atoms in (copper(), water(), copper(), water(vacuum=5.0)):
        atoms.calc = calc
        found.append(atoms.get_potential_energy())
    assert found[0] == found[2]
    assert found[1] == pytest.approx(found[3], abs=1e-9)


def test_float64_is_asked_for_and_nothing_global_changes(build: Build) -> None:
    model = build().float()
    atoms = copper()
    atoms.calc = Calculator(model, dtype=torch.float64)
    found = atoms.get_forces()
    expected = calculate_numerical_forces(atoms, eps=1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert next(model.parameters()).dtype == torch.float32
    assert torch.get_default_dtype() == torch.float32


def test_goes_into_files_and_other_processes(build: Build, tmp_path: Path) -> None:
    atoms = copper()
    atoms.calc = Calculator([build(), build(seed=1)])
    energy = atoms.get_potential_energy()
    for name in ("atoms.extxyz", "atoms.traj"):
        write(tmp_path / name, atoms)
        again = read(tmp_path / name)
        assert again.get_potential_energy() == pytest.approx(energy)
        np.testing.assert_allclose(again.get_forces(), atoms.get_forces(), atol=1e-7)
    copied = pickle.loads(pickle.dumps(atoms.calc))
    atoms.calc = copied
    assert atoms.get_potential_energy() == energy


def test_units_are_given_by_hand(build: Build) -> None:
    atoms = copper()
    atoms.calc = Calculator(build())
    expected = atoms.get_potential_energy()
    atoms.calc = Calculator(build(), unit="kcal/mol")
    found = atoms.get_potential_energy()
    assert found == pytest.approx(expected * units.kcal / units.mol)


class OwnNetwork(MolecularModel):
    """What somebody makes of the layers."""

    def __init__(self, channels: int = 8) -> None:
        head = ExtensiveHead(ScalarHead(torch.nn.Linear(channels, 1), reduce="node"))
        super().__init__(3.5, head)
        basis, envelope = BesselBasis(6, 3.5), PolynomialCutoff(3.5)
        self.edges = EdgeEmbedding(3.5, basis, envelope)
        self.embedding = torch.nn.Embedding(100, channels)
        self.conv = SchNetConv(channels, channels, channels, 6, 3.5)

    def represent(self, z: torch.Tensor, graph: Graph) -> Features:  # type: ignore[override]
        edges = self.edges.embed(graph)
        x = self.conv.on_edges(self.embedding(z), edges)
        return Features(x, None, graph.pos)


def test_a_network_of_ones_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = OwnNetwork()
    atoms = copper()
    atoms.calc = Calculator(model, dtype=torch.float64)
    found = atoms.get_forces()
    assert np.abs(found).max() > 1e-4
    expected = calculate_numerical_forces(atoms, eps=1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    save_model(model, tmp_path / "model.pt")
    atoms.calc = Calculator(tmp_path / "model.pt", dtype=torch.float64)
    np.testing.assert_array_equal(atoms.get_forces(), found)
    with pytest.raises(TypeError, match="define the property num_hops"):
        print(model.num_hops)
    with pytest.raises(TypeError, match=r"defines represent\(z, graph\)"):
        Calculator(torch.nn.Linear(3, 1))  # type: ignore[arg-type]


def test_warns_of_energies_that_jump() -> None:
    from pyg_equivariant.nn import SEGNN

    with pytest.warns(UserWarning, match="smooth=True"):
        Calculator(SEGNN(16, num_layers=1))
    assert PaiNN(16).is_smooth
