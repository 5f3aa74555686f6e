"""Angles and torsions of edges that follow one another, without inverse functions."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import safe_normalize, widen


def bond_cosines(edge_vec: Tensor, triplets: Tensor) -> Tensor:
    r"""Cosines of the angles :math:`k \to j \to i` between the bonds of :math:`j`.

    The angle is at :math:`j`, between :math:`\vec r_{kj}` and :math:`\vec r_{ij}`: 180
    degrees if the three are in line, :math:`j` in the middle. Its derivatives exist
    everywhere; where two atoms coincide the cosine is 0.

    Args:
        edge_vec: vectors from target to source ``(|E|, 3)``.
        triplets: as :func:`~pyg_equivariant.graph.triplets` finds them.

    Example:
        >>> edge_vec = torch.tensor([[-1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [-3.0, 0, 0]])
        >>> bond_cosines(edge_vec, torch.tensor([[1, 2], [0, 0]])).abs()
        tensor([0., 1.])
    """
    kj, ji = triplets
    direction = safe_normalize(edge_vec)
    return -(direction.index_select(0, kj) * direction.index_select(0, ji)).sum(-1)


def target_cosines(edge_vec: Tensor, triplets: Tensor) -> Tensor:
    r"""Cosines of the angles at :math:`i` between :math:`j` and :math:`k`.

    As the first code of DimeNet has them.

    Args:
        edge_vec: vectors from target to source ``(|E|, 3)``.
        triplets: as :func:`~pyg_equivariant.graph.triplets` finds them.

    Example:
        >>> edge_vec = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        >>> target_cosines(edge_vec, torch.tensor([[1], [0]]))
        tensor([0.7071])
    """
    kj, ji = triplets
    near = edge_vec.index_select(0, ji)
    far = safe_normalize(near + edge_vec.index_select(0, kj))
    return (safe_normalize(near) * far).sum(-1)


def torsion_phases(
    edge_vec: Tensor, triplets: Tensor, edge_weight: Tensor | None = None
) -> Tensor:
    r"""Torsions :math:`k \to j \to i` as :math:`\sin\theta\, e^{i \varphi}`.

    :math:`\theta` is the angle; :math:`\varphi` turns the plane of :math:`i, j, k`
    about the bond :math:`j \to i` into that of another neighbor :math:`n` of
    :math:`j`. Its sign tells mirror images apart.

    Without ``edge_weight`` :math:`n` is the first that it meets, as in SphereNet:
    :math:`0 < \varphi \le 2\pi`, and :math:`2\pi` if there is no other. Neighbors are
    sorted about each bond to find it, and their pairs never formed. It jumps where
    another comes first; two within the rounding of one plane count as one, at 0.

    With ``edge_weight``, which goes to zero at a cutoff, there is no first: the plane
    is that of all others together, and the torsion smooth in all positions. With
    :math:`\vec p_k = \hat r_{ij} \times \hat r_{kj}` and
    :math:`\vec q = \sum_{n \ne k} f_{nj}\, \vec p_n`

    .. math::
        \sin\theta\, e^{i\varphi} \to \frac{\vec p_k \cdot \vec q + i\,
        (\vec p_k \times \vec q) \cdot \hat r_{ij}}{\sqrt{1 + |\vec q|^2}}.

    Args:
        edge_vec: vectors from target to source ``(|E|, 3)``.
        triplets: as :func:`~pyg_equivariant.graph.triplets` finds them, those of an
            edge together.
        edge_weight: a weight of every edge ``(|E|,)``.

    Returns:
        ``(|T|, 2)``.

    Example:
        >>> edge_vec = torch.tensor([[0.0, 0.0, -1.0], [1.0, 0.0, 1.0], [0.0, 2.0, 0]])
        >>> torsion_phases(edge_vec, torch.tensor([[1, 2], [0, 0]])).round(decimals=4)
        tensor([[ 0.0000,  0.7071],
                [ 0.0000, -1.0000]])
    """
    kj, ji = triplets
    direction = safe_normalize(widen(edge_vec))
    axis = -direction.index_select(0, ji)
    normal = torch.linalg.cross(axis, direction.index_select(0, kj))
    if edge_weight is None:
        with torch.no_grad():
            first = _first_met(axis, normal, ji, direction.shape[0])
        other = normal.index_select(0, first)
        square = (other * other).sum(-1) + torch.finfo(other.dtype).eps
    else:
        weighted = widen(edge_weight).index_select(0, kj).unsqueeze(-1) * normal
        total = torch.zeros_like(direction).index_add(0, ji, weighted)
        other = total.index_select(0, ji) - weighted
        square = (other * other).sum(-1) + 1
    along = (normal * other).sum(-1)
    across = (torch.linalg.cross(normal, other) * axis).sum(-1)
    phase = torch.stack([along, across], dim=-1) / square.sqrt().unsqueeze(-1)
    return phase.to(edge_vec.dtype)


def _first_met(axis: Tensor, normal: Tensor, ji: Tensor, edges: int) -> Tensor:
    """For every triplet the one of the same edge that a turn about it meets first."""
    angle = _angles(axis, normal)
    order = angle.argsort(stable=True)
    order = order.index_select(0, ji.index_select(0, order).argsort(stable=True))
    sizes = ji.new_zeros(edges).index_add(0, ji, torch.ones_like(ji))
    end = sizes.cumsum(0)
    begin, end = (end - sizes).index_select(0, ji), end.index_select(0, ji)
    place = torch.arange(ji.shape[0], device=ji.device)
    after = torch.where(place + 1 < end, place + 1, begin)
    before = torch.where(place > begin, place - 1, end - 1)
    # in one plane with the one before, up to rounding
    sorted_angle = angle.index_select(0, order)
    gap = (sorted_angle - sorted_angle.index_select(0, before)).abs()
    close = torch.minimum(gap, 2 * torch.pi - gap) < torch.finfo(gap.dtype).eps ** 0.5
    first = order.index_select(0, torch.where(close, before, after))
    return torch.empty_like(first).scatter(0, order, first)


def _angles(axis: Tensor, normal: Tensor) -> Tensor:
    """Where normals point in the plane across an axis, from anywhere."""
    least = axis.abs().argmin(dim=-1, keepdim=True)
    start = torch.linalg.cross(axis, torch.zeros_like(axis).scatter(-1, least, 1.0))
    quarter = torch.linalg.cross(axis, start)
    return torch.atan2((normal * quarter).sum(-1), (normal * start).sum(-1))
