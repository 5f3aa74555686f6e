"""The five networks by name."""

from __future__ import annotations

from typing import Any

import torch

from pyg_equivariant.nn import models

from .references import Scaling

NETWORKS = {
    "schnet": "SchNet",
    "painn": "PaiNN",
    "egnn": "EGNN",
    "tfn": "TFN",
    "segnn": "SEGNN",
}


def build_network(
    name: str, head: str, scaling: Scaling, arguments: dict[str, Any]
) -> torch.nn.Module:
    """A network that predicts in the unit of the data.

    Args:
        name: which of the five.
        head: how atoms make the property.
        scaling: mean, scale and references of the prediction.
        arguments: of the network, such as ``hidden_channels``.

    Raises:
        ValueError: for an unknown network.
    """
    if name not in NETWORKS:
        raise ValueError(f"got model {name!r}, expected one of {', '.join(NETWORKS)}")
    network: type[torch.nn.Module] = getattr(models, NETWORKS[name])
    atomref = None if scaling.atomref is None else torch.tensor(scaling.atomref)
    return network(
        **arguments,
        head=head,
        mean=scaling.mean,
        scale=scaling.scale,
        atomref=atomref,
    )
