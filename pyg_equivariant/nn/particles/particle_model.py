"""What all networks of particles share: how they move a while later."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from pyg_equivariant.graph import Graph, neighbor_graph
from pyg_equivariant.o3 import check_real

from ..models import Pretrained
from ..module import check_dtype


class Particles(NamedTuple):
    """Particles of a batch of systems, and the edges between them."""

    graph: Graph
    """positions, systems and edges"""
    vel: Tensor
    """velocities ``(|V|, 3)``"""
    charge: Tensor
    """charges ``(|V|, 1)``"""
    edge_attr: Tensor
    """an invariant of every edge, such as the product of charges, ``(|E|, 1)``"""

    @property
    def pos(self) -> Tensor:
        """Positions ``(|V|, 3)``."""
        return self.graph.pos

    @property
    def edge_index(self) -> Tensor:
        """(source, target) of every edge, ``(2, |E|)``."""
        return self.graph.edge_index


class ParticleModel(Pretrained):
    """Base of the networks that tell where particles will be.

    ``model(pos, vel, charge, edge_index, edge_attr, batch)`` gives positions; a network
    defines :meth:`move`.

    Example:
        >>> import torch
        >>> class Stay(ParticleModel):
        ...     def move(self, particles):
        ...         return particles.pos
        >>> pos, vel, charge = torch.randn(5, 3), torch.randn(5, 3), torch.ones(5, 1)
        >>> torch.equal(Stay()(pos, vel, charge), pos)
        True
    """

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor,
        edge_index: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """The positions ``(|V|, 3)`` a while later.

        Args:
            pos: positions ``(|V|, 3)``.
            vel: velocities ``(|V|, 3)``.
            charge: charges, masses or what else there is one of, ``(|V|, 1)``.
            edge_index: edges (source, target); by default all pairs of a system.
            edge_attr: an invariant of every edge, ``(|E|, 1)``; by default the product
                of the charges.
            batch: the system of every particle; one system by default.
            batch_size: number of systems, if known; saves a look at ``batch``.
        """
        check_real(pos, "pos")
        parameter = next(self.parameters(), pos)
        check_dtype(pos, parameter, "pos")
        if edge_attr is not None and edge_index is None:
            raise ValueError(
                "edge_attr belongs to edges that are given, but edge_index is None"
            )
        graph = neighbor_graph(pos, None, batch, edge_index, batch_size=batch_size)
        rows = pos.shape[0], graph.edge_index.shape[1]
        _check(vel, "vel", pos, (rows[0], 3), "row of pos")
        _check(charge, "charge", pos, (rows[0], 1), "row of pos")
        if edge_attr is None:
            j, i = graph.edge_index.long()
            edge_attr = charge.index_select(0, j) * charge.index_select(0, i)
        _check(edge_attr, "edge_attr", pos, (rows[1], 1), "edge of edge_index")
        return self.move(Particles(graph, vel, charge, edge_attr))

    def move(self, particles: Particles) -> Tensor:
        """The positions ``(|V|, 3)`` a while later."""
        raise TypeError(f"{type(self).__name__} does not define move()")


def _check(
    x: Tensor, name: str, pos: Tensor, shape: tuple[int, int], each: str
) -> None:
    """Refuse what does not have a row for each particle, or edge."""
    check_real(x, name)
    check_dtype(x, pos, name)
    if x.shape != shape:
        raise ValueError(
            f"expected {name} {shape}, one row for each {each}, got shape "
            f"{tuple(x.shape)}"
        )
