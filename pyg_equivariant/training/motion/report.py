"""What a run on charged particles has achieved."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_equivariant.files import whole_file
from pyg_equivariant.networks import find_particle_network

from ..curve import CURVE, read_curve
from ..data import StructureData
from ..figure import by_epoch
from ..report import REPORT
from .particles import TARGET
from .task import MotionTask

FIGURE = "curve.png"
ERRORS = "errors.npy"


def write_motion_report(
    folder: Path, task: MotionTask, data: StructureData, extra: dict[str, Any]
) -> str:
    """Write report, figure and the error of every test system; the report's text.

    Args:
        folder: of the run.
        task: which has been tested.
        data: that it was tested on.
        extra: what else the file is to hold.
    """
    errors = torch.cat(task.errors).cpu()
    with whole_file(folder / ERRORS) as partial, partial.open("wb") as file:
        np.save(file, errors.numpy())
    row = find_particle_network(task.settings.model)
    mse, spread = float(errors.mean()), float(errors.std()) / math.sqrt(len(errors))
    straight = _straight_on(data)
    published, source = _published(task)
    values = {
        "model": row.name,
        "seed": task.settings.seed,
        "test_mse": mse,
        "standard_error": spread,
        "num_test": len(errors),
        "num_train": len(data.split.train),
        "straight_on_mse": straight,
        "published_mse": published,
        "published_in": source,
        "parameters": sum(p.numel() for p in task.network.parameters()),
        **extra,
    }
    with whole_file(folder / REPORT) as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    draw_curve(folder, row.title, {"test": mse, "straight on": straight}, published)
    lines = [
        f"{row.title} on {TARGET.dataset}, {len(errors)} test systems, "
        f"{values['parameters']:,} weights",
        f"  test error        {mse:.5f} ± {spread:.5f}",
        f"  straight on       {straight:.5f}",
        f"  the best weights  {folder}, epoch {values['best_epoch']}",
    ]
    if published is not None:
        lines.insert(3, f"  published         {published:.4f} ({source})")
    return "\n".join(lines)


def _published(task: MotionTask) -> tuple[float | None, str | None]:
    """The paper's error, where it is of the same systems and inputs."""
    settings = task.settings
    if settings.split != "published" or settings.network.get("coulomb"):
        return None, None
    return find_particle_network(settings.model).published


def _straight_on(data: StructureData) -> float:
    """The test error of straight lines, as long as fits the training set best."""
    train, test = data.subset("train"), data.subset("test")
    moved = train.labels[TARGET.name] - train.pos
    vel = train.extra["vel"]
    duration = float((moved * vel).sum() / vel.square().sum())
    guess = test.pos + duration * test.extra["vel"]
    return float((guess - test.labels[TARGET.name]).square().mean())


def draw_curve(
    folder: Path, title: str, found: dict[str, float], published: float | None
) -> None:
    """Draw the falling errors beside those that were found at the end."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    curve = read_curve(folder / CURVE)
    for name, label in (("train_mse", "training"), ("val_mse", "validation")):
        axes.plot(*by_epoch(curve, name), label=label)
    known = found if published is None else {**found, "paper": published}
    styles = {"test": "-", "paper": "--", "straight on": ":"}
    for name, error in known.items():
        color = "black" if name == "test" else "grey"
        label = f"{name} {error:.4f}"
        axes.axhline(error, linestyle=styles[name], color=color, label=label)
    axes.set(xlabel="epoch", ylabel="squared error", yscale="log", title=title)
    axes.legend()
    with whole_file(folder / FIGURE) as partial:
        figure.savefig(partial, dpi=150, format="png")
