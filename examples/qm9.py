"""Train a network on a property of QM9.

    python examples/qm9.py --model painn --target U0

The same as ``python -m pyg_equivariant fit qm9``. Everything of a run is in its folder:
settings, checkpoints, logs, report. The same command with --resume goes on where the
run stopped, however it stopped.
"""

from __future__ import annotations

import sys

from pyg_equivariant.commands.fit_qm9 import main
from pyg_equivariant.training.console import keep_quiet

if __name__ == "__main__":
    keep_quiet()
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
