"""The table of charged particles from the folders of runs: published beside ours.

    python examples/nbody_table.py runs/nbody-*

Runs that differ by their seed alone make one row: the mean of their test errors, its
standard error over the test systems, and the error of each seed. Behind the table is
the command of every row; --figure draws how the validation error fell.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyg_equivariant.networks import PARTICLE_NETWORKS
from pyg_equivariant.training.curve import CURVE, read_curve
from pyg_equivariant.training.figure import by_epoch
from pyg_equivariant.training.motion import particle_settings
from pyg_equivariant.training.motion.report import ERRORS
from pyg_equivariant.training.report import REPORT
from pyg_equivariant.training.resume import read_settings
from pyg_equivariant.training.settings import Settings

WIDTHS = (32, 9, 8, 7, 26, 6, 7)
HEAD = ("network", "published", "ours", "±", "seeds", "epochs", "minutes")


class Row(NamedTuple):
    """Runs that differ by their seed alone."""

    settings: Settings
    folders: list[Path]
    reports: list[dict[str, Any]]
    errors: np.ndarray
    """of every seed and test system"""

    @property
    def title(self) -> str:
        """What was trained."""
        told = self.settings.network.get("coulomb")
        title = PARTICLE_NETWORKS[self.settings.model].title
        title = title.replace("(geometric and physical)", "(G + P)")
        title = title.replace("(geometric)", "(G)")
        return f"{title}, Coulomb: {told}" if told else title


def read_rows(folders: Iterable[Path]) -> list[Row]:
    """The finished runs among the folders, in the order of the published table."""
    groups: dict[str, list[Path]] = {}
    for folder in folders:
        if (folder / REPORT).is_file() and (folder / ERRORS).is_file():
            settings = read_settings(folder)
            key = json.dumps({**vars(settings), "seed": 0}, sort_keys=True)
            groups.setdefault(key, []).append(folder)
    rows = [_row(group) for group in groups.values()]
    order = list(PARTICLE_NETWORKS)
    return sorted(rows, key=lambda row: (order.index(row.settings.model), row.title))


def _row(folders: list[Path]) -> Row:
    folders = sorted(folders, key=lambda folder: read_settings(folder).seed)
    reports = [
        json.loads((folder / REPORT).read_text(encoding="utf-8")) for folder in folders
    ]
    errors = np.stack([np.load(folder / ERRORS) for folder in folders])
    return Row(read_settings(folders[0]), folders, reports, errors)


def table(rows: list[Row]) -> str:
    """The rows for people, in one width."""
    line = "  ".join("=" * width for width in WIDTHS)
    lines = [line, _line(HEAD), line]
    for row in rows:
        published = row.reports[0]["published_mse"]
        told = row.settings.network.get("coulomb")
        mean = row.errors.mean(0)
        seconds = [report.get("processor_seconds", math.nan) for report in row.reports]
        cells = (
            row.title,
            "" if told or published is None else f"{published:.4f}",
            f"{mean.mean():.5f}",
            f"{mean.std(ddof=1) / math.sqrt(len(mean)):.5f}",
            ", ".join(f"{error:.5f}" for error in row.errors.mean(1)),
            str(max(report["epochs"] for report in row.reports)),
            f"{np.mean(seconds) / 60:.1f}",
        )
        lines.append(_line(cells))
    return "\n".join([*lines, line])


def _line(cells: Iterable[str]) -> str:
    pairs = zip(cells, WIDTHS, strict=True)
    return "  ".join(cell.ljust(width) for cell, width in pairs).rstrip()


def command(settings: Settings) -> str:
    """The flags of ``examples/nbody.py`` that ask for a run."""
    paper = vars(particle_settings(settings.model))
    parts = [f"--model {settings.model}"]
    for name in ("epochs", "batch_size", "lr", "schedule", "ema", "clip"):
        value = getattr(settings, name)
        if value != paper[name]:
            parts.append(f"--{name.replace('_', '-')} {value}")
    for name in ("num_train", "num_val"):
        if getattr(settings, name) is not None:
            parts.append(f"--{name.replace('_', '-')} {getattr(settings, name)}")
    for name, value in settings.network.items():
        if paper["network"].get(name) != value:
            parts.append(f"--{name.replace('_', '-')} {value}")
    return " ".join(parts)


def draw(rows: list[Row], path: Path) -> None:
    """Draw the falling validation errors of the first seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for row in rows:
        epochs, errors = by_epoch(read_curve(row.folders[0] / CURVE), "val_mse")
        minutes = row.reports[0].get("processor_seconds", math.nan) / 60
        if math.isfinite(minutes):
            share = minutes / row.reports[0]["epochs"]
            axes.plot([epoch * share for epoch in epochs], errors, label=row.title)
    axes.set(xlabel="minutes of one core", ylabel="validation error")
    axes.set(xscale="log", yscale="log")
    axes.legend(fontsize="small", loc="upper right")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Read, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--figure", type=Path)
    flags = parser.parse_args()
    rows = read_rows(flags.folders)
    if not rows:
        raise ValueError(f"none of {len(flags.folders)} folders holds a finished run")
    print(table(rows))
    print()
    for row in rows:
        print(f"python examples/nbody.py {command(row.settings)}")
    if flags.figure:
        draw(rows, flags.figure)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
