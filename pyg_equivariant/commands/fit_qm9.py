"""Train a network on a property of QM9, by the settings of its paper."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pyg_equivariant.training.flags import add_flags, chosen, train
from pyg_equivariant.training.qm9.data import QM9Molecules
from pyg_equivariant.training.qm9.presets import PRESETS, settle
from pyg_equivariant.training.qm9.splits import SPLITS
from pyg_equivariant.training.qm9.targets import TARGETS

from ._parser import new_parser

_TELLS = """Train a network on a property of QM9.

Everything of a run is in its folder: settings, checkpoints, logs, report, model.pt. The
same command with --resume goes on where the run stopped, however it stopped."""


def main(arguments: Sequence[str], prog: str | None = None) -> None:
    """Train, test, report."""
    parser = new_parser(prog, _TELLS)
    add = parser.add_argument
    add("--model", required=True, help=", ".join(PRESETS))
    add("--target", required=True, help=", ".join(TARGETS))
    add("--root", default="data/qm9", help="folder of PyG's QM9 (default: data/qm9)")
    add("--preset", help=f"whose: {', '.join(PRESETS)} (default: that of the model)")
    add("--split", help=SPLITS)
    add_flags(parser, "by default those of the paper")
    flags = parser.parse_args(arguments)
    picked = chosen(flags) | {"split": flags.split}
    settings = settle(flags.model, flags.target, flags.preset, **picked)
    train(flags, settings, partial(QM9Molecules, flags.root))
