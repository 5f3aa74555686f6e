"""The task of a run: new, or out of a checkpoint."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .data import Target
from .potential_task import PotentialTask
from .property_task import PropertyTask
from .references import Scaling
from .settings import Settings
from .task import Task


def make_task(
    settings: Settings, scaling: Scaling, target: Target, species: list[int]
) -> Task:
    """A new task, with weights drawn at random."""
    kind = PotentialTask if settings.weights else PropertyTask
    return kind(asdict(settings), scaling._asdict(), asdict(target), species)


def load_task(checkpoint: dict[str, Any], target: Target | None = None) -> Task:
    """The task of a checkpoint, with its weights: averaged ones if it averages.

    Args:
        checkpoint: as it was written.
        target: of a checkpoint that names its target and no more, as older ones do.
    """
    older = {} if target is None else {"target": asdict(target)}
    arguments = {**older, **checkpoint["hyper_parameters"]}
    kind = PotentialTask if arguments["settings"].get("weights") else PropertyTask
    task = kind(**arguments)
    task.load_state_dict(checkpoint["state_dict"])
    return task.eval()
