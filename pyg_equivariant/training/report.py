"""What a run has achieved: a small table, and a figure."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pyg_equivariant.files import whole_file

from .data import Target
from .errors import MeanError, Quantity
from .settings import Settings

REPORT = "report.json"


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
    _write(folder, values)
    lines = [
        f"{settings.model} on {target.name} of {target.dataset}, "
        f"split {settings.split}, {error.count} test structures",
        f"  test MAE        {_with_error(error)} {target.unit}",
        f"  mean predictor  {_with_error(baseline)} {target.unit}",
    ]
    listed = "not listed for this network and property"
    if published:
        listed = f"{paper:g} {target.unit} (split: {paper_split})"
    return "\n".join([*lines, f"  published       {listed}"])


def write_potential_report(
    folder: Path,
    settings: Settings,
    target: Target,
    errors: dict[Quantity, tuple[MeanError, MeanError]],
    extra: dict[str, Any],
) -> str:
    """Write ``report.json`` of a potential, and return the table for people.

    Args:
        folder: of the run.
        settings: of the run.
        target: whose data set is named.
        errors: of each quantity: that of the network, and that of one who always says
            the mean of the training set (of energies, above the references).
        extra: what else the file is to hold.
    """
    values: dict[str, Any] = {"model": settings.model, "dataset": target.dataset}
    values |= {"target": settings.target, "split": settings.split}
    title = f"{settings.model} on {target.dataset}, split {settings.split}"
    rows = [("", "test MAE", "RMSE", "mean predictor", "")]
    for quantity, (error, baseline) in errors.items():
        values |= {
            f"test_{quantity.key}_mae": error.mae,
            f"test_{quantity.key}_standard_error": error.standard_error,
            f"test_{quantity.key}_rmse": error.rmse,
            f"mean_predictor_{quantity.key}_mae": baseline.mae,
            f"num_test_{quantity.key}": error.count,
        }
        shown = _with_error(error), f"{error.rmse:.4g}", f"{baseline.mae:.4g}"
        rows.append((quantity.name, *shown, quantity.unit))
    _write(folder, {**values, **extra})
    lines = [f"  {a:8}{b:>16}{c:>10}{d:>16}  {e}".rstrip() for a, b, c, d, e in rows]
    return "\n".join([title, *lines])


def _write(folder: Path, values: dict[str, Any]) -> None:
    with whole_file(folder / REPORT) as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _with_error(error: MeanError) -> str:
    """The error to as many digits as its standard error allows."""
    spread = error.standard_error
    if not spread > 0:
        return f"{error.mae:.4g}"
    digits = max(0, 1 - math.floor(math.log10(spread)))
    return f"{error.mae:.{digits}f} ± {spread:.{digits}f}"
