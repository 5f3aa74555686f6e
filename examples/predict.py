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
from training.checkpoint import load_checkpoint
from training.graphs import MoleculeTable
from training.loaders import evaluation_loader
from training.targets import FREE_ATOMS
from training.task import PropertyTask, load_task


def read_molecules(path: Path) -> tuple[list[str], list[torch.Tensor], torch.Tensor]:
    """Formulas, atomic numbers and, one after the other, positions of all frames.

    Raises:
        ValueError: for periodic structures and for elements that QM9 does not have.
    """
    import ase.io

    frames = ase.io.read(path, index=":")
    for place, frame in enumerate(frames):
        unknown = sorted(set(frame.symbols) - {"H", "C", "N", "O", "F"})
        if unknown:
            raise ValueError(
                f"frame {place} of {path} holds {', '.join(unknown)}; a network "
                "trained on QM9 knows H, C, N, O and F"
            )
        if frame.pbc.any():
            raise ValueError(
                f"frame {place} of {path} is periodic; the network was trained on "
                "single molecules: take pbc away if this is one"
            )
    numbers = [torch.from_numpy(frame.numbers).long() for frame in frames]
    pos = torch.cat([torch.from_numpy(frame.positions).float() for frame in frames])
    return [frame.get_chemical_formula() for frame in frames], numbers, pos


@torch.no_grad()
def predict(
    task: PropertyTask, numbers: list[torch.Tensor], pos: torch.Tensor
) -> torch.Tensor:
    """The property of each molecule, in the unit of the papers, in float64."""
    sizes = torch.tensor([len(z) for z in numbers])
    table = MoleculeTable(
        torch.cat(numbers), pos, sizes, torch.zeros(len(sizes)), task.settings.cutoff
    )
    batches = evaluation_loader(table, batch_size=100)
    predicted = torch.cat([task(batch, len(batch.y)) for batch in batches])
    return predicted.double() * task.target.factor


def total_energies(
    name: str, predicted: torch.Tensor, numbers: list[torch.Tensor]
) -> torch.Tensor:
    """Atomization energies plus those of the free atoms, float64: these are large."""
    free = torch.zeros(100, dtype=torch.float64)
    for z, energy in FREE_ATOMS[name].items():
        free[z] = energy
    return predicted + 1000 * torch.stack([free[z].sum() for z in numbers])


def main(arguments: list[str]) -> None:
    """Read, predict, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("molecules", type=Path)
    parser.add_argument("--out", type=Path, help="write a CSV file, too")
    flags = parser.parse_args(arguments)

    task = load_task(load_checkpoint(flags.checkpoint))
    formulas, numbers, pos = read_molecules(flags.molecules)
    predicted = predict(task, numbers, pos)
    unit = task.target.unit
    columns = {"formula": formulas, f"{task.target.name} ({unit})": predicted.tolist()}
    if task.target.name in FREE_ATOMS:
        total = total_energies(task.target.name, predicted, numbers)
        columns = {
            "formula": formulas,
            f"{task.target.name} of atomization ({unit})": predicted.tolist(),
            f"{task.target.name} ({unit})": total.tolist(),
        }
    rows = list(zip(*columns.values(), strict=True))
    print("\t".join(columns))
    for formula, *values in rows:
        print("\t".join([formula, *(f"{value:.10g}" for value in values)]))
    if flags.out:
        with flags.out.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([list(columns), *rows])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
