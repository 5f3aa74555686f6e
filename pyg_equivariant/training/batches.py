"""What a network is given of a batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from .structures import Structures


def network_inputs(batch: Data, dtype: torch.dtype) -> dict[str, Any]:
    """The arguments of a network, in its dtype.

    Args:
        batch: cut out of a :class:`~pyg_equivariant.training.table.StructureTable`.
        dtype: of the network.
    """
    given = {name: getattr(batch, name) for name in ("z", "pos", "batch", "edge_index")}
    if "edge_shift" in batch:
        given |= {"edge_shift": batch.edge_shift, "cell": batch.cell}
    given |= {**batch.extra, "batch_size": len(batch.index)}
    return {name: _as(value, dtype) for name, value in given.items()}


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
