"""Begin with the weights of another network, for data of one's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import load_model
from pyg_equivariant.nn.models import MolecularModel

from .data import StructureData
from .loaders import evaluation_loader
from .references import Scaling
from .structures import Structures
from .table import StructureTable
from .task import Task
from .tasks import make_task

UNITS = ("mean", "scale", "atomref")  # of a network, refitted for the new data
_ENOUGH = 1000  # structures to refit references with


def architecture(path: str) -> dict[str, Any]:
    """What settings say of a network in a file: its name, cutoff, head and arguments.

    Args:
        path: of a model file, or of a checkpoint of training.

    Raises:
        ValueError: if it holds none of the registered networks.
    """
    model = load_model(path)
    names = [name for name, known in NETWORKS.items() if type(model) is known.model]
    if not names:
        raise ValueError(
            f"{path} holds a {type(model).__name__}, expected one of "
            f"{', '.join(NETWORKS)}"
        )
    arguments = {k: v for k, v in model.arguments.items() if k not in UNITS}
    return {
        "model": names[0],
        "head": arguments.pop("head"),
        "cutoff": float("inf") if model.cutoff is None else model.cutoff,
        "network": arguments,
    }


def warm_start(task: Task, path: str, data: StructureData) -> Task:
    """The same task with the weights of a file.

    The scale stays that of the file, so that the network predicts at once what it has
    learned; mean and references are fitted to what its predictions leave of the new
    labels, which may be those of another level of theory.

    Args:
        task: new.
        path: of a model file, or of a checkpoint of training.
        data: what is trained on.

    Raises:
        ValueError: if parameters do not fit; the message names them.
    """
    source = load_model(path)
    _check_fit(task.network, source, path)
    scale = float(source.scale)

    def begun(scaling: Scaling) -> Task:
        new = make_task(task.settings, scaling, task.target, task.species)
        new.network.load_state_dict(_weights(source), strict=False)
        return new

    bare = begun(Scaling(0.0, scale, None))
    rest = _rest(bare, data.subset("train"))
    return begun(data.scaling(rest)._replace(scale=scale))


def _weights(model: MolecularModel) -> dict[str, Tensor]:
    state: dict[str, Tensor] = model.state_dict()
    return {name: value for name, value in state.items() if name not in UNITS}


def _check_fit(own: MolecularModel, source: MolecularModel, path: str) -> None:
    mine, theirs = _weights(own), _weights(source)
    faults = [f"{name} is missing there" for name in mine.keys() - theirs.keys()]
    faults += [f"{name} is only there" for name in theirs.keys() - mine.keys()]
    faults += [
        f"{name} {tuple(theirs[name].shape)} there, {tuple(mine[name].shape)} here"
        for name in mine.keys() & theirs.keys()
        if mine[name].shape != theirs[name].shape
    ]
    if faults:
        listed = "; ".join(sorted(faults)[:8])
        more = f"; and {len(faults) - 8} more" if len(faults) > 8 else ""
        raise ValueError(
            f"the weights of {path} ({type(source).__name__}) do not fit this "
            f"{type(own).__name__}: {listed}{more}; leave out flags that change the "
            "network"
        )


@torch.no_grad()
def _rest(task: Task, training: Structures) -> Structures:
    """What a network without references leaves of the labels of the training set."""
    some = training.select(torch.arange(min(_ENOUGH, len(training.sizes))))
    table = StructureTable(some, task.settings.cutoff)
    name = task.target.name
    task.eval()
    loader = evaluation_loader(table, task.settings.batch_size)
    found = torch.cat([task(batch)[name] for batch in loader])
    label = some.labels[name].double()
    return some._replace(labels={name: label - found.view_as(label).double()})
