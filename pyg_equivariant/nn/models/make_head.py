"""Heads by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import ActivationLike
from .heads import ExtensiveHead, Head
from .irreps_head import IrrepsHead
from .moment_heads import (
    DipoleHead,
    PolarizabilityHead,
    PositionHead,
    SpatialExtentHead,
    VectorHead,
)

REDUCE = {"sum": "sum", "extensive": "sum", "mean": "mean", "node": "node"}


class Asked(NamedTuple):
    """Irreps that a network is to predict."""

    irreps_out: IrrepsLike | None
    """these, or the formula of a Cartesian tensor, see :class:`IrrepsHead`"""
    cutoff: float | None
    """of the network"""
    irreps: Irreps | None = None
    """of the features of an atom, if others than scalars and vectors"""


def make_head(
    head: str | Head | None,
    scalar_head: Callable[[str], Head],
    channels: int,
    vec_channels: int,
    act: ActivationLike = "silu",
    moves: bool = False,
    asked: Asked | None = None,
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
        asked: irreps to predict; ``head`` is then ``"sum"``, ``"mean"``, ``"node"`` or
            ``"extensive"`` and says how atoms are joined.

    Raises:
        ValueError: if the name is unknown, or the network lacks what the head needs.
    """
    if asked is not None and asked.irreps_out is not None:
        scalars_and_vectors = Irreps([(channels, "0e"), (vec_channels, "1o")])
        return _irreps_head(head, asked, scalars_and_vectors)
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


def _irreps_head(
    head: str | Head | None, asked: Asked, scalars_and_vectors: Irreps
) -> Head:
    assert asked.irreps_out is not None
    if not isinstance(head, str) or head not in REDUCE:
        raise ValueError(
            f"irreps_out={asked.irreps_out!r} says what to predict; head then says how "
            f"atoms are joined, one of {', '.join(REDUCE)}; got {head!r}"
        )
    irreps = scalars_and_vectors if asked.irreps is None else asked.irreps
    irreps = irreps.remove_zero_multiplicities()
    return IrrepsHead(irreps, asked.irreps_out, asked.cutoff, REDUCE[head])
