"""Errors of a trained network on structures with labels."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from pyg_equivariant.training.checkpoint import BEST, load_run
from pyg_equivariant.training.own_data import read
from pyg_equivariant.training.tasks import load_task
from pyg_equivariant.training.testing import errors_of

from ._reader import add_reader_flags, reader_options

_TELLS = """Errors of the best weights of a run on structures with labels, in the units
of its report: energies, forces and stress, or the property it was trained on."""


def main(arguments: Sequence[str], prog: str | None = None) -> None:
    """Read, predict, compare, print."""
    parser = argparse.ArgumentParser(prog=prog, description=_TELLS)
    add = parser.add_argument
    add("run", type=Path, help="folder of a run, or a checkpoint of it")
    add("file", help="structures with labels")
    add("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    add("--batch-size", type=int, default=32, help="structures at once (default: 32)")
    add_reader_flags(parser)
    flags = parser.parse_args(arguments)
    path = flags.run / BEST if flags.run.is_dir() else flags.run
    task = load_task(load_run(path)).to(torch.device(flags.device))
    reading, name = read(flags.file, **reader_options(flags))
    print(f"{task.settings.model} of {path} on {name}")
    errors = errors_of(task, reading.structures, flags.batch_size)
    for quantity, error in errors.items():
        title = quantity.name or task.target.name
        print(
            f"  {title:8} MAE {error.mae:12.6g} ± {error.standard_error:.2g}   "
            f"RMSE {error.rmse:12.6g}  {quantity.unit}"
        )
