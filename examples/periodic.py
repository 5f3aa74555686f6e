"""Learn energies, forces and stress of solids, a potential for each element.

    python examples/periodic.py data/periodic --elements Si Li Mo --minutes 60

The folder holds NAME_train.extxyz and NAME_test.extxyz, such as those of Zuo et al.
(https://doi.org/10.1021/acs.jpca.9b08723): crystals strained and stretched, with
vacancies and surfaces, and melts, in cells of any shape. Where files have no stress the
potential predicts one all the same; how well it follows from the energy is shown by
straining a test structure.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import ForceField
from pyg_equivariant.nn.models import MolecularModel
from pyg_equivariant.training import Structures, fit
from pyg_equivariant.training.budget import epochs_within
from pyg_equivariant.training.console import keep_quiet
from pyg_equivariant.training.own_data import divide
from pyg_equivariant.training.report import REPORT
from pyg_equivariant.training.resume import SETTINGS, read_settings

UNITS = {"energy_meV_per_atom": "meV/atom", "forces_meV_per_A": "meV/A"}
UNITS["stress_meV_per_A3"] = "meV/A^3"


def parse_flags(arguments: list[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("root", type=Path, help="folder of NAME_train.extxyz and NAME_test.extxyz")
    add("--elements", nargs="+", default=["Si", "Li", "Mo"], metavar="NAME")
    add("--model", choices=NETWORKS, default="nequip")
    add("--cutoff", type=float, default=5.0, help="in angstrom")
    add("--hidden-channels", type=int)
    add("--num-layers", type=int)
    add("--lmax", type=int)
    add("--batch-size", type=int, default=2)
    add("--minutes", type=float, default=60.0, help="of processor time for each")
    add("--epochs", type=int, help="in place of --minutes")
    add("--seed", type=int, default=0)
    add("--folder", type=Path, default=Path("runs/periodic"))
    add("--resume", action="store_true", help="go on with the runs of that folder")
    return parser.parse_args(arguments)


def learn(name: str, flags: argparse.Namespace) -> MolecularModel:
    """Train on one pair of files, in a folder of its own."""
    files = [flags.root / f"{name}_{part}.extxyz" for part in ("train", "test")]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"{file} is not there; name others by --elements")
    divided = divide(files[0], test=files[1], seed=flags.seed)
    sizes = {n: getattr(flags, n) for n in ("hidden_channels", "num_layers", "lmax")}
    given: dict[str, Any] = {
        "data": divided.structures,
        "network": flags.model,
        "split": divided.split,
        "seed": flags.seed,
        "cutoff": flags.cutoff,
        "batch_size": flags.batch_size,
        "arguments": {n: value for n, value in sizes.items() if value is not None},
        "machine": {"accelerator": "cpu"},
    }
    folder, epochs = flags.folder / name, flags.epochs
    if flags.resume and epochs is None and (folder / SETTINGS).is_file():
        epochs = read_settings(folder).epochs
    if epochs is None:
        epochs = epochs_within(60 * flags.minutes, **given)
    model = fit(folder=folder, epochs=epochs, resume=flags.resume, **given)
    check_stress(model, divided.structures.select(divided.split.test[:1]))
    return model


def check_stress(model: MolecularModel, frame: Structures, step: float = 1e-4) -> None:
    """Compare the stress with the energy's change as the cell is strained."""
    assert frame.cell is not None
    model = model.double()
    pos, cell = frame.pos.double(), frame.cell[0].double()
    field = ForceField(model, compute_stress=True).eval()
    _, _, stress = field(frame.z, pos, cell=cell, pbc=torch.ones(3, dtype=torch.bool))
    energies = []
    for sign in (1, -1):
        strain = (1 + sign * step) * torch.eye(3, dtype=torch.float64)
        given = {"cell": cell @ strain, "pbc": torch.ones(3, dtype=torch.bool)}
        energies.append(field(frame.z, pos @ strain, **given).energy.item())
    volume = float(torch.linalg.det(cell).abs())
    expected = (energies[0] - energies[1]) / (2 * step) / volume
    found = float(stress[0].trace()) if stress is not None else float("nan")
    print(f"  trace of the stress of a test structure {1000 * found:.4f} meV/A^3; ")
    print(f"  from energies of strained cells         {1000 * expected:.4f}")


def main(arguments: list[str]) -> None:
    """Train a potential for each element, then the errors of all."""
    flags = parse_flags(arguments)
    keep_quiet()
    torch.set_num_threads(1)
    for name in flags.elements:
        learn(name, flags)
    print("\n         test MAE / RMSE")
    for name in flags.elements:
        path = flags.folder / name / REPORT
        report = json.loads(path.read_text(encoding="utf-8"))
        cells = [
            f"{report[f'test_{key}_mae']:.2f} ± "
            f"{report[f'test_{key}_standard_error']:.2f} / "
            f"{report[f'test_{key}_rmse']:.2f} {unit}"
            for key, unit in UNITS.items()
            if f"test_{key}_mae" in report
        ]
        print(f"  {name:4}  {'   '.join(cells)}   best epoch {report['best_epoch']}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
