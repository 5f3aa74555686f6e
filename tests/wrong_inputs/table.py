"""How a callable is described: its arguments, and what each of them is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

# What may become of a case.
REFUSED = "refused"  # one clear error
SAME = "same"  # as the valid call
SPREAD = "spread"  # as the valid call with the one row repeated
FREE = "free"  # another value, of which only the shape is known; or one clear error
THEIRS = "theirs"  # one error, of torch
EITHER = "either"  # as the valid call, or one clear error


@dataclass(frozen=True)
class Argument:
    """A valid argument of a callable.

    Attributes:
        value: a tensor, or anything else.
        kind: ``"real"`` numbers, ``"edges"`` (an ``edge_index``), ``"labels"`` (numbers
            of nodes, graphs or elements), ``"flags"``, ``"number"`` or ``"size"``.
        rows: what every row belongs to; arguments of one name have equally many. None
            where the number of rows is free.
        columns: whether the last dimension is fixed.
        alone: whether it meets no other tensor, so that dtype and device are free.
        valid: cases by name that are no mistakes, and what they give, with the reason.
        aliases: names under which errors may speak of it.
    """

    value: Any
    kind: str = "real"
    rows: str | None = None
    columns: bool = True
    alone: bool = False
    valid: dict[str, tuple[str, str]] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A callable with its valid arguments, by name."""

    call: Callable[..., Any]
    arguments: dict[str, Argument]


ENTRIES: dict[str, Callable[[], Entry]] = {}
MODULES: dict[str, str] = {}  # in which module of this package each is described


def entry(build: Callable[..., Entry], *names: str) -> None:
    """Add what ``build`` makes of each of the names."""
    for name in names:
        assert name not in ENTRIES, name
        MODULES[name] = _module_of(build)
        ENTRIES[name] = lambda name=name: build(name)  # type: ignore[misc]


def _module_of(build: Callable[..., Entry]) -> str:
    function = build.func if isinstance(build, partial) else build
    return function.__module__.rpartition(".")[2]


def real(*shape: int, **options: Any) -> Argument:
    """Random numbers, which belong to ``rows`` if that is said."""
    value = torch.randn(shape)
    return Argument(value, "real", **options)


def only(*shape: int, **options: Any) -> Argument:
    """Random numbers, the only tensor of a call without parameters."""
    return real(*shape, alone=True, **options)


def outcome(kind: str, reason: str, *cases: str) -> dict[str, tuple[str, str]]:
    """What some cases give, and why they are no mistakes."""
    return dict.fromkeys(cases, (kind, reason))


NODES, EDGES = 5, 9
# All nodes have an edge that leaves and one that arrives; loops and double edges occur.
EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 4, 4, 0, 2, 3], [1, 0, 1, 4, 3, 2, 2, 2, 4]])


def edges(**options: Any) -> Argument:
    """The edges of the graph on which all is tried."""
    return Argument(EDGE_INDEX.clone(), "edges", "edges", **options)


def positions(**options: Any) -> Argument:
    """Where its nodes are: near each other, none where another is."""
    corners = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1.0]])
    return Argument(corners + 0.1 * torch.randn(5, 3), "real", "nodes", **options)


def outputs_of(result: Any) -> list[Tensor]:
    """All tensors that a call returned."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in outputs_of(part)]
    return []
