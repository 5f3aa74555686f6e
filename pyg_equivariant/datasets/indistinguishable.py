"""Pairs of structures that differ, and that many networks cannot tell apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch_geometric.data import Data

Pair = tuple[Data, Data]


def chain_pair(length: int) -> Pair:
    r"""Two chains with ends that point to the same side, or to opposite ones.

    ``length`` atoms stand in a line and one more at either end is bent away from it.
    Bonds and the angles between them are the same in both chains. As :math:`\lfloor
    \text{length} / 2 \rfloor + 1` bonds lie between an end and the middle, a network
    must pass directions on that many times before one atom knows both ends, see `"On
    the Expressive Power of Geometric Graph Neural Networks"
    <https://arxiv.org/abs/2301.09308>`_.

    Args:
        length: the number of atoms in the line, at least 2.

    Returns:
        Two graphs of ``z``, ``pos`` and ``edge_index`` along bonds, both ways.

    Raises:
        ValueError: for a line of fewer than two atoms.

    Example:
        >>> cis, trans = chain_pair(4)
        >>> cis
        Data(edge_index=[2, 10], pos=[6, 3], z=[6])
        >>> cis.pos[0].tolist(), trans.pos[0].tolist()
        ([0.8, -0.6, 0.0], [-0.8, -0.6, 0.0])
    """
    _check(length, 2, "length")
    line = [[0.0, float(k), 0.0] for k in range(length)]
    end = [0.8, length - 1 + 0.6, 0.0]
    bonds = [(k, k + 1) for k in range(length + 1)]
    first, second = (_graph([[x, -0.6, 0.0], *line, end], bonds) for x in (0.8, -0.8))
    return first, second


def star_pair(fold: int) -> Pair:
    """A star of ``fold`` equal spokes, and the star turned by half of their angle.

    The two are rotations of each other, so that their invariants are equal. Irreps at
    the center differ where a degree of at least ``fold`` is at hand.

    Args:
        fold: the number of spokes.

    Returns:
        Two graphs; atom 0 is the center, and edges lead to it from the spokes.

    Raises:
        ValueError: for a star without spokes.

    Example:
        >>> star, turned = star_pair(2)
        >>> star.pos.round(decimals=3).tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]
        >>> turned.pos[1:].round(decimals=3).tolist()
        [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]
    """
    _check(fold, 1, "fold")
    first, second = (_environment(_spokes(fold, twist)) for twist in (0.0, 0.5))
    return first, second


def twisted_pair(fold: int) -> Pair:
    """Two stars on a common axis, spokes behind spokes or behind gaps.

    For ``fold=3`` these are eclipsed and staggered ethane. Bonds and angles between
    bonds agree; the torsions do not.

    Args:
        fold: the number of spokes of either star, at least 2.

    Returns:
        Two graphs of ``z``, ``pos`` and ``edge_index`` along bonds, both ways.

    Raises:
        ValueError: for stars of fewer than two spokes.

    Example:
        >>> eclipsed, staggered = twisted_pair(3)
        >>> eclipsed
        Data(edge_index=[2, 14], pos=[8, 3], z=[8])
    """
    _check(fold, 2, "fold")
    bonds = [(0, 1)]
    bonds += [(0, 2 + k) for k in range(fold)]
    bonds += [(1, 2 + fold + k) for k in range(fold)]
    pair = []
    for twist in (0.0, 0.5):
        near = _spokes(fold, 0.0, -0.3)
        far = [[x, y + 1.0, z] for x, y, z in _spokes(fold, twist, 0.3)]
        pair.append(_graph([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], *near, *far], bonds))
    return pair[0], pair[1]


def twin_environments(body_order: int) -> Pair:
    r"""Two neighborhoods of one atom with the same statistics of few atoms.

    ==============  ==================================================================
    ``body_order``  the same in both: how often there is, at the center,
    ==============  ==================================================================
    2               each distance of a neighbor
    3               each pair of neighbors: distances and angle
    4               each three neighbors: distances, angles and handedness
    ==============  ==================================================================

    They are no rotations or mirror images of each other: one more neighbor at a time
    tells them apart. Such pairs are due to `"Incompleteness of Atomic Structure
    Representations" <https://doi.org/10.1103/PhysRevLett.125.166001>`_. Those of order
    3 are here the sets :math:`\{0, 1, 3, 4\}` and :math:`\{0, 1, 2, 5\}` of a regular
    octagon, with the same differences. Those of order 4 are three corners of an octagon
    and, on a circle below, the same three one corner on, with one neighbor on the axis
    above or below: which of the triangles is nearer to it, only both triangles together
    and this neighbor say.

    Args:
        body_order: 2, 3 or 4; the center counts.

    Returns:
        Two graphs; atom 0 is the center, and edges lead to it from its neighbors.

    Raises:
        ValueError: for another body order.

    Example:
        >>> first, second = twin_environments(3)
        >>> torch.pdist(first.pos).sort().values.allclose(
        ...     torch.pdist(second.pos).sort().values
        ... )
        True
    """
    if body_order not in (2, 3, 4):
        raise ValueError(f"got body_order={body_order!r}, expected 2, 3 or 4")
    if body_order == 2:
        first, second = _corners([0, 2]), _corners([0, 4])
    elif body_order == 3:
        first, second = _corners([0, 1, 3, 4]), _corners([0, 1, 2, 5])
    else:
        triangles = [*_corners([0, 1, 3], 0.4), *_corners([1, 2, 4], -0.4)]
        first = [*triangles, [0.0, 1.0, 0.0]]
        second = [*triangles, [0.0, -1.0, 0.0]]
    return _environment(first), _environment(second)


def _corners(corners: list[int], height: float = 0.0) -> list[list[float]]:
    """Corners of an octagon about the y axis, at unit distance from the origin."""
    points = _spokes(8, 0.0, height)
    return [points[k] for k in corners]


def _spokes(fold: int, twist: float, height: float = 0.0) -> list[list[float]]:
    """Unit vectors about the y axis, turned by a part of the angle of two."""
    radius = math.sqrt(1 - height**2)
    angles = [2 * math.pi * (k + twist) / fold for k in range(fold)]
    return [[radius * math.sin(a), height, radius * math.cos(a)] for a in angles]


def _environment(neighbors: list[list[float]]) -> Data:
    """A center at the origin that hears from its neighbors."""
    count = len(neighbors) + 1
    edges = [(k, 0) for k in range(1, count)]
    return _graph([[0.0, 0.0, 0.0], *neighbors], edges, both_ways=False)


def _graph(
    pos: list[list[float]], bonds: list[tuple[int, int]], both_ways: bool = True
) -> Data:
    edge_index: Tensor = torch.tensor(bonds, dtype=torch.long).T.contiguous()
    if both_ways:
        edge_index = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    places = torch.tensor(pos, dtype=torch.float64)
    z = torch.ones(len(places), dtype=torch.long)
    return Data(z=z, pos=places, edge_index=edge_index)


def _check(number: int, least: int, name: str) -> None:
    if number < least:
        raise ValueError(f"got {name}={number!r}, expected at least {least}")
