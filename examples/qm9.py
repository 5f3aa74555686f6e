"""Train a network on a property of QM9.

    python examples/qm9.py --model painn --target U0

Everything of a run is in its folder: settings, checkpoints, logs, report. The same
command with --resume goes on where the run stopped, however it stopped.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from pyg_equivariant.training.console import keep_quiet
from pyg_equivariant.training.flags import add_flags, chosen, train
from pyg_equivariant.training.qm9.data import QM9Molecules
from pyg_equivariant.training.qm9.presets import PRESETS, settle
from pyg_equivariant.training.qm9.splits import SPLITS
from pyg_equivariant.training.qm9.targets import TARGETS


def main(arguments: list[str]) -> None:
    """Train, test, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, help=", ".join(PRESETS))
    add("--target", required=True, help=", ".join(TARGETS))
    add("--root", default="data/qm9", help="folder of PyG's QM9 (default: data/qm9)")
    add_flags(parser, PRESETS, SPLITS)
    flags = parser.parse_args(arguments)
    keep_quiet()
    settings = settle(flags.model, flags.target, flags.preset, **chosen(flags))
    train(flags, settings, partial(QM9Molecules, flags.root))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
