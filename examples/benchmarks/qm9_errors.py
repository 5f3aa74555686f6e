"""What networks learn of QM9 in one budget of processor time.

    python examples/benchmarks/qm9_errors.py --root data/qm9 --networks painn segnn

Every network trains by its own preset on 10,000 molecules and one thread: a molecule is
timed first, then as many epochs are trained as fit into the budget, with schedules of
that length. Five hundred molecules choose the weights; errors are those of the whole
test set.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import torch
from timing import versions

from pyg_equivariant.training.console import keep_quiet
from pyg_equivariant.training.qm9.data import QM9Molecules
from pyg_equivariant.training.qm9.presets import PRESETS, settle
from pyg_equivariant.training.run import Run
from pyg_equivariant.training.settings import Settings

MACHINE = {"accelerator": "cpu", "progress": False}


def train(root: str, settings: Settings, folder: Path, test: bool = False) -> float:
    """Train anew; returns the processor time it took, in seconds."""
    silent = StringIO()
    with (
        redirect_stdout(silent),
        redirect_stderr(silent),
        closing(Run(folder, settings)) as run,
    ):
        data = QM9Molecules(root, settings)
        begin = time.process_time()
        run.fit(data, **MACHINE)
        spent = time.process_time() - begin
        if test:
            run.test(data, **MACHINE)
    return spent


def main(argv: list[str] | None = None) -> None:
    options_of = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = options_of.add_argument
    add("--root", default="data/qm9", help="folder of PyG's QM9")
    add("--networks", nargs="+", default=["painn"], choices=list(PRESETS))
    add("--target", default="alpha")
    add("--seconds", type=float, default=600.0, help="processor time of a training")
    add("--num-train", type=int, default=10_000)
    add("--num-val", type=int, default=500)
    add("--batch-size", type=int, default=32)
    add("--seed", type=int, default=0)
    options = options_of.parse_args(argv)
    keep_quiet()
    torch.set_num_threads(1)
    print(f"{versions('torch_geometric')}, 1 thread, float32, {options.target}")
    print(f"{'network':18}  epochs  processor   error  of the mean predictor")
    for network in options.networks:
        print(row(network, options), flush=True)


def row(network: str, options: argparse.Namespace) -> str:
    """Train for so long, then the error on the test set."""
    train_on, size = options.num_train, options.batch_size

    def settings(num_train: int, epochs: int) -> Settings:
        chosen = {"num_train": num_train, "num_val": options.num_val}
        chosen |= {"epochs": epochs, "batch_size": size, "seed": options.seed}
        return settle(network, options.target, **chosen)

    with tempfile.TemporaryDirectory() as name:
        few, more = min(train_on, 5 * size), min(train_on, 15 * size)
        spent = [
            train(options.root, settings(number, 1), Path(name, f"{k}"))
            for k, number in enumerate((few, few, more))
        ]
        # an epoch validates, too, which the difference of two epochs leaves out
        each = (spent[2] - spent[1]) / max(more - few, 1)
        epoch = max(each, 1e-6) * (train_on + options.num_val / 3)
        epochs = max(int(options.seconds / epoch), 1)
        folder = Path(name, "run")
        seconds = train(options.root, settings(train_on, epochs), folder, test=True)
        report = json.loads((folder / "report.json").read_text("utf-8"))
    error, deviation = report["test_mae"], report["standard_error"]
    return (
        f"{network:18}  {epochs:6}  {seconds:7.0f} s  "
        f"{error:.3f} ± {deviation:.3f}  {report['mean_predictor_mae']:.3f}"
    )


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
