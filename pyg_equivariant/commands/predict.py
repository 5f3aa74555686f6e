"""Predict for structures in a file with a trained network."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.files import whole_file
from pyg_equivariant.nn import Card, load_model
from pyg_equivariant.nn.models import MolecularModel
from pyg_equivariant.training.checkpoint import load_checkpoint
from pyg_equivariant.training.prediction import predict
from pyg_equivariant.training.qm9.targets import FREE_ATOMS, TARGETS, free_energies
from pyg_equivariant.training.structures import Structures

from ._parser import new_parser

_TELLS = """Predict for all structures of a file, in any format that ASE knows.

Of a potential: energies, and with --out x.xyz forces and stress besides. Energies of
QM9 (U0, U, H, G) are those of atomization, which the network predicts, and in total."""
_QM9 = (1, 6, 7, 8, 9)


def main(arguments: Sequence[str], prog: str | None = None) -> None:
    """Read, predict, print."""
    parser = new_parser(prog, _TELLS)
    add = parser.add_argument
    add("model", type=Path, help="model.pt of a run, or a checkpoint")
    add("file", type=Path, help="structures")
    add("--out", type=Path, help="write a .csv, or an .xyz that ASE reads, too")
    add("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    add("--batch-size", type=int, default=32, help="structures at once (default: 32)")
    flags = parser.parse_args(arguments)
    model = open_model(flags.model, flags.device)
    frames, structures = read_frames(flags.file, model.mean.dtype)
    found = predict(model, structures, flags.batch_size)
    columns = _columns(model.card or Card(), structures, found)
    columns = {"formula": [frame.get_chemical_formula() for frame in frames], **columns}
    print("\t".join(columns))
    rows = list(zip(*columns.values(), strict=True))
    for formula, *values in rows:
        print("\t".join([formula, *(_shown(value) for value in values)]))
    if flags.out and flags.out.suffix == ".xyz":
        _write_frames(flags.out, frames, found)
    elif flags.out:
        with (
            whole_file(flags.out) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows([list(columns), *rows])


def open_model(path: Path, device: str = "cpu") -> MolecularModel:
    """A network with its card, which older checkpoints, all of QM9, lack."""
    model: MolecularModel = load_model(path, device)
    if model.card is None:
        told = load_checkpoint(path).get("hyper_parameters")
        name = told["settings"]["target"] if told else None
        if name in TARGETS:
            notes = {"dataset": "QM9"}
            model.card = Card(name, TARGETS[name].own_unit, species=_QM9, notes=notes)
    return model


def read_frames(path: Path, dtype: torch.dtype) -> tuple[list[Any], Structures]:
    """All frames of a file, as ASE has them and in one table."""
    import ase.io

    frames: list[Any] = list(ase.io.iread(path, index=":"))
    none = [[0.0] * 3] * 3
    cells = [frame.cell.array.tolist() if any(frame.pbc) else none for frame in frames]
    periodic = any(any(frame.pbc) for frame in frames)
    structures = Structures(
        torch.cat([torch.from_numpy(frame.numbers).long() for frame in frames]),
        torch.cat([torch.from_numpy(frame.positions) for frame in frames]).to(dtype),
        torch.tensor([len(frame) for frame in frames]),
        cell=torch.tensor(cells, dtype=dtype) if periodic else None,
        pbc=torch.tensor([frame.pbc.tolist() for frame in frames]),
    )
    return frames, structures


def _columns(
    card: Card, structures: Structures, found: dict[str, Tensor]
) -> dict[str, list[Any]]:
    """One number or list for each structure, by title."""
    name, unit, factor = card.property, card.unit, 1.0
    if card.notes.get("dataset") == "QM9" and name in TARGETS:
        unit, factor = TARGETS[name].unit, TARGETS[name].factor
    values = found[name].double() * factor
    free = free_energies(name, structures) if name in FREE_ATOMS else None
    if free is not None:
        return {
            f"{name} of atomization ({unit})": values.flatten().tolist(),
            f"{name} ({unit})": (values.flatten() + free).tolist(),
        }
    if len(values) != len(structures.sizes):
        each = values.split(structures.sizes.tolist())
        return {f"{name} ({unit})": [value.squeeze(-1).tolist() for value in each]}
    if values.numel() == len(values):
        values = values.flatten()
    return {f"{name} ({unit})": values.tolist()}


def _shown(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _write_frames(path: Path, frames: list[Any], found: dict[str, Tensor]) -> None:
    """The structures with what was predicted, in extended xyz."""
    import ase.io
    from ase.calculators import singlepoint

    calculator: Any = singlepoint.SinglePointCalculator

    sizes = [len(frame) for frame in frames]
    parts = {
        name: value.split(sizes) if len(value) == sum(sizes) else value
        for name, value in found.items()
    }
    for index, frame in enumerate(frames):
        own = {name: value[index].double().numpy() for name, value in parts.items()}
        if "energy" not in own:
            for name, value in own.items():
                frame.info[name] = value.squeeze()
            continue
        own["energy"] = float(own["energy"])
        if "stress" in own and not any(frame.pbc):
            del own["stress"]
        frame.calc = calculator(frame, **own)
    with whole_file(path) as partial:
        ase.io.write(partial, frames, format="extxyz")
