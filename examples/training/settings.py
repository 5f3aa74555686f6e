"""All that decides what a run computes, in plain numbers and words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from .presets import choose_head, default_lr, find_preset
from .targets import find_target

MODELS = ("schnet", "painn", "egnn", "tfn", "segnn")

_AS_IN_PRESET = (
    *("split", "epochs", "batch_size", "optimizer", "weight_decay", "schedule"),
    *("loss", "ema", "clip"),
)


@dataclass(frozen=True)
class Settings:
    """A run; two runs with equal settings on one machine draw the same curve."""

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

    def to_dict(self) -> dict[str, Any]:
        """Plain values, which checkpoints and JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """The inverse of :meth:`to_dict`."""
        return cls(**values)

    def differences(self, other: Settings) -> dict[str, tuple[Any, Any]]:
        """What the other run does otherwise, both values side by side."""
        own, others = self.to_dict(), other.to_dict()
        return {key: (own[key], others[key]) for key in own if own[key] != others[key]}


def settle(
    model: str,
    target: str,
    preset: str | None = None,
    network: dict[str, Any] | None = None,
    **chosen: Any,
) -> Settings:
    """Fill in from the preset what was not chosen.

    Args:
        model: name of the network.
        target: name of the property.
        preset: whose settings; by default those of the network.
        network: arguments of the network that differ from the preset's.
        chosen: values of :class:`Settings` that differ from the preset's; ``None``
            leaves the preset's.

    Raises:
        ValueError: for an unknown model, target or preset.
    """
    if model not in MODELS:
        raise ValueError(f"got model {model!r}, expected one of {', '.join(MODELS)}")
    property_ = find_target(target)
    of = find_preset(preset or model)
    own = find_preset(model)
    settings = Settings(
        model=model,
        target=target,
        preset=preset or model,
        num_train=None,
        num_val=None,
        seed=0,
        lr=default_lr(preset or model, target),
        patience=0,
        cutoff=own.cutoff,
        head=choose_head(own, property_),
        references=property_.extensive,
        network={**own.network, **(network or {})},
        **{name: getattr(of, name) for name in _AS_IN_PRESET},
    )
    picked = {key: value for key, value in chosen.items() if value is not None}
    return replace(settings, **picked)
