"""The settings of the papers: network, optimiser, schedule, split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .targets import Target

INFINITE = float("inf")


@dataclass(frozen=True)
class Preset:
    """How a paper trains its network on QM9.

    Args:
        cutoff: how far edges reach, in angstrom.
        split: name of the split, see :mod:`training.splits`.
        epochs: passes through the training set; schedules stretch with it.
        batch_size: molecules in a step.
        optimizer: ``"adam"`` or ``"adamw"``.
        lr: learning rate at the beginning.
        weight_decay: as the optimiser takes it.
        schedule: name of the schedule, see :mod:`training.schedules`.
        loss: ``"l1"`` or ``"mse"``.
        ema: decay of the averaged weights, 0 for none.
        clip: largest norm of the gradient, 0 for any.
        pooling: ``"sum"``, ``"mean"``, or ``"by target"``: the sum for what grows with
            the molecule, the mean for what does not.
        moments: whether dipole and spatial extent are built from atomic charges.
        network: arguments of the network.
    """

    cutoff: float
    split: str
    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    weight_decay: float
    schedule: str
    loss: str
    ema: float = 0.0
    clip: float = 0.0
    pooling: str = "by target"
    moments: bool = False
    network: dict[str, Any] = field(default_factory=dict)


PRESETS = {
    "schnet": Preset(
        cutoff=10.0,
        split="dimenet",
        epochs=500,
        batch_size=32,
        optimizer="adam",
        lr=1e-3,
        weight_decay=0.0,
        schedule="exponential",
        loss="mse",
        ema=0.99,
        moments=True,
        network={"cutoff": 10.0},
    ),
    "painn": Preset(
        cutoff=5.0,
        split="dimenet",
        epochs=1000,
        batch_size=100,
        optimizer="adamw",
        lr=5e-4,
        weight_decay=0.01,
        schedule="plateau",
        loss="mse",
        moments=True,
        network={"cutoff": 5.0},
    ),
    "egnn": Preset(
        cutoff=INFINITE,
        split="cormorant",
        epochs=1000,
        batch_size=96,
        optimizer="adam",
        lr=5e-4,
        weight_decay=1e-16,
        schedule="cosine",
        loss="l1",
        pooling="sum",
    ),
    # The published TFN row comes from the SE(3)-Transformer paper: its protocol.
    "tfn": Preset(
        cutoff=5.0,
        split="cormorant",
        epochs=100,
        batch_size=32,
        optimizer="adam",
        lr=1e-3,
        weight_decay=0.0,
        schedule="cosine to a tenth",
        loss="l1",
        network={"cutoff": 5.0},
    ),
    "segnn": Preset(
        cutoff=2.0,
        split="cormorant",
        epochs=1000,
        batch_size=128,
        optimizer="adam",
        lr=5e-4,
        weight_decay=1e-8,
        schedule="steps",
        loss="l1",
        network={"cutoff": 2.0},
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of that name, or a ``ValueError`` that lists all of them."""
    if name not in PRESETS:
        raise ValueError(f"got preset {name!r}, expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def default_lr(preset: str, target: str) -> float:
    """The learning rate: EGNN's is twice as large for the orbital energies."""
    if preset == "egnn" and target in ("homo", "lumo", "gap"):
        return 1e-3
    return find_preset(preset).lr


def choose_head(preset: Preset, target: Target) -> str:
    """How atoms make the property: the name of a head of the networks."""
    if preset.moments and target.name == "mu":
        return "dipole_magnitude"
    if preset.moments and target.name == "r2":
        return "spatial_extent"
    if preset.pooling == "by target":
        return "sum" if target.extensive else "mean"
    return preset.pooling
