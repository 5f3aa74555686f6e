"""The curve of a run, in one file that a resumed run goes on writing."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from pyg_equivariant.files import whole_file

CURVE = "metrics.csv"


class CurveLogger(Logger):
    """Write what is logged to ``metrics.csv``, one line for each step.

    Lightning's ``CSVLogger`` deletes the file of a run that resumes in its folder, and
    rewrites it in place when a new quantity comes up. This one keeps the lines before
    the step at which the run resumes, and replaces the file as a whole.

    Args:
        folder: where ``metrics.csv`` is kept.
        resume_step: lines from this step on are written anew.
    """

    def __init__(self, folder: str | Path, resume_step: int = 0) -> None:
        super().__init__()
        self.path = Path(folder) / CURVE
        self.rows: dict[int, dict[str, float]] = {}
        if resume_step:
            earlier = read_curve(self.path)
            self.rows = {row: earlier[row] for row in earlier if row < resume_step}

    @property
    def name(self) -> str:
        return "curve"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(
        self, metrics: Mapping[str, float], step: int | None = None
    ) -> None:
        step = len(self.rows) if step is None else step
        row = {name: float(value) for name, value in metrics.items()}
        self.rows.setdefault(step, {}).update(row)

    @rank_zero_only
    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """The settings have a file of their own."""

    @rank_zero_only
    def save(self) -> None:
        names = sorted({name for row in self.rows.values() for name in row})
        with (
            whole_file(self.path) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, ["step", *names])
            writer.writeheader()
            for step in sorted(self.rows):
                writer.writerow({"step": step, **self.rows[step]})

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the end; of a run that failed, all up to its checkpoint is written."""
        if status == "success":
            self.save()


def read_curve(path: str | Path) -> dict[int, dict[str, float]]:
    """What was logged at each step; nothing if there is no file."""
    path = Path(path)
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {
            int(row.pop("step")): {name: float(row[name]) for name in row if row[name]}
            for row in csv.DictReader(file)
        }
