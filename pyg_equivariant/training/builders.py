"""The network and the optimizer that settings ask for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.optim import Optimizer

from pyg_equivariant.networks import find_network
from pyg_equivariant.nn.models import MolecularModel

from .references import Scaling
from .settings import Settings


def build_network(settings: Settings, scaling: Scaling) -> MolecularModel:
    """A network that predicts in the unit of the data."""
    make: Callable[..., MolecularModel] = find_network(settings.model).model
    references = None
    if scaling.atomref is not None:
        references = torch.tensor(scaling.atomref, dtype=torch.float64)
    units = {"mean": scaling.mean, "scale": scaling.scale, "atomref": references}
    return make(**settings.network, head=settings.head, **units)


def make_optimizer(
    settings: Settings, network: torch.nn.Module, fused: bool = True
) -> Optimizer:
    """The optimizer of a run; ``fused``, it moves all weights on the CPU in one call.

    Of many small weights, one call for each takes longer than the arithmetic.
    """
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    if settings.optimizer not in kinds:
        raise ValueError(
            f"got optimizer {settings.optimizer!r}, expected one of {', '.join(kinds)}"
        )
    weights = list(network.parameters())
    real = all(w.device.type == "cpu" and w.is_floating_point() for w in weights)
    return kinds[settings.optimizer](
        weights,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        fused=(fused and real) or None,
    )
