"""A potential of copper, and what it is for: statics, vibrations, dynamics.

    python examples/simulate.py --folder runs/copper

Crystals of copper, strained and rattled, are labelled by the effective medium theory
that ASE has built in, which takes no download and stands for whatever you calculate. A
network is fitted to them, and simulated beside what it has learned from: the equation
of state, a relaxation of atoms and cell, vibrations, and dynamics at constant energy of
a crystal larger than any that it has seen. ``--model`` takes one that is trained.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator as Any_Calculator
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.eos import EquationOfState
from ase.filters import FrechetCellFilter
from ase.io import write
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from ase.vibrations import Vibrations

from pyg_equivariant.simulation.ase import Calculator

Make = Callable[[], Any_Calculator]
SIZES: dict[str, dict[str, Any]] = {
    "schnet": {"hidden_channels": 64, "num_filters": 64, "num_layers": 3},
    "painn": {"hidden_channels": 32, "num_layers": 2},
    "tfn": {"hidden_channels": 16, "lmax": 2, "num_layers": 2},
}


def label(count: int, seed: int = 0) -> list[Atoms]:
    """Strained and rattled crystals with energies, forces and stress."""
    generator = np.random.default_rng(seed)
    structures = []
    for _ in range(count):
        repeat = [(1, 1, 1), (2, 1, 1), (2, 2, 1)][generator.integers(3)]
        atoms = bulk("Cu", "fcc", a=3.6 * generator.uniform(0.93, 1.08), cubic=True)
        atoms *= repeat
        strain = np.eye(3) + 0.03 * generator.normal(size=(3, 3))
        atoms.set_cell(atoms.cell[:] @ strain, scale_atoms=True)
        atoms.rattle(generator.uniform(0, 0.25), rng=generator)
        calculator = EMT()
        atoms.calc = calculator
        results = {
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces(),
            "stress": atoms.get_stress(),
        }
        atoms.calc = SinglePointCalculator(atoms, **results)
        structures.append(atoms)
    return structures


def train(folder: Path, network: str, count: int, epochs: int) -> Path:
    """Fit a network; the path of its file."""
    from pyg_equivariant.training import fit

    write(folder / "copper.xyz", label(count), format="extxyz")
    fit(
        folder / "copper.xyz",
        network,
        folder=folder / "run",
        epochs=epochs,
        cutoff=5.0,
        batch_size=8,
        arguments=SIZES[network],
        machine={"accelerator": "cpu"},
    )
    return folder / "run" / "model.pt"


def equation_of_state(make: Make) -> dict[str, Any]:
    """Lattice constant and bulk modulus, and the energies that they are fitted to."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.calc = make()
    volumes, energies = [], []
    for scale in np.linspace(0.96, 1.04, 9):
        strained = atoms.copy()
        strained.set_cell(scale * atoms.cell[:], scale_atoms=True)
        strained.calc = atoms.calc
        volumes.append(strained.get_volume() / 4)
        energies.append(strained.get_potential_energy() / 4)
    v0, e0, b = EquationOfState(volumes, energies, eos="birchmurnaghan").fit()
    constant = {"lattice constant (A)": (4 * v0) ** (1 / 3)}
    constant["bulk modulus (GPa)"] = b / units.GPa
    return {**constant, "curve": (volumes, [energy - e0 for energy in energies])}


def relax(make: Make) -> dict[str, Any]:
    """A crystal without one atom, strained and rattled, back to rest."""
    atoms = bulk("Cu", "fcc", a=3.75, cubic=True) * (2, 2, 2)
    del atoms[0]
    atoms.rattle(0.1, seed=1)
    atoms.set_cell(atoms.cell[:] @ (np.eye(3) + 0.02 * np.eye(3, k=1)), True)
    atoms.calc = make()
    optimizer = BFGS(FrechetCellFilter(atoms), logfile=None)
    optimizer.run(fmax=1e-3, steps=300)
    perfect = bulk("Cu", "fcc", a=3.6)
    perfect.calc = atoms.calc
    BFGS(FrechetCellFilter(perfect), logfile=None).run(fmax=1e-4, steps=100)
    energy = atoms.get_potential_energy() - len(atoms) * perfect.get_potential_energy()
    return {
        "steps to 1 meV/A": optimizer.nsteps,
        "vacancy energy (eV)": energy,
        "vacancy cell edge (A)": atoms.get_volume() ** (1 / 3) / 2,
    }


def vibrate(make: Make) -> dict[str, Any]:
    """Phonons at X, those of the crystal that the cubic cell folds back."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.calc = make()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-5, steps=100)
    with TemporaryDirectory() as folder:
        vibrations = Vibrations(atoms, name=f"{folder}/vibrations", delta=0.01)
        vibrations.run()
        frequencies = np.sort(vibrations.get_frequencies().real)
    terahertz = units._c * 1e-10
    return {
        "X transverse (THz)": float(frequencies[3:9].mean() * terahertz),
        "X longitudinal (THz)": float(frequencies[9:].mean() * terahertz),
    }


def conserve(make: Make, steps: int, step: float = 4.0) -> dict[str, Any]:
    """Dynamics of 108 atoms at 600 K, and how their energy drifts."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (3, 3, 3)
    normal = np.random.default_rng(0).normal(size=(len(atoms), 3))
    scale = np.sqrt(
        units.kB * 1200 * atoms.get_masses()
    )  # half of it becomes potential
    atoms.set_momenta(scale[:, None] * (normal - normal.mean(0)))
    atoms.calc = make()
    dynamics = VelocityVerlet(atoms, step * units.fs)
    energies: list[float] = []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(steps)
    meV = 1000 * (np.array(energies) - energies[0]) / len(atoms)
    time = 1e-3 * step * np.arange(len(meV))
    settled = time > 0.05 * time[-1]
    result: dict[str, Any] = {
        "temperature (K)": atoms.get_temperature(),
        "drift (meV/atom/ns)": 1e3 * np.polyfit(time[settled], meV[settled], 1)[0],
        "fluctuation (meV/atom)": meV[settled].std(),
        "trace": (time, meV),
    }
    if isinstance(atoms.calc, Calculator):
        result["neighbor searches"] = atoms.calc.neighbors.builds
    return result


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """The equation of state and the energy in dynamics."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, result in results.items():
        volumes, energies = result["curve"]
        left.plot(volumes, 1000 * np.array(energies), "o-", markersize=3, label=name)
        right.plot(*result["trace"], linewidth=0.8, label=name)
    left.set(xlabel="volume (A³/atom)", ylabel="energy (meV/atom)")
    right.set(xlabel="time (ps)", ylabel="change of total energy (meV/atom)")
    left.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> None:
    """Train, simulate, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/copper"))
    parser.add_argument("--model", type=Path, help="a network that is trained")
    parser.add_argument("--network", choices=SIZES, default="schnet")
    parser.add_argument("--structures", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument(
        "--steps", type=int, default=1000, help="of dynamics, 4 fs each"
    )
    flags = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", message="logm result may be inaccurate")
    flags.folder.mkdir(parents=True, exist_ok=True)
    model = flags.model or train(
        flags.folder, flags.network, flags.structures, flags.epochs
    )
    makers: dict[str, Make] = {
        "EMT": EMT,
        "float32": lambda: Calculator(model),
        "float64": lambda: Calculator(model, dtype=torch.float64),
    }
    results = {
        name: equation_of_state(make)
        | relax(make)
        | vibrate(make)
        | conserve(make, flags.steps)
        for name, make in makers.items()
    }
    draw(results, flags.folder / "simulate.png")
    print(f"{'':26}" + "".join(f"{name:>12}" for name in results))
    for key in dict.fromkeys(key for result in results.values() for key in result):
        if key not in ("curve", "trace"):
            row = [result.get(key, float("nan")) for result in results.values()]
            print(f"{key:26}" + "".join(f"{value:12.4f}" for value in row))
    numbers = {
        name: {key: x for key, x in result.items() if key not in ("curve", "trace")}
        for name, result in results.items()
    }
    (flags.folder / "simulate.json").write_text(json.dumps(numbers, default=float))


if __name__ == "__main__":
    main()
