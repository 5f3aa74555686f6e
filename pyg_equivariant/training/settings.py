"""All that decides what a run computes, in plain numbers and words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """A run; two runs with equal settings on one machine draw the same curve.

    ``target``, ``split`` and ``preset`` are words of the data set. ``weights`` are
    those of energy, forces and stress in the loss of a potential, none for another
    property; ``per_atom`` counts energies per atom there. ``init`` is the file that the
    first weights come from. ``asdict`` makes plain values of all, which checkpoints and
    JSON can hold.
    """

    model: str
    target: str
    preset: str
    split: str
    num_train: int | None
    num_val: int | None
    seed: int
    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    weight_decay: float
    schedule: str
    loss: str
    ema: float
    clip: float
    patience: int
    cutoff: float
    head: str
    references: bool
    network: dict[str, Any]
    weights: dict[str, float] = field(default_factory=dict)
    per_atom: bool = True
    init: str | None = None

    def differences(self, other: Settings) -> dict[str, tuple[Any, Any]]:
        """What the other run does otherwise, both values side by side."""
        own, others = asdict(self), asdict(other)
        return {key: (own[key], others[key]) for key in own if own[key] != others[key]}
