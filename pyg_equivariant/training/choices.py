"""The settings of a run on structures of one's own."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from pyg_equivariant.networks import Network, find_network

from .batches import takes_features
from .data import Target
from .potential_task import ENERGY, FORCES, POTENTIAL
from .settings import Settings
from .structures import Structures
from .warm_start import architecture

_PRESET = (
    *("epochs", "batch_size", "optimizer", "lr", "weight_decay", "schedule"),
    *("loss", "ema", "clip"),
)


def choose_settings(
    training: Structures,
    model: str | None = None,
    target: str | None = None,
    split: str = "",
    init: str | None = None,
    network: Mapping[str, Any] | None = None,
    weights: Mapping[str, float] | None = None,
    **chosen: Any,
) -> Settings:
    """Fill in what was not chosen from the network's preset for potentials.

    Args:
        training: structures to train on.
        model: name of the network (default: ``"painn"``, or that of ``init``).
        target: ``"energy"`` (without forces), or another label; by default energy,
            forces and stress, as far as there are such.
        split: the division in words.
        init: file of a network that gives architecture and first weights.
        network: arguments of the network that differ from the preset's.
        weights: of energy, forces and stress in the loss, where they differ.
        chosen: values of :class:`Settings` that differ from the preset's; ``None``
            leaves the preset's.

    Raises:
        ValueError: for unknown names, and where no label tells what to train for.
    """
    begun = {} if init is None else architecture(init)
    _check_begun(begun, {"model": model, **chosen}, init)
    known = find_network(begun.get("model", model or "painn"))
    preset, labels = known.potential, _present(training)
    potential = _potential_labels(labels, target)
    weighed = {name: preset.weights[name] for name in potential}
    weighed |= _check_weights(weights or {}, potential)
    if not potential:
        target = _single(labels, target)
    settings = Settings(
        model=known.name,
        target="+".join(potential) or str(target),
        preset=known.name,
        split=split,
        num_train=None,
        num_val=None,
        seed=0,
        patience=0,
        cutoff=preset.cutoff,
        head="extensive" if potential else _head(training, str(target), network),
        references=bool(potential),
        network={},
        weights=weighed,
        init=init,
        **{name: getattr(preset, name) for name in _PRESET},
    )
    picked = {key: value for key, value in chosen.items() if value is not None}
    settings = replace(settings, **{**picked, **begun})
    arguments = dict(settings.network)
    if init is None:
        arguments = _arguments(known, settings, training)
    arguments |= network or {}
    _check_features(training, arguments)
    return replace(settings, network=arguments)


def _check_features(training: Structures, arguments: dict[str, Any]) -> None:
    """Refuse points without atomic numbers for a network that wants such."""
    if takes_features(arguments):
        arguments.pop("species", None)
        return
    x = training.extra.get("x")
    if x is not None and not training.z.any():
        raise ValueError(
            f"the structures have features x of shape {tuple(x.shape)} and no atomic "
            "numbers; say what irreps they are, such as "
            f"arguments={{'irreps_in': '{x[0].numel()}x0e'}} for so many scalars"
        )


def _check_begun(
    begun: Mapping[str, Any], chosen: Mapping[str, Any], init: str | None
) -> None:
    """Refuse what is not as in the file that a run begins with."""
    for name, value in begun.items():
        other = chosen.get(name)
        if name != "network" and other is not None and other != value:
            raise ValueError(
                f"got {name}={other!r}, but the network of {init} has {value!r}; leave "
                "that to the file"
            )


def _arguments(
    known: Network, settings: Settings, training: Structures
) -> dict[str, Any]:
    """Those of a new network."""
    smooth = known.smooth if settings.weights else {}
    extensive = known.extensive if settings.weights else {}
    arguments = {**known.potential.network, **smooth, **extensive}
    arguments.pop("head", None)
    arguments["cutoff"] = None if math.isinf(settings.cutoff) else settings.cutoff
    if "species" in inspect.signature(known.model).parameters:
        arguments["species"] = training.z.unique().tolist()
    return arguments


def target_of(settings: Settings, dataset: str, unit: str = "") -> Target:
    """What a run on structures of one's own predicts."""
    if settings.weights:
        return Target(dataset, ENERGY, "meV", 1000.0)
    return Target(dataset, settings.target, unit)


def _present(training: Structures) -> list[str]:
    """Labels that any structure has."""
    labels = training.labels.items()
    return [name for name, value in labels if not bool(torch.isnan(value).all())]


def _potential_labels(labels: list[str], target: str | None) -> list[str]:
    if target not in (None, ENERGY):
        return []
    if target == ENERGY and ENERGY in labels:
        return [ENERGY]
    if ENERGY not in labels and FORCES not in labels:
        return []
    return [name for name in POTENTIAL if name in labels]


def _check_weights(
    weights: Mapping[str, float], potential: list[str]
) -> dict[str, float]:
    unknown = [name for name in weights if name not in potential]
    if unknown:
        raise ValueError(
            f"got a weight of {', '.join(unknown)}, but there are labels of "
            f"{', '.join(potential) or 'no potential'} to train on"
        )
    return dict(weights)


def _single(labels: list[str], target: str | None) -> str:
    if target is None and len(labels) == 1:
        return labels[0]
    if target not in labels:
        raise ValueError(
            f"got target {target!r}, expected one of {', '.join(labels) or 'no labels'}"
        )
    return target


def _head(training: Structures, target: str, network: Mapping[str, Any] | None) -> str:
    """The head that predicts labels of such a shape."""
    shape = training.labels[target].shape
    each = shape[0] != len(training.sizes)
    if (network or {}).get("irreps_out") is not None:
        return "node" if each else "sum"
    inner = math.prod(shape[1:])
    if inner == 1:
        return "node" if each else "mean"
    if inner == 3:
        return "vector" if each else "dipole"
    raise ValueError(
        f"labels {target!r} have shape {tuple(shape)}: say what is predicted, such as "
        "arguments={'irreps_out': 'ij=ji'} for symmetric tensors"
    )
