"""Heads by name."""

from __future__ import annotations

from collections.abc import Callable

from ..activation import ActivationLike
from .heads import ExtensiveHead, Head
from .moment_heads import (
    DipoleHead,
    PolarizabilityHead,
    PositionHead,
    SpatialExtentHead,
    VectorHead,
)


def make_head(
    head: str | Head | None,
    scalar_head: Callable[[str], Head],
    channels: int,
    vec_channels: int,
    act: ActivationLike = "silu",
    moves: bool = False,
) -> Head | None:
    """The head of a name, for a network with so many scalars and vectors.

    Args:
        head: a name, a head of the caller's own, or ``None``. Names are ``"sum"``,
            ``"mean"``, ``"node"`` for scalars, and ``"extensive"`` for a sum over atoms
            with nothing after it, whatever the network's own head of sums does;
            ``"dipole"``, ``"dipole_magnitude"``, ``"polarizability"``,
            ``"isotropic_polarizability"``, ``"spatial_extent"``; ``"vector"`` where
            there are vectors; ``"pos"`` where the network moves the atoms.
        scalar_head: builds the network's own scalar head, given its ``reduce``.
        channels: number of scalars of an atom.
        vec_channels: number of vectors of an atom.
        act: activation inside.
        moves: whether the network moves the atoms.

    Raises:
        ValueError: if the name is unknown, or the network lacks what the head needs.
    """
    if head is None or isinstance(head, Head):
        return head
    sizes = channels, vec_channels, act
    moments: dict[str, Callable[[], Head]] = {
        "sum": lambda: scalar_head("sum"),
        "extensive": lambda: ExtensiveHead(scalar_head("node")),
        "mean": lambda: scalar_head("mean"),
        "node": lambda: scalar_head("node"),
        "dipole": lambda: DipoleHead(*sizes),
        "dipole_magnitude": lambda: DipoleHead(*sizes, True),
        "polarizability": lambda: PolarizabilityHead(*sizes),
        "isotropic_polarizability": lambda: PolarizabilityHead(*sizes, True),
        "spatial_extent": lambda: SpatialExtentHead(*sizes),
        "vector": lambda: VectorHead(*sizes),
        "pos": PositionHead,
    }
    if head not in moments:
        raise ValueError(
            f"head is one of {', '.join(moments)}, a Head or None; got {head!r}"
        )
    if head == "pos" and not moves:
        raise ValueError("head='pos' needs a network that moves the atoms")
    return moments[head]()
