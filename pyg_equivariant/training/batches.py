"""What a network is given of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.nn.models import MolecularModel

from .structures import Structures


def network_inputs(batch: Data, network: MolecularModel) -> dict[str, Any]:
    """The arguments of a network, in its dtype.

    Args:
        batch: cut out of a :class:`~pyg_equivariant.training.table.StructureTable`.
        network: whose they are; one that was built for features in place of atomic
            numbers gets ``x`` in their place.

    Raises:
        ValueError: if it was built for features, and there are none.
    """
    given = {name: getattr(batch, name) for name in ("z", "pos", "batch", "edge_index")}
    if "edge_shift" in batch:
        given |= {"edge_shift": batch.edge_shift, "cell": batch.cell}
    given |= {**batch.extra, "batch_size": len(batch.index)}
    if takes_features(network.arguments):
        if "x" not in given:
            raise ValueError(
                f"this {type(network).__name__} was built for features in place of "
                "atomic numbers, but the structures have none named 'x'"
            )
        given["z"] = given.pop("x")
    return {name: _as(value, network.mean.dtype) for name, value in given.items()}


def takes_features(arguments: Mapping[str, Any]) -> bool:
    """Whether a network built so takes features in place of atomic numbers."""
    names = ("irreps_in", "in_channels")
    return any(arguments.get(name) is not None for name in names)


def _as(value: Any, dtype: torch.dtype) -> Any:
    real = isinstance(value, Tensor) and value.is_floating_point()
    return value.to(dtype) if real else value


def labels_of(structures: Structures) -> Data:
    """All structures as one batch that is to be compared, not to be predicted."""
    return Data(
        z=structures.z,
        batch=structures.batch(),
        cell=structures.cell,
        labels=dict(structures.labels),
        index=torch.arange(len(structures.sizes)),
    )
