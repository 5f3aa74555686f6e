"""From points to rigid motions that carry the origin there."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_alike, check_real, quaternion_to_matrix, se3_log

from ._neighbor_graph import Graph


class LiftedGraph(NamedTuple):
    """Points as elements of SE(3), several for each, and the pairs of them."""

    edge_index: Tensor
    """(source, target) of every pair ``(2, |L|)``; element ``s`` of point ``i`` has the
    number ``i * num_lifts + s``"""
    logarithm: Tensor
    """that of every source's inverse times the target, ``(|L|, 6)``"""
    num_lifts: int
    """elements of a point"""

    def spread(self, rows: Tensor, within: float) -> Tensor:
        """One row for every pair.

        Args:
            rows: one for every edge of the graph of points.
            within: what pairs of one point have in their place.
        """
        rows = rows.repeat_interleave(self.num_lifts**2, dim=0)
        missing = self.logarithm.shape[0] - rows.shape[0]
        others = rows.new_full((missing, *rows.shape[1:]), within)
        return torch.cat([rows, others])


def lift(graph: Graph, q: Tensor) -> LiftedGraph:
    r"""Points as rigid motions :math:`u = (R(q), x)`, and logarithms of their pairs.

    .. math::
        a_{ij} = \log\big(u_j^{-1} u_i\big) = (\omega, \tau), \qquad
        \omega = \log\big(R_j^T R_i\big), \quad
        \tau = \mathbf{V}(\omega)^{-1} R_j^T (\vec{r}_i - \vec{r}_j)

    They are invariant under :math:`u \mapsto g u`, for every rigid motion :math:`g`.
    There is a pair for all elements of two points that an edge joins, and then for all
    different elements of one point.

    Args:
        graph: the points.
        q: quaternions ``(|V|, S, 4)``, of any length but zero, such as
            :func:`~pyg_equivariant.o3.rand_quaternion` draws them.

    Raises:
        TypeError: if quaternions are not real numbers, of the dtype of the positions.
        ValueError: if a shape or device does not fit, or edges lead from one set of
            points to another.

    Example:
        >>> from pyg_equivariant.graph import neighbor_graph
        >>> from pyg_equivariant.o3 import rand_quaternion
        >>> graph = neighbor_graph(torch.randn(3, 3), cutoff=None)
        >>> lifted = lift(graph, rand_quaternion(3, 2))
        >>> lifted.edge_index.shape, lifted.logarithm.shape
        (torch.Size([2, 30]), torch.Size([30, 6]))
    """
    _check(graph, q)
    (j, i), num_lifts = graph.edge_index.long(), q.shape[1]
    inverse = quaternion_to_matrix(q).transpose(-1, -2)  # [num_nodes, num_lifts, 3, 3]
    # From each element of the source to each of the target
    d = -graph.edge_vec()
    t = inverse[j] @ d[:, None, :, None]  # [num_edges, num_lifts, 3, 1]
    between = se3_log(
        _relative(q[j].unsqueeze(2), q[i].unsqueeze(1)), t.squeeze(-1).unsqueeze(2)
    )
    # From each element of a point to its others
    s, r = _different(num_lifts, q.device)
    within = se3_log(_relative(q[:, s], q[:, r]), q.new_zeros(q.shape[0], len(s), 3))
    logarithm = torch.cat([between.reshape(-1, 6), within.reshape(-1, 6)])
    # Their numbers
    each = torch.arange(num_lifts, device=q.device)
    every = torch.arange(q.shape[0], device=q.device).unsqueeze(-1) * num_lifts
    shape = (j.shape[0], num_lifts, num_lifts)
    sources = (j.view(-1, 1, 1) * num_lifts + each.view(1, -1, 1)).expand(shape)
    targets = (i.view(-1, 1, 1) * num_lifts + each.view(1, 1, -1)).expand(shape)
    ends = [
        torch.cat([a.reshape(-1), (every + b).reshape(-1)])
        for a, b in ((sources, s), (targets, r))
    ]
    return LiftedGraph(torch.stack(ends), logarithm, num_lifts)


def _relative(a: Tensor, b: Tensor) -> Tensor:
    """The quaternions of :math:`R(a)^T R(b)`."""
    a, b = torch.broadcast_tensors(a, b)
    w, v, z, u = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
    real = w * z + (v * u).sum(-1, keepdim=True)
    return torch.cat([real, w * u - z * v - torch.linalg.cross(v, u)], dim=-1)


def _different(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Both members of all ordered pairs of different numbers below ``count``."""
    first = torch.arange(count, device=device).repeat_interleave(count - 1)
    step = torch.arange(1, count, device=device).repeat(count)
    return first, (first + step) % max(count, 1)


def _check(graph: Graph, q: Tensor) -> None:
    check_real(q, "q")
    check_alike(pos=graph.pos, q=q)
    if q.dim() != 3 or q.shape[0] != graph.pos.shape[0] or q.shape[-1] != 4:
        raise ValueError(
            f"expected q ({graph.pos.shape[0]}, S, 4), quaternions of the elements of "
            f"each point, got shape {tuple(q.shape)}"
        )
    if not q.shape[1]:
        raise ValueError(f"expected one quaternion or more for each point, got {q}")
    if graph.sources is not None:
        raise ValueError(
            "these edges lead from one set of points to another, which cannot be "
            "lifted; join points of one set"
        )
