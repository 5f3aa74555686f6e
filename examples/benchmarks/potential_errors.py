"""What potentials learn in one budget of processor time.

    python examples/benchmarks/potential_errors.py --train train.xyz isolated.xyz \
        --tests test_300K.xyz test_600K.xyz --networks painn mace --seconds 360

Every network trains by its own preset on one thread: an epoch is timed first, then as
many are trained as fit into the budget, with schedules of that length. Fifty structures
of the training set choose the weights; errors are those of the test files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from timing import versions

from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.training.budget import epochs_within, processor_time
from pyg_equivariant.training.checkpoint import BEST, load_run
from pyg_equivariant.training.console import keep_quiet
from pyg_equivariant.training.own_data import Source, read
from pyg_equivariant.training.readers import Reading
from pyg_equivariant.training.splits import Split
from pyg_equivariant.training.structures import Structures
from pyg_equivariant.training.tasks import load_task
from pyg_equivariant.training.testing import errors_of

MACHINE = {"accelerator": "cpu"}


def divide(reading: Reading, num_val: int) -> Split:
    """The last of a random order validate, and stand in for a test set."""
    count = len(reading.structures.sizes)
    given = torch.arange(count) if reading.split is None else reading.split.train
    generator = torch.Generator().manual_seed(0)
    order = given[torch.randperm(len(given), generator=generator)]
    train, val = order[:-num_val], order[-num_val:]
    return Split(train, val, val)


def tested(file: str) -> Structures:
    """What a file has to test on: its test set, if it comes divided."""
    reading = read(file)[0]
    if reading.split is None:
        return reading.structures
    return reading.structures.select(reading.split.test)


def row(network: str, given: dict[str, Any], tests: list[str], seconds: float) -> str:
    """Train for so long, then the errors on every file."""
    given = {**given, "network": network}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        epochs = epochs_within(seconds, **given)
        spent = processor_time(folder, epochs=epochs, **given)
        task = load_task(load_run(folder / BEST))
    cells = [f"{network:10}", f"{epochs:6}", f"{spent:7.0f} s"]
    for file in tests:
        errors = errors_of(task, tested(file))
        texts = [
            f"{error.mae:.1f}/{error.rmse:.1f}"
            for quantity, error in errors.items()
            if quantity.unit in ("meV", "meV/A")
        ]
        cells.append(f"{'  '.join(texts):>24}")
    return "  ".join(cells)


def main(argv: list[str] | None = None) -> None:
    options_of = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = options_of.add_argument
    add("--train", nargs="+", required=True, help="files of structures")
    add("--tests", nargs="+", required=True, help="files of structures, each a column")
    add("--networks", nargs="+", default=["painn"], choices=list(NETWORKS))
    add("--seconds", type=float, default=360.0, help="processor time of a training")
    add("--num-val", type=int, default=50, help="structures that choose the weights")
    add("--seed", type=int, default=0)
    options = options_of.parse_args(argv)
    keep_quiet()
    torch.set_num_threads(1)
    source: Source = options.train if len(options.train) > 1 else options.train[0]
    split = divide(read(source)[0], options.num_val)
    given = {"data": source, "split": split, "machine": MACHINE, "seed": options.seed}
    print(f"{versions('torch_geometric')}, 1 thread, float32")
    print(f"{len(split.train)} structures to train on, {len(split.val)} to validate")
    print("MAE/RMSE of energies in meV, then of forces in meV/A, where there are any")
    titles = [f"{Path(file).stem:>24}" for file in options.tests]
    print("  ".join([f"{'network':10}", "epochs", "processor", *titles]))
    for network in options.networks:
        print(row(network, given, options.tests, options.seconds), flush=True)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
