"""Flags that the commands of all data sets have, and what they do."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from .data import StructureData
from .losses import LOSSES
from .run import Run
from .schedules import SCHEDULES
from .settings import Settings

# Flags that take the place of what a preset says, those among them for the network, and
# those for Lightning's Trainer
_CHOSEN = (
    *("num_train", "num_val", "epochs", "batch_size", "lr", "weight_decay"),
    *("schedule", "loss", "ema", "clip", "patience", "seed"),
)
_NETWORK = ("hidden_channels", "num_layers")
_DEVICES = ("accelerator", "devices", "num_nodes", "precision")


def add_flags(parser: argparse.ArgumentParser, defaults: str) -> None:
    """Folder, settings and machine of a run.

    Args:
        parser: of the command.
        defaults: whose settings are taken where none are chosen, in words.
    """
    add = parser.add_argument
    add("--folder", type=Path, help="folder of this run (default: runs/MODEL-TARGET)")
    add(
        "--resume",
        action="store_true",
        help="go on with the run of that folder, if any; --epochs may grow",
    )
    _add_settings(parser, defaults)
    _add_machine(parser)


def _add_settings(parser: argparse.ArgumentParser, defaults: str) -> None:
    group = parser.add_argument_group(f"settings, {defaults}")
    add = group.add_argument
    add("--num-train", type=int, help="only so many training structures")
    add("--num-val", type=int, help="only so many validation structures")
    add("--epochs", type=int, help="schedules stretch with it")
    add("--batch-size", type=int, help="structures in a step of each process")
    add("--lr", type=float, help="learning rate at the beginning")
    add("--weight-decay", type=float)
    add("--schedule", help=", ".join(SCHEDULES))
    add("--loss", choices=LOSSES)
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


def chosen(flags: argparse.Namespace) -> dict[str, Any]:
    """The settings that the flags choose; ``None`` is left to the preset."""
    network = {name: getattr(flags, name) for name in _NETWORK}
    network = {name: value for name, value in network.items() if value is not None}
    return {name: getattr(flags, name) for name in _CHOSEN} | {"network": network}


def train(
    flags: argparse.Namespace,
    settings: Settings,
    open_data: Callable[[Settings, int], StructureData],
    name: str | None = None,
) -> None:
    """Train, test, report.

    Args:
        flags: of the command.
        settings: of the run.
        open_data: the data set, given settings and the number of workers.
        name: of what is learned, for the folder (default: that of the target).
    """
    folder = (
        flags.folder or Path("runs") / f"{settings.model}-{name or settings.target}"
    )
    with closing(Run(folder, settings, flags.resume)) as run:
        data = open_data(settings, flags.num_workers)
        devices = {name: getattr(flags, name) for name in _DEVICES}
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
