"""The figure of a run: how it learned, and predictions against the truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from pyg_equivariant.files import whole_file

from .curve import read_curve
from .errors import Quantity


def draw_report(
    path: Path, curve: Path, values: Mapping[Quantity, tuple[Tensor, Tensor]]
) -> None:
    """Draw the learning curve, and predicted against true values, into one figure.

    Args:
        path: of the figure.
        curve: what was logged, see :mod:`pyg_equivariant.training.curve`.
        values: predictions and truth of the test set, in the unit of the quantity. The
            curve is that of the last.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * (1 + len(values)), 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, *others = figure.subplots(1, 1 + len(values))
    *_, learned = values
    for stage, label in (("train", "training"), ("val", "validation")):
        epochs, errors = by_epoch(read_curve(curve), learned.named(stage))
        left.plot(epochs, errors, label=label, marker=".")
    title = f"MAE {learned.name} ({learned.unit})".replace("  ", " ")
    left.set(xlabel="epoch", ylabel=title, yscale="log")
    left.legend()
    for axes, (quantity, pair) in zip(others, values.items(), strict=True):
        _draw_parity(axes, quantity, *pair)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=150, format="png")


def _draw_parity(
    axes: Any, quantity: Quantity, predicted: Tensor, true: Tensor
) -> None:
    known = ~true.isnan()
    predicted, true = predicted[known], true[known]
    axes.plot(true, predicted, ".", markersize=2, rasterized=True)
    if len(true):
        ends = [float(true.min()), float(true.max())]
        axes.plot(ends, ends, color="black", linewidth=0.8)
    name = f"{quantity.name} ({quantity.unit})".strip()
    axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}")


def by_epoch(
    rows: dict[int, dict[str, float]], name: str
) -> tuple[list[float], list[float]]:
    """The mean of a logged quantity in each epoch, counted from one."""
    errors: dict[float, list[float]] = defaultdict(list)
    for row in rows.values():
        if name in row:
            errors[row["epoch"] + 1].append(row[name])
    epochs = sorted(errors)
    return epochs, [sum(errors[epoch]) / len(errors[epoch]) for epoch in epochs]
