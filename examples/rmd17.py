"""Learn energies and forces of a molecule of revised MD17.

    python examples/rmd17.py rmd17_ethanol.npz --split 1

The file is one of the ten in the archive (https://doi.org/10.6084/m9.figshare.12672038);
unpacked, the published divisions lie beside them, in ../splits. Without a file, PyG
downloads the archive to data/md17.

A small network is trained for less than a minute, to see that all is in its place;
--hidden-channels, --num-layers and --epochs make a better one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pyg_equivariant.nn import ForceField
from pyg_equivariant.training import fit
from pyg_equivariant.training.console import keep_quiet
from pyg_equivariant.training.readers import read_rmd17


def main(arguments: list[str]) -> None:
    """Read, train, predict a frame."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("file", nargs="?", type=Path, help=".npz of MD17 or rMD17")
    add("--split", type=int, help="which of the published divisions, 1 to 5")
    add("--network", default="painn")
    add("--hidden-channels", type=int, default=32)
    add("--num-layers", type=int, default=2)
    add("--epochs", type=int, default=5)
    add("--num-train", type=int, help="of the frames to train on (default: all)")
    add("--folder", type=Path, default=Path("runs/rmd17"))
    flags = parser.parse_args(arguments)
    keep_quiet()
    if flags.file is None:
        from torch_geometric.datasets import MD17

        flags.file = MD17("data/md17", "revised ethanol")
        flags.split = flags.split or 1

    reading = read_rmd17(flags.file, flags.split)
    print(reading.summary())
    model = fit(
        reading,
        flags.network,
        flags.folder,
        epochs=flags.epochs,
        num_train=flags.num_train,
        arguments={
            "hidden_channels": flags.hidden_channels,
            "num_layers": flags.num_layers,
        },
    )

    frame = reading.structures.select(reading.split.test[:1] if reading.split else [0])
    energy, forces, _ = ForceField(model)(frame.z, frame.pos)
    true = frame.labels["energy"].item()
    error = (forces - frame.labels["forces"]).abs().mean().item()
    print(f"a test frame: {energy.item():.3f} eV, true {true:.3f} eV; ", end="")
    print(f"forces differ by {1000 * error:.0f} meV/A")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
