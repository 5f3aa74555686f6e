"""The settings of the papers, filled in around what was chosen."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from pyg_equivariant.networks import NETWORKS, QM9Preset, find_network

from ..settings import Settings
from .targets import find_property

PRESETS = {name: network.qm9 for name, network in NETWORKS.items() if network.qm9}

_AS_IN_PRESET = (
    *("split", "epochs", "batch_size", "optimizer", "weight_decay", "schedule"),
    *("loss", "ema", "clip"),
)


def find_preset(name: str) -> QM9Preset:
    """The preset of that name, or a ``ValueError`` that lists all of them."""
    if name not in PRESETS:
        raise ValueError(f"got preset {name!r}, expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def published_error(model: str, target: str) -> tuple[float, str] | None:
    """What a paper reports, and the split it was found on, if that is known here."""
    published = find_preset(model).published
    if published is None or target not in published.mae:
        return None
    return published.mae[target], published.split


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
    find_network(model)
    extensive = find_property(target).extensive
    own, taken = find_preset(model), find_preset(preset or model)
    reach = {} if own.cutoff is None else {"cutoff": own.cutoff}
    settings = Settings(
        model=model,
        target=target,
        preset=preset or model,
        num_train=None,
        num_val=None,
        seed=0,
        lr=taken.lr_of.get(target, taken.lr),
        patience=0,
        cutoff=reach.get("cutoff", math.inf),
        head=own.head(target, extensive),
        references=extensive,
        network={**reach, **own.network, **(network or {})},
        **{name: getattr(taken, name) for name in _AS_IN_PRESET},
    )
    picked = {key: value for key, value in chosen.items() if value is not None}
    return replace(settings, **picked)
