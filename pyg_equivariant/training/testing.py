"""Errors of a trained network on structures with labels."""

from __future__ import annotations

import torch

from .errors import MeanError, Quantity, mean_error
from .loaders import evaluation_loader
from .prediction import check_species
from .structures import Structures
from .table import StructureTable
from .task import Task


@torch.no_grad()
def errors_of(
    task: Task, structures: Structures, batch_size: int = 32
) -> dict[Quantity, MeanError]:
    """What a run reports of its test set, of other structures.

    Args:
        task: with weights.
        structures: with labels.
        batch_size: how many at once.

    Raises:
        ValueError: if they have no label that the task knows, or elements that are not
            known.
    """
    check_species(structures, task.species or None)
    table = StructureTable(structures, task.settings.cutoff)
    task.eval()
    for batch in evaluation_loader(table, batch_size):
        task.gather(batch.to(str(task.network.mean.device)))
    errors = {
        quantity: mean_error(*(quantity.factor * value for value in pair))
        for quantity, pair in task.collect().items()
        if not pair[1].isnan().all()
    }
    if not errors:
        wanted = ", ".join({q.name or task.target.name for q in task.quantities})
        raise ValueError(
            f"the structures have labels of {', '.join(structures.labels) or 'nothing'}"
            f", but the network predicts {wanted}"
        )
    return errors
