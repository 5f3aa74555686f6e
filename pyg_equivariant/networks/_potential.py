"""How to train a network on energies, forces and stress of anyone's data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PotentialPreset:
    """How a potential is trained where no paper says how: for some 1,000 structures.

    Args:
        lr: learning rate at the beginning.
        epochs: passes through the training set; schedules stretch with it.
        batch_size: structures in a step.
        cutoff: how far edges reach, in angstrom.
        weights: of energy (per atom), forces and stress in the loss, all in eV and
            angstrom.
        schedule: how the learning rate changes.
        loss: ``"l1"``, ``"mse"`` or ``"huber"``.
        optimizer: ``"adam"`` or ``"adamw"``.
        weight_decay: as the optimizer takes it.
        ema: decay of the averaged weights, 0 for none.
        clip: largest norm of the gradient, 0 for any.
        network: arguments of the network besides those that make it smooth and
            extensive.

    Example:
        >>> from pyg_equivariant.networks import NETWORKS
        >>> NETWORKS["painn"].potential.cutoff
        5.0
    """

    lr: float = 1e-3
    epochs: int = 300
    batch_size: int = 10
    cutoff: float = 5.0
    weights: Mapping[str, float] = field(
        default_factory=lambda: {"energy": 10.0, "forces": 10.0, "stress": 100.0}
    )
    schedule: str = "cosine"
    loss: str = "l1"
    optimizer: str = "adam"
    weight_decay: float = 0.0
    ema: float = 0.99
    clip: float = 10.0
    network: Mapping[str, Any] = field(default_factory=dict)
