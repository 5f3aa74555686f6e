"""Learn energies, forces and stress of crystals, from a file or without one.

    python examples/crystals.py                      # gold and copper, no download
    python examples/crystals.py structures.extxyz    # your own, whatever ASE reads

Without a file, the structures are strained and rattled alloys of copper and gold, whose
energies, forces and stress ASE's effective medium theory gives at once. In the end, the
network is asked how the energy of copper depends on its volume.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import ase.io
import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from pyg_equivariant.nn import ForceField
from pyg_equivariant.nn.models import MolecularModel
from pyg_equivariant.training import fit
from pyg_equivariant.training.console import keep_quiet
from pyg_equivariant.training.readers import read_ase
from pyg_equivariant.transforms import from_ase


def alloys(count: int) -> list[Atoms]:
    """Crystals of random composition, strain and displacements, with all results."""
    random = np.random.default_rng(0)
    frames = []
    for _ in range(count):
        atoms = bulk("Cu", a=random.uniform(3.5, 4.1), cubic=True).repeat((2, 1, 1))
        atoms.symbols[random.random(len(atoms)) < random.random()] = "Au"
        strain = np.eye(3) + 0.03 * random.normal(size=(3, 3))
        atoms.set_cell(atoms.cell[:] @ strain, scale_atoms=True)
        atoms.rattle(0.1, rng=random)
        frames.append(with_results(atoms))
    return frames


def with_results(atoms: Atoms) -> Atoms:
    """The same, with energy, forces and stress of effective medium theory."""
    atoms.calc = EMT()
    atoms.get_stress()
    return atoms


@torch.no_grad()
def compare_copper(model: MolecularModel) -> None:
    """Energy and pressure of copper as its volume changes, beside the theory's."""
    field = ForceField(model, compute_stress=True)
    print("volume (A^3/atom)   energy (eV/atom)     pressure (eV/A^3)")
    print("                    true   predicted     true    predicted")
    for lattice in (3.5, 3.6, 3.7, 3.8):
        copper = from_ase(with_results(bulk("Cu", a=lattice, cubic=True)))
        where = {"cell": copper.cell, "pbc": copper.pbc}
        energy, _, stress = field(copper.z, copper.pos, **where)
        energies = [float(each) / 4 for each in (copper.energy, energy)]
        pressures = [-float(each[0].trace()) / 3 for each in (copper.stress, stress)]
        print(f"{lattice**3 / 4:12.2f} {energies[0]:13.3f} {energies[1]:9.3f}", end="")
        print(f"{pressures[0]:13.4f} {pressures[1]:9.4f}")


def main(arguments: list[str]) -> None:
    """Make or read crystals, train, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "file", nargs="*", help="structures that ASE reads; isolated atoms may be aside"
    )
    add("--network", default="painn")
    add("--hidden-channels", type=int, default=32)
    add("--num-layers", type=int, default=2)
    add("--cutoff", type=float, default=5.0, help="in angstrom")
    add("--epochs", type=int, default=20)
    add("--count", type=int, default=200, help="how many alloys to make")
    add("--folder", type=Path, default=Path("runs/crystals"))
    flags = parser.parse_args(arguments)

    keep_quiet()
    files = flags.file
    if not files:
        flags.folder.mkdir(parents=True, exist_ok=True)
        files = [flags.folder / "alloys.extxyz"]
        ase.io.write(files[0], alloys(flags.count))
    reading = read_ase(files)
    print(reading.summary())
    model = fit(
        reading,
        flags.network,
        flags.folder,
        epochs=flags.epochs,
        cutoff=flags.cutoff,
        arguments={
            "hidden_channels": flags.hidden_channels,
            "num_layers": flags.num_layers,
        },
    )
    if not flags.file:
        compare_copper(model)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
