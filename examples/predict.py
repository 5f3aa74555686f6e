"""Predict for molecules and crystals in a file with a trained network.

    python examples/predict.py runs/painn-U0/model.pt molecules.xyz

The same as ``python -m pyg_equivariant predict``. Reads any format that ASE knows, all
frames of the file. For energies of QM9 (U0, U, H, G) it gives the atomization energy,
which the network predicts, and the total energy.
"""

from __future__ import annotations

import sys

from pyg_equivariant.commands.predict import main

if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
