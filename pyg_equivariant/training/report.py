"""What a run has achieved: a small table, and a figure."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from torch import Tensor

from .curve import read_curve
from .data import Target
from .errors import MeanError
from .files import whole_file
from .settings import Settings


def write_report(
    folder: Path,
    settings: Settings,
    target: Target,
    error: MeanError,
    baseline: MeanError,
    published: tuple[float, str] | None,
    extra: dict[str, Any],
) -> str:
    """Write ``report.json``, and return the table that says the same to people."""
    paper, paper_split = published or (None, None)
    values = {
        "model": settings.model,
        "target": target.name,
        "unit": target.unit,
        "split": settings.split,
        "test_mae": error.mae,
        "standard_error": error.standard_error,
        "num_test": error.count,
        "mean_predictor_mae": baseline.mae,
        "published_mae": paper,
        "published_split": paper_split,
        **extra,
    }
    with whole_file(folder / "report.json") as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    lines = [
        f"{settings.model} on {target.name} of {target.dataset}, "
        f"split {settings.split}, {error.count} test molecules",
        f"  test MAE        {_with_error(error)} {target.unit}",
        f"  mean predictor  {_with_error(baseline)} {target.unit}",
    ]
    listed = "not listed for this network and property"
    if published:
        listed = f"{paper:g} {target.unit} (split: {paper_split})"
    return "\n".join([*lines, f"  published       {listed}"])


def _with_error(error: MeanError) -> str:
    """The error to as many digits as its standard error allows."""
    spread = error.standard_error
    if not spread > 0:
        return f"{error.mae:.4g}"
    digits = max(0, 1 - math.floor(math.log10(spread)))
    return f"{error.mae:.{digits}f} ± {spread:.{digits}f}"


def draw_report(
    path: Path,
    curve: Path,
    names: tuple[str, str],
    unit: str,
    values: tuple[Tensor, Tensor],
) -> None:
    """Draw the learning curve, and predicted against true values, into one figure.

    Args:
        path: of the figure.
        curve: what was logged, see :mod:`training.curve`.
        names: of the training and the validation error in it.
        unit: of these errors and of the values.
        values: predictions and truth of the test set.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for name, label in zip(names, ("training", "validation"), strict=True):
        epochs, errors = _by_epoch(read_curve(curve), name)
        left.plot(epochs, errors, label=label, marker=".")
    left.set(xlabel="epoch", ylabel=f"MAE ({unit})", yscale="log")
    left.legend()

    predicted, true = values
    right.plot(true, predicted, ".", markersize=2, rasterized=True)
    ends = [float(true.min()), float(true.max())]
    right.plot(ends, ends, color="black", linewidth=0.8)
    right.set(xlabel=f"true ({unit})", ylabel=f"predicted ({unit})")
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=150, format="png")


def _by_epoch(
    rows: dict[int, dict[str, float]], name: str
) -> tuple[list[float], list[float]]:
    """The mean of a logged quantity in each epoch, counted from one."""
    errors: dict[float, list[float]] = defaultdict(list)
    for row in rows.values():
        if name in row:
            errors[row["epoch"] + 1].append(row[name])
    epochs = sorted(errors)
    return epochs, [sum(errors[epoch]) / len(errors[epoch]) for epoch in epochs]
