"""Compare two networks on the same test systems of charged particles.

    python examples/nbody_compare.py --a runs/nbody-segnn-0 --b runs/nbody-egnn-0

Errors of systems differ far more than networks do, so that their differences on the
same systems tell more than two means. Several folders on one side, such as seeds, are
averaged. Printed are the means, how much of them the worst systems carry, the paired
difference, and both by the closest encounter within the time that is asked for.
--figure draws that, and some systems with what the first networks predict of them: a
cross of a, a plus of b.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch_geometric.loader import DataLoader

from pyg_equivariant.datasets import ChargedNBody, charged_trajectories
from pyg_equivariant.nn import load_model
from pyg_equivariant.training.motion.report import ERRORS
from pyg_equivariant.training.run import MODEL

FRAMES = range(30, 41)
PARTS = 5


def read_errors(folders: list[Path]) -> np.ndarray:
    """The error of every test system, averaged over the runs."""
    errors = [np.load(folder / ERRORS) for folder in folders]
    if len({len(values) for values in errors}) > 1:
        raise ValueError(f"the runs were tested on {[len(e) for e in errors]} systems")
    return np.mean(errors, axis=0)


def standard_error(values: np.ndarray) -> float:
    """Of the mean."""
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def worst_share(errors: np.ndarray, part: float = 0.01) -> float:
    """How much of the sum the worst systems carry."""
    worst = np.sort(errors)[-max(1, round(part * len(errors))) :]
    return float(worst.sum() / errors.sum())


def closest_encounters(pos: np.ndarray) -> np.ndarray:
    """The smallest distance in every system, of positions ``(B, frames, N, 3)``."""
    i, j = np.triu_indices(pos.shape[2], 1)
    distance = np.linalg.norm(pos[:, :, i] - pos[:, :, j], axis=-1)
    return distance.min((1, 2))


def by_encounter(
    closest: np.ndarray, errors: list[np.ndarray]
) -> list[tuple[float, float, list[float]]]:
    """Equal parts of all systems by their closest encounter: its range, mean errors."""
    order = np.argsort(closest)
    return [
        (
            float(closest[part].min()),
            float(closest[part].max()),
            [float(values[part].mean()) for values in errors],
        )
        for part in np.array_split(order, PARTS)
    ]


def describe(names: list[str], a: np.ndarray, b: np.ndarray) -> str:
    """Means, worst systems and the paired difference."""
    lines = []
    for name, errors in zip(names, (a, b), strict=True):
        lines.append(
            f"{name}: {errors.mean():.5f} ± {standard_error(errors):.5f}, median "
            f"{np.median(errors):.5f}; the worst 1 % carry {worst_share(errors):.0%}"
        )
    lines.append(f"a - b: {(a - b).mean():+.5f} ± {standard_error(a - b):.5f}")
    lines.append(f"a is better on {(a < b).mean():.0%} of {len(a)} systems")
    return "\n".join(lines)


def draw(
    path: Path,
    parts: list[tuple[float, float, list[float]]],
    pos: np.ndarray,
    guesses: list[np.ndarray],
    errors: np.ndarray,
    names: list[str],
) -> None:
    """Errors by encounter, and the systems of the median, the 95th and worst error."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, *others = figure.subplots(1, 4)
    places = np.arange(len(parts))
    for k, name in enumerate(names):
        left.plot(places, [means[k] for *_, means in parts], marker="o", label=name)
    left.set_xticks(places, [f"{low:.2f}-{high:.2f}" for low, high, _ in parts])
    left.tick_params(axis="x", labelsize="x-small")
    left.set(xlabel="closest encounter", ylabel="squared error", yscale="log")
    left.legend(fontsize="small")
    order = np.argsort(errors)
    chosen = [order[int(share * (len(order) - 1))] for share in (0.5, 0.95, 1.0)]
    for axes, k in zip(others, chosen, strict=True):
        for particle in range(pos.shape[2]):
            axes.plot(*pos[k, :, particle, :2].T, color="grey", linewidth=1)
        axes.plot(*pos[k, -1, :, :2].T, "o", color="grey", fillstyle="none")
        for guess, marker in zip(guesses, "x+", strict=True):
            axes.plot(*guess[k, :, :2].T, marker, color="black")
        axes.set(xlabel="x", ylabel="y", title=f"squared error {errors[k]:.4f}")
    figure.savefig(path, dpi=150)


@torch.no_grad()
def predict(folder: Path, root: str, count: int) -> np.ndarray:
    """Where the network of a run expects the particles, ``(count, N, 3)``."""
    model = load_model(folder / MODEL).eval()
    moved = [
        model(data.pos, data.vel, data.charge, data.edge_index, batch=data.batch)
        for data in DataLoader(ChargedNBody(root, "test", count), 100)
    ]
    return torch.cat(moved).view(count, -1, 3).numpy()


def main() -> None:
    """Read, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--a", type=Path, nargs="+", required=True, help="folders of runs")
    add("--b", type=Path, nargs="+", required=True, help="folders of the others")
    add("--root", default="data/nbody", help="where the trajectories are kept")
    add("--figure", type=Path)
    flags = parser.parse_args()
    a, b = read_errors(flags.a), read_errors(flags.b)
    if len(a) != len(b):
        raise ValueError(f"a was tested on {len(a)} systems, b on {len(b)}")
    names = [f"{flags.a[0].name} (a)", f"{flags.b[0].name} (b)"]
    print(describe(names, a, b))
    pos = charged_trajectories("test", len(a), FRAMES).pos
    parts = by_encounter(closest_encounters(pos), [a, b])
    print("closest encounter      a        b")
    for low, high, (first, second) in parts:
        print(f"{low:8.2f} to {high:5.2f}  {first:.5f}  {second:.5f}")
    if flags.figure:
        runs = (flags.a[0], flags.b[0])
        guesses = [predict(folder, flags.root, len(a)) for folder in runs]
        draw(flags.figure, parts, pos, guesses, a, names)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
