"""Predict a property of molecules in a file with a trained network.

    python examples/predict.py runs/painn-U0/best.ckpt molecules.xyz

Reads any format that ASE knows, all frames of the file. For energies (U0, U, H, G) it
gives the atomization energy, which the network predicts, and the total energy.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import torch

from pyg_equivariant.files import whole_file
from pyg_equivariant.training.checkpoint import load_run
from pyg_equivariant.training.loaders import evaluation_loader
from pyg_equivariant.training.qm9.targets import TARGETS, free_energies
from pyg_equivariant.training.structures import Structures
from pyg_equivariant.training.table import StructureTable
from pyg_equivariant.training.task import Task
from pyg_equivariant.training.tasks import load_task


def read_molecules(path: Path) -> tuple[list[str], Structures]:
    """Formulas and molecules of all frames.

    Raises:
        ValueError: for periodic structures and for elements that QM9 does not have.
    """
    import ase.io

    frames = ase.io.read(path, index=":")
    for number, frame in enumerate(frames):
        unknown = sorted(set(frame.symbols) - {"H", "C", "N", "O", "F"})
        if unknown:
            raise ValueError(
                f"frame {number} of {path} holds {', '.join(unknown)}; a network "
                "trained on QM9 knows H, C, N, O and F"
            )
        if frame.pbc.any():
            raise ValueError(
                f"frame {number} of {path} is periodic; the network was trained on "
                "single molecules: take pbc away if this is one"
            )
    z = torch.cat([torch.from_numpy(frame.numbers).long() for frame in frames])
    pos = torch.cat([torch.from_numpy(frame.positions).float() for frame in frames])
    sizes = torch.tensor([len(frame) for frame in frames])
    formulas = [frame.get_chemical_formula() for frame in frames]
    return formulas, Structures(z, pos, sizes)


@torch.no_grad()
def predict(task: Task, molecules: Structures) -> torch.Tensor:
    """The property of each molecule, in the unit of the papers, in float64."""
    table = StructureTable(molecules, task.settings.cutoff)
    batches = evaluation_loader(table, batch_size=100)
    predicted = torch.cat([task(batch)[task.target.name] for batch in batches]).squeeze(
        -1
    )
    return predicted.double() * task.target.factor


def main(arguments: list[str]) -> None:
    """Read, predict, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("molecules", type=Path)
    parser.add_argument("--out", type=Path, help="write a CSV file, too")
    flags = parser.parse_args(arguments)

    checkpoint = load_run(flags.checkpoint)
    name = checkpoint["hyper_parameters"]["settings"]["target"]
    task = load_task(checkpoint, TARGETS.get(name))
    formulas, molecules = read_molecules(flags.molecules)
    predicted, unit = predict(task, molecules), task.target.unit
    columns = {"formula": formulas, f"{name} ({unit})": predicted.tolist()}
    free = free_energies(name, molecules)
    if free is not None:
        columns = {
            "formula": formulas,
            f"{name} of atomization ({unit})": predicted.tolist(),
            f"{name} ({unit})": (predicted + free).tolist(),
        }
    rows = list(zip(*columns.values(), strict=True))
    print("\t".join(columns))
    for formula, *values in rows:
        print("\t".join([formula, *(f"{value:.10g}" for value in values)]))
    if flags.out:
        with (
            whole_file(flags.out) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows([list(columns), *rows])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
