"""Charged particles as structures, and the papers' settings for them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch_geometric.data import Data

from pyg_equivariant.datasets import ChargedNBody
from pyg_equivariant.networks import find_particle_network

from ..data import StructureData, Target
from ..settings import Settings
from ..splits import Split
from ..structures import Structures, join

TARGET = Target("charged particles", "position", "")


def particle_settings(
    model: str, network: dict[str, Any] | None = None, **chosen: Any
) -> Settings:
    """The settings of a row of the table.

    Args:
        model: name of the row, see :data:`~pyg_equivariant.networks.PARTICLE_NETWORKS`.
        network: arguments that replace the paper's.
        chosen: settings that replace the paper's; ``None`` keeps those.

    Example:
        >>> particle_settings("egnn", epochs=10).lr
        0.0005
    """
    row = find_particle_network(model)
    settings = Settings(
        model=model,
        target=TARGET.name,
        preset="paper",
        split="published",
        num_train=None,
        num_val=None,
        seed=0,
        epochs=row.preset.epochs,
        batch_size=row.preset.batch_size,
        optimizer="adam",
        lr=row.preset.lr,
        weight_decay=row.preset.weight_decay,
        schedule="constant",
        loss="mse",
        ema=0.0,
        clip=0.0,
        patience=0,
        cutoff=math.inf,
        head="pos",
        references=False,
        network={**row.arguments, **(network or {})},
    )
    given = {name: value for name, value in chosen.items() if value is not None}
    return replace(settings, **given)


def particle_data(
    root: str,
    settings: Settings,
    num_test: int | None = None,
    num_particles: int = 5,
) -> StructureData:
    """The published splits of :class:`~pyg_equivariant.datasets.ChargedNBody`.

    Args:
        root: where the trajectories are kept.
        settings: of the run, which may take less of the training and validation sets.
        num_test: so many test systems; all by default.
        num_particles: of a system; five are published.
    """
    counts = {"train": settings.num_train, "val": settings.num_val, "test": num_test}
    parts = [
        _structures(ChargedNBody(root, *item, num_particles=num_particles))
        for item in counts.items()
    ]
    split = torch.arange(sum(len(part.sizes) for part in parts))
    sizes = [len(part.sizes) for part in parts]
    return StructureData(join(parts), Split(*split.split(sizes)), TARGET, settings)


def _structures(graphs: Iterable[Data]) -> Structures:
    given = list(graphs)

    def rows(name: str) -> torch.Tensor:
        return torch.cat([graph[name] for graph in given])

    sizes = torch.tensor([len(graph.pos) for graph in given])
    charge = rows("charge")
    extra = {"vel": rows("vel"), "charge": charge}
    z = charge.flatten().long()  # which no network reads
    return Structures(z, rows("pos"), sizes, {TARGET.name: rows("y")}, extra=extra)
