"""How fast errors of forces fall with the number of frames, by degree.

    python examples/data_efficiency.py --molecules ethanol aspirin --seconds 600

One network in equal width, with features and harmonics of degrees up to 0, 1 and 2,
learns 50, 100, 250 and 950 frames of revised MD17, each for the same processor time.
The straighter and steeper a line on logarithmic axes, the more a frame teaches. Every
finished training is a line of a table, which the same command goes on with; the figure
is drawn of what is there.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from pyg_equivariant.commands.fit_rmd17 import open_rmd17
from pyg_equivariant.files import whole_file
from pyg_equivariant.networks import NETWORKS, find_network
from pyg_equivariant.training.budget import epochs_within, processor_time
from pyg_equivariant.training.checkpoint import BEST, load_run
from pyg_equivariant.training.console import keep_quiet
from pyg_equivariant.training.readers import Reading
from pyg_equivariant.training.tasks import load_task
from pyg_equivariant.training.testing import errors_of

Row = dict[str, str]
KEYS = ("molecule", "lmax", "frames", "seed")
COLUMNS = (*KEYS, "epochs", "seconds", "energy", "energy_error", "forces")
COLUMNS += ("forces_error",)


def parse_flags(arguments: list[str]) -> argparse.Namespace:
    """What was asked for."""
    with_degrees = [n for n in NETWORKS if "lmax" in find_network(n).degrees]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--molecules", nargs="+", default=["ethanol", "aspirin"])
    add("--root", type=Path, default=Path("data/md17"), help="folder of the data")
    add("--split", type=int, default=1, help="which published division, 1 to 5")
    add("--model", choices=with_degrees, default="nequip")
    add("--hidden-channels", type=int, default=32)
    add("--num-layers", type=int, default=3)
    add("--degrees", type=int, nargs="+", default=[0, 1, 2])
    add("--frames", type=int, nargs="+", default=[50, 100, 250, 950])
    add("--num-val", type=int, default=50, help="frames that choose the weights")
    add("--seconds", type=float, default=600.0, help="processor time of a training")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--out", type=Path, default=Path("runs/data_efficiency"), help="without suffix")
    return parser.parse_args(arguments)


def learn(reading: Reading, row: Row, flags: argparse.Namespace) -> Row:
    """Train on so many frames; the row with the errors of the test frames."""
    assert reading.split is not None
    train, val, test = reading.split
    split = reading.split._replace(
        train=train[: int(row["frames"])], val=val[: flags.num_val]
    )
    sizes = {"hidden_channels": flags.hidden_channels, "num_layers": flags.num_layers}
    given: dict[str, Any] = {
        "data": reading,
        "network": flags.model,
        "split": split,
        "seed": int(row["seed"]),
        "batch_size": 5,
        "arguments": {**sizes, "lmax": int(row["lmax"])},
        "machine": {"accelerator": "cpu"},
    }
    with tempfile.TemporaryDirectory() as name:
        epochs = epochs_within(flags.seconds, **given)
        spent = processor_time(Path(name), epochs=epochs, **given)
        task = load_task(load_run(Path(name) / BEST))
    found = errors_of(task, reading.structures.select(test))
    by_unit = {quantity.unit: error for quantity, error in found.items()}
    energy, forces = by_unit["meV"], by_unit["meV/A"]
    return row | {
        "epochs": f"{epochs}",
        "seconds": f"{spent:.0f}",
        "energy": f"{energy.mae:.2f}",
        "energy_error": f"{energy.standard_error:.2f}",
        "forces": f"{forces.mae:.2f}",
        "forces_error": f"{forces.standard_error:.2f}",
    }


def read_rows(path: Path) -> list[Row]:
    """What was learned before."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[Row]) -> None:
    """The table, as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        whole_file(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def draw(path: Path, rows: list[Row]) -> None:
    """Errors against frames, a panel for each molecule, a line for each degree."""
    molecules = list(dict.fromkeys(row["molecule"] for row in rows))
    figure = Figure(figsize=(4.2 * len(molecules), 3.6), layout="constrained")
    panels = figure.subplots(1, len(molecules), squeeze=False)[0]
    for axes, molecule in zip(panels, molecules, strict=True):
        own = [row for row in rows if row["molecule"] == molecule]
        for lmax in sorted({row["lmax"] for row in own}, key=int):
            errors: dict[int, list[float]] = {}
            for row in own:
                if row["lmax"] == lmax:
                    errors.setdefault(int(row["frames"]), []).append(
                        float(row["forces"])
                    )
            frames = sorted(errors)
            means = [sum(errors[n]) / len(errors[n]) for n in frames]
            axes.loglog(frames, means, marker="o", label=f"degrees to {lmax}")
        axes.set(title=molecule, xlabel="frames to train on", ylabel="forces, meV/Å")
        axes.legend()
    with whole_file(path) as partial:
        figure.savefig(partial, format="svg")


def main(arguments: list[str]) -> None:
    """Train what the table lacks, and draw it."""
    flags = parse_flags(arguments)
    keep_quiet()
    torch.set_num_threads(1)
    table, figure = (flags.out.with_suffix(s) for s in (".csv", ".svg"))
    rows = read_rows(table)
    for row in rows:
        print("  ".join(f"{row[name]:>8}" for name in COLUMNS))
    for molecule in flags.molecules:
        reading, _ = open_rmd17(flags.root, molecule, flags.split)
        for seed in flags.seeds:
            for frames in flags.frames:
                for lmax in flags.degrees:
                    values = molecule, f"{lmax}", f"{frames}", f"{seed}"
                    wanted = dict(zip(KEYS, values, strict=True))
                    if any(wanted.items() <= row.items() for row in rows):
                        continue
                    rows.append(learn(reading, wanted, flags))
                    print("  ".join(f"{rows[-1][name]:>8}" for name in COLUMNS))
                    write_rows(table, rows)
                    draw(figure, rows)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
