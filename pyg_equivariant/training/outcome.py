"""From the predictions for the test set to the files that tell of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from .batches import labels_of
from .curve import CURVE
from .data import StructureData
from .errors import MeanError, Quantity, mean_predictor
from .figure import draw_report
from .report import REPORT, write_potential_report, write_report
from .settings import Settings
from .task import Task

FIGURE = "report.png"


def write_outcome(
    folder: Path,
    settings: Settings,
    task: Task,
    data: StructureData,
    extra: dict[str, Any],
) -> str:
    """Write report and figure of a task that was tested; the report's text."""
    tested = task.tested
    errors = {
        quantity: (error, mean_predictor(training, true))
        for (quantity, (_, true, error)), training in zip(
            tested.items(), _training(task, data), strict=True
        )
    }
    text = _report(folder, settings, task, data, errors, extra)
    weighed = [quantity for quantity in tested if quantity.weight]
    shown = {quantity: tested[quantity][:2] for quantity in weighed or tested}
    draw_report(folder / FIGURE, folder / CURVE, shown)
    return f"{text}\n  written to      {folder / REPORT}, {FIGURE}"


def _training(task: Task, data: StructureData) -> list[Tensor]:
    """The labels of the training set, as they are compared."""
    batch = labels_of(data.subset("train"))
    pairs = task.compare(batch, dict(batch.labels))
    return [pairs[quantity][1].double() * quantity.factor for quantity in task.tested]


def _report(
    folder: Path,
    settings: Settings,
    task: Task,
    data: StructureData,
    errors: dict[Quantity, tuple[MeanError, MeanError]],
    extra: dict[str, Any],
) -> str:
    if settings.weights:
        return write_potential_report(folder, settings, task.target, errors, extra)
    ((error, baseline),) = errors.values()
    return write_report(
        folder, settings, task.target, error, baseline, data.published, extra
    )
