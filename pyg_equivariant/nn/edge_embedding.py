"""From positions to edges that know their geometry: what every layer reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.graph import Graph, neighbor_graph
from pyg_equivariant.kernels import edge_pairs, is_plain_call, spread_rows
from pyg_equivariant.o3 import (
    Irreps,
    IrrepsLike,
    check_device,
    check_real,
    check_size,
    check_tensor,
    safe_norm,
    widen,
)

from .module import check_dtype
from .spherical_harmonics import SphericalHarmonics


class Edges(NamedTuple):
    """The edges of a graph and what they carry, see :class:`EdgeEmbedding`."""

    graph: Graph
    """positions, connectivity and cell"""
    edge_vec: Tensor
    """vectors from the target to the source ``(|E|, 3)``"""
    edge_length: Tensor
    """their lengths ``(|E|,)``"""
    harmonics: Tensor | None
    """:attr:`edge_sh`, if there are any"""
    radial: Tensor | None
    """:attr:`edge_attr`, if there are any"""
    edge_weight: Tensor | None
    """the envelope ``(|E|,)``, if there is one"""
    pair: Tensor | None = None
    """which row of ``edge_length``, ``edge_attr`` and ``edge_weight`` belongs to each
    edge, if edges share rows"""

    @property
    def edge_sh(self) -> Tensor:
        """Harmonics of the edges, ``(|E|, irreps_sh.dim)``."""
        return _needed(self.harmonics, "edge_sh", "irreps_sh='0e+1o+2e'")

    @property
    def edge_attr(self) -> Tensor:
        """Radial features times the envelope, ``(|E|, edge_dim)``."""
        return _needed(self.radial, "edge_attr", "basis=BesselBasis(8, cutoff)")

    @property
    def edge_index(self) -> Tensor:
        """(source, target) of every edge, ``(2, |E|)``."""
        return self.graph.edge_index

    @property
    def pos(self) -> Tensor:
        """Positions of the nodes, of the targets if bipartite, ``(|V|, 3)``."""
        return self.graph.pos

    def spread(self, rows: Tensor) -> Tensor:
        """One row for every edge, where edges share rows."""
        return rows if self.pair is None else spread_rows(rows, self.pair)

    def node_attr(self, physical: Tensor | None = None) -> Tensor:
        """The attribute of SEGNN's nodes, see :func:`node_attributes`."""
        target, num_nodes = self.edge_index[1], self.pos.shape[0]
        given = (self.edge_sh, target, num_nodes, self.edge_weight)
        return node_attributes(*given, physical)


def _needed(x: Tensor | None, name: str, option: str) -> Tensor:
    """Return ``x``, or say which option of :class:`EdgeEmbedding` makes it."""
    if x is None:
        raise ValueError(
            f"these edges have no {name}; build them with EdgeEmbedding(..., {option})"
        )
    return x


def radial_features(
    edge_length: Tensor, basis: Callable[[Tensor], Tensor], weight: Tensor | None
) -> Tensor:
    """Lengths ``(|E|,)`` in a radial basis, times an envelope ``(|E|,)`` if any."""
    features = basis(edge_length)
    return features if weight is None else features * weight.unsqueeze(-1)


def node_attributes(
    edge_sh: Tensor,
    target: Tensor,
    num_nodes: int,
    weight: Tensor | None = None,
    physical: Tensor | None = None,
) -> Tensor:
    r"""The mean of the harmonics of the edges that arrive at each node.

    .. math::
        \mathbf{a}_i = \frac{1}{|\mathcal{N}(i)|} \sum_{j \in \mathcal{N}(i)}
        Y(\hat r_{ij}), \qquad \mathbf{a}_i = \frac{\sum_j f_{ij}\, Y(\hat r_{ij})}
        {\sqrt{1 + (\sum_j f_{ij})^2}}

    The first without, the second with an envelope :math:`f`: smooth also where the last
    neighbor leaves. The component of degree 0 is then set to 1, as in the code of
    `"Geometric and Physical Quantities Improve E(3) Equivariant Message Passing"
    <https://arxiv.org/abs/2110.02905>`_.

    Args:
        edge_sh: harmonics ``(|E|, dim)``, degree 0 first.
        target: the node where each edge arrives ``(|E|,)``.
        num_nodes: the number of nodes.
        weight: the envelope ``(|E|,)``.
        physical: added to the mean, such as the harmonics of velocities,
            ``(num_nodes, dim)``.

    Raises:
        TypeError: if an argument is no tensor, or of another dtype.
        ValueError: if a shape or a device does not fit.
        IndexError: if an edge arrives nowhere.

    Example:
        >>> edge_sh = torch.tensor([[1.0, 2.0], [1.0, 4.0]])
        >>> node_attributes(edge_sh, torch.tensor([0, 0]), num_nodes=2)
        tensor([[1., 3.],
                [1., 0.]])
    """
    _check(edge_sh, target, num_nodes, weight, physical)
    target = target.long()
    ones = torch.ones_like(edge_sh[:, 0]) if weight is None else weight
    ones = ones.unsqueeze(-1)
    both = widen(torch.cat([edge_sh * ones, ones], dim=-1))
    both = both.new_zeros(num_nodes, both.shape[1]).index_add(0, target, both)
    total, count = both[:, :-1], both[:, -1:]
    count = count.clamp(min=1) if weight is None else (1 + count.square()).sqrt()
    attr = (total / count).to(edge_sh.dtype)
    attr = attr if physical is None else attr + physical
    return torch.cat([torch.ones_like(attr[:, :1]), attr[:, 1:]], dim=-1)


def _check(
    edge_sh: Tensor,
    target: Tensor,
    num_nodes: int,
    weight: Tensor | None,
    physical: Tensor | None,
) -> None:
    """Refuse what does not belong to the same edges and nodes."""
    check_real(edge_sh, "edge_sh")
    if edge_sh.dim() != 2:
        raise ValueError(f"expected edge_sh (|E|, dim), got {tuple(edge_sh.shape)}")
    check_size(num_nodes, "num_nodes")
    check_tensor(target, "target")
    count = edge_sh.shape[0]
    if target.shape != (count,):
        raise ValueError(
            f"expected target ({count},), one node for each row of edge_sh, got "
            f"{tuple(target.shape)}"
        )
    check_device(target, edge_sh, "target", "edge_sh")
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise ValueError(f"expected numbers of nodes in target, got {target.dtype}")
    if target.device.type == "cpu" and is_plain_call(target) and count:
        low, high = (int(x) for x in target.aminmax())
        if not 0 <= low <= high < num_nodes:
            raise IndexError(
                f"target names nodes from {low} to {high}, but num_nodes={num_nodes}"
            )
    others = (
        ("weight", weight, (count,)),
        ("physical", physical, (num_nodes, edge_sh.shape[1])),
    )
    for name, x, shape in others:
        if x is None:
            continue
        check_real(x, name)
        if x.shape != shape:
            raise ValueError(f"expected {name} {shape}, got {tuple(x.shape)}")
        check_dtype(x, edge_sh, name)


class EdgeEmbedding(torch.nn.Module):
    r"""Finds the edges of atoms in space, and what layers read of them.

    .. math::
        \vec r_{ij} = \vec r_j - \vec r_i + \mathbf{s}_{ij} \mathbf{A}, \qquad
        Y(\hat r_{ij}), \qquad \mathbf{e}_{ij} = \mathbf{b}(r_{ij})\, f(r_{ij})

    Everything is differentiable in positions and cell: a network on these edges has
    forces and stress (:class:`~pyg_equivariant.nn.ForceField`). All convolutions are
    called alike from the result, ``x = conv.on_edges(x, edges)``, so that one may
    replace another.

    Args:
        cutoff: radius within which atoms are joined; ``None`` joins all pairs.
        basis: maps lengths :math:`(|E|)` to radial features :math:`\mathbf{b}`, such
            as :class:`~pyg_equivariant.nn.BesselBasis` (default: ``None``).
        envelope: the function :math:`f` of lengths, such as
            :class:`~pyg_equivariant.nn.PolynomialCutoff`, which makes a network smooth
            where neighbors come and go (default: ``None``).
        irreps_sh: irreps of the harmonics, such as ``"0e+1o+2e"`` (default: ``None``).
        normalization: of the harmonics (default: ``"component"``).

    Shapes:
        - **input:** positions :math:`(|V|, 3)`, graph of each atom :math:`(|V|)`, cell
          :math:`(3, 3)` or :math:`(B, 3, 3)`, as in
          :func:`~pyg_equivariant.graph.neighbor_graph`
        - **output:** :class:`~pyg_equivariant.nn.Edges`

    Raises:
        TypeError: if positions are not floating-point.
        ValueError: as :func:`~pyg_equivariant.graph.neighbor_graph`.

    Example:
        >>> from pyg_equivariant.nn.radial import BesselBasis
        >>> from pyg_equivariant.nn.cutoff import PolynomialCutoff
        >>> embed = EdgeEmbedding(
        ...     5.0, BesselBasis(8, 5.0), PolynomialCutoff(5.0), irreps_sh="0e+1o+2e"
        ... )
        >>> edges = embed(torch.tensor([[0.0, 0.0, 0.0], [0.0, 3.0, 4.0 - 1e-3]]))
        >>> edges.edge_sh.shape, edges.edge_attr.shape
        (torch.Size([2, 9]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        cutoff: float | None,
        basis: Callable[[Tensor], Tensor] | None = None,
        envelope: Callable[[Tensor], Tensor] | None = None,
        irreps_sh: IrrepsLike | None = None,
        normalization: str = "component",
    ) -> None:
        super().__init__()
        if cutoff is not None and not cutoff > 0:
            raise ValueError(f"cutoff is a positive length or None, got {cutoff}")
        self.cutoff = cutoff
        self.basis = basis
        self.envelope = envelope
        self.irreps_sh = None if irreps_sh is None else Irreps(irreps_sh)
        self.spherical_harmonics = None
        if irreps_sh is not None:
            self.spherical_harmonics = SphericalHarmonics(
                irreps_sh, normalization=normalization
            )

    def forward(self, pos: Tensor, batch: Tensor | None = None, **edges: Any) -> Edges:
        """The edges of atoms at ``pos``.

        Args:
            pos: positions.
            batch: the graph of each atom; one graph by default.
            edges: what else :func:`~pyg_equivariant.graph.neighbor_graph` takes:
                ``edge_index``, ``edge_shift``, ``cell``, ``pbc``, ``batch_size``.
        """
        return self.embed(neighbor_graph(pos, self.cutoff, batch, **edges))

    def embed(
        self,
        graph: Graph,
        by_pair: bool = False,
        distance: Callable[[Tensor, Tensor], Tensor] | None = None,
        apart: bool = False,
    ) -> Edges:
        """The edges of a graph that is there already.

        Args:
            graph: the graph, such as
                :func:`~pyg_equivariant.graph.pooling_graph` returns it.
            by_pair: compute radial features once for both directions of an edge, where
                that is known to be possible; see :attr:`Edges.pair`.
            distance: of the edges (source, target) and their lengths, the same in both
                directions: what the basis reads in place of the lengths.
            apart: leave the envelope to ``edge_weight`` alone.
        """
        edge_vec, edge_index = graph.edge_vec(), graph.edge_index
        edge_sh = None
        if self.spherical_harmonics is not None:
            edge_sh = self.spherical_harmonics(edge_vec)
        length, pair = safe_norm(edge_vec), None
        # periodic images of one pair of atoms have other lengths
        known = graph.vectors is not None or graph.sources is not None
        if by_pair and graph.edge_shift is None and not known:
            pairs = edge_pairs(edge_index)
            if pairs is not None:
                length, pair = length.index_select(0, pairs.edge), pairs.pair
                edge_index = edge_index.index_select(1, pairs.edge)
        weight = None if self.envelope is None else self.envelope(length)
        attr = None
        if self.basis is not None:
            read = length if distance is None else distance(edge_index, length)
            attr = radial_features(read, self.basis, None if apart else weight)
        return Edges(graph, edge_vec, length, edge_sh, attr, weight, pair)
