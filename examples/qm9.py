"""Train one of the five networks on a property of QM9.

    python examples/qm9.py --model painn --target U0

Everything of a run is in its folder: settings, checkpoints, logs, report. The same
command with --resume goes on where the run stopped, however it stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from training.console import keep_quiet
from training.molecules import QM9Molecules
from training.presets import PRESETS
from training.run import Run
from training.schedules import SCHEDULES
from training.settings import MODELS, settle
from training.targets import TARGETS

# Flags that take the place of what a preset says, and those for Lightning's Trainer
CHOSEN = (
    *("split", "num_train", "num_val", "epochs", "batch_size", "lr", "weight_decay"),
    *("schedule", "loss", "ema", "clip", "patience", "seed"),
)
DEVICES = ("accelerator", "devices", "num_nodes", "precision")


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags of the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, help=", ".join(MODELS))
    add("--target", required=True, help=", ".join(TARGETS))
    add("--root", default="data/qm9", help="folder of PyG's QM9 (default: data/qm9)")
    add("--folder", type=Path, help="folder of this run (default: runs/MODEL-TARGET)")
    add(
        "--resume",
        action="store_true",
        help="go on with the run of that folder, if any",
    )

    _add_settings(parser)
    _add_machine(parser)
    return parser.parse_args(arguments)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings, by default those of the paper")
    add = group.add_argument
    add("--preset", help=f"whose: {', '.join(PRESETS)} (default: that of the model)")
    add("--split", help="cormorant, dimenet, equiformer or random:SEED")
    add("--num-train", type=int, help="only so many training molecules")
    add("--num-val", type=int, help="only so many validation molecules")
    add("--epochs", type=int, help="schedules stretch with it")
    add("--batch-size", type=int, help="molecules in a step of each process")
    add("--lr", type=float, help="learning rate at the beginning")
    add("--weight-decay", type=float)
    add("--schedule", help=", ".join(SCHEDULES))
    add("--loss", choices=("l1", "mse"))
    add("--ema", type=float, help="decay of the averaged weights, 0 for none")
    add("--clip", type=float, help="largest norm of the gradient, 0 for any")
    add("--patience", type=int, help="stop after so many epochs without progress")
    add("--hidden-channels", type=int, help="width of the network")
    add("--num-layers", type=int, help="depth of the network")
    add("--seed", type=int, help="of weights and order (default: 0)")


def _add_machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machine, as Lightning's Trainer has them")
    add = group.add_argument
    add("--max-time", help="stop after DD:HH:MM:SS, resumed parts included")
    add("--accelerator", default="auto")
    add("--devices", type=int, default=1, help="on each node")
    add("--num-nodes", type=int, default=1)
    add("--precision", default="32-true")
    add("--num-workers", type=int, default=0, help="processes that load")
    add("--checkpoint-every", type=int, default=500, help="steps")
    add("--profiler", choices=("simple", "advanced"), help="where the time goes")


def main(arguments: list[str]) -> None:
    """Train, test, report."""
    flags = parse(arguments)
    keep_quiet()
    network: dict[str, Any] = {
        name: getattr(flags, name)
        for name in ("hidden_channels", "num_layers")
        if getattr(flags, name) is not None
    }
    chosen = {name: getattr(flags, name) for name in CHOSEN}
    settings = settle(flags.model, flags.target, flags.preset, network, **chosen)
    folder = flags.folder or Path("runs") / f"{flags.model}-{flags.target}"
    run = Run(folder, settings, flags.resume)
    data = QM9Molecules(flags.root, settings, flags.num_workers)
    devices = {name: getattr(flags, name) for name in DEVICES}
    run.fit(
        data,
        flags.max_time,
        flags.checkpoint_every,
        profiler=flags.profiler,
        **devices,
    )
    report = run.test(data, **devices)
    if report is not None:
        print(report)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, FileNotFoundError, FileExistsError) as error:
        sys.exit(f"error: {error}")
