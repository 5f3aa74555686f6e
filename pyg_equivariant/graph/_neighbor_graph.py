"""A graph in space: who stands where, and who is whose neighbor."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.kernels import check_edge_index, check_nodes
from pyg_equivariant.o3 import check_tensor

from ._complete_graph import complete_graph
from ._edge_vectors import check_open, edge_vectors
from ._points import check_batch, check_cell, check_shift
from ._radius_graph import radius_graph


class Graph(NamedTuple):
    """The nodes of a batch of graphs, and the edges between them."""

    pos: Tensor
    """positions ``(|V|, 3)``"""
    batch: Tensor | None
    """the graph of every node, ``None`` for a single graph"""
    batch_size: int
    """the number of graphs"""
    edge_index: Tensor
    """(source, target) of every edge, ``(2, |E|)``"""
    edge_shift: Tensor | None = None
    """lattice vectors added to the source ``(|E|, 3)``, if periodic"""
    cell: Tensor | None = None
    """lattice vectors as rows, if periodic"""
    vectors: Tensor | None = None
    """vectors along the edges ``(|E|, 3)``, where they are known and need not be those
    between the positions"""
    sources: Tensor | None = None
    """positions of the nodes that edges come from, if they are not those of ``pos``"""

    def edge_vec(self) -> Tensor:
        """The vectors along the edges, see :func:`edge_vectors`."""
        if self.vectors is not None:
            return self.vectors
        pos = self.pos if self.sources is None else (self.sources, self.pos)
        return edge_vectors(
            pos, self.edge_index, self.edge_shift, self.cell, self.batch
        )

    def moved_to(self, pos: Tensor) -> Graph:
        """The same edges between nodes that are elsewhere now."""
        vectors = self.vectors
        if vectors is not None:
            vectors = vectors + edge_vectors(pos - self.pos, self.edge_index)
        return self._replace(pos=pos, vectors=vectors)


def neighbor_graph(
    pos: Tensor,
    cutoff: float | None,
    batch: Tensor | None = None,
    edge_index: Tensor | None = None,
    edge_shift: Tensor | None = None,
    cell: Tensor | None = None,
    pbc: Tensor | None = None,
    batch_size: int | None = None,
) -> Graph:
    """The :class:`Graph` of nodes in space, with the edges given or else found.

    Args:
        pos: positions ``(|V|, 3)``.
        cutoff: radius within which nodes are joined by :func:`radius_graph`; ``None``
            joins all pairs of a graph.
        batch: the graph of every node; one graph by default.
        edge_index: edges (source, target), if they are known.
        edge_shift: periodic images ``(|E|, 3)`` that ``edge_index`` joins.
        cell: lattice vectors as rows, ``(3, 3)`` or ``(num_graphs, 3, 3)``.
        pbc: along which of them the system is periodic, ``(3,)`` or
            ``(num_graphs, 3)`` (default: along all).
        batch_size: number of graphs, if known; saves a look at ``batch``.

    Raises:
        TypeError: if positions are not floating-point.
        ValueError: if shapes do not fit, or edges and periodic images do not fit each
            other.
        IndexError: if an edge points outside.

    Example:
        >>> pos = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
        >>> neighbor_graph(pos, cutoff=1.5).edge_index
        tensor([[1, 0],
                [0, 1]])
    """
    _check(pos, batch, batch_size)
    if edge_index is None:
        if edge_shift is not None:
            raise ValueError(
                "edge_shift belongs to edges that are given, but edge_index is None"
            )
        if cutoff is not None:
            edge_index, edge_shift = radius_graph(pos, cutoff, batch, cell, pbc)
        elif torch.as_tensor(cell is not None if pbc is None else pbc).any():
            raise ValueError(
                "a periodic system has no end of pairs; choose a cutoff, or pass "
                "edge_index, or pbc=False"
            )
        else:
            edge_index = complete_graph(len(pos), batch, pos.device)
    else:
        _check_given(pos, edge_index, edge_shift, cell)
        if edge_shift is None:
            check_open(cell, pbc)
    if edge_shift is None:
        cell = None
    if batch is None:
        batch_size = 1
    elif batch_size is None:
        batch_size = int(batch.max()) + 1 if len(batch) else 0
    return Graph(pos, batch, batch_size, edge_index, edge_shift, cell)


def _check_given(
    pos: Tensor, edge_index: Tensor, edge_shift: Tensor | None, cell: Tensor | None
) -> None:
    check_edge_index(edge_index, pos, "pos")
    check_nodes(edge_index, pos.shape[0], pos.shape[0])
    if edge_shift is not None:
        check_shift(edge_shift, edge_index)
    if cell is not None:
        check_cell(cell, pos)


def _check(pos: Tensor, batch: Tensor | None, batch_size: int | None) -> None:
    check_tensor(pos, "pos")
    if not pos.is_floating_point():
        raise TypeError(
            f"expected floating-point positions, got {pos.dtype}; convert them with "
            ".float()"
        )
    if pos.dim() != 2 or pos.shape[-1] != 3:
        raise ValueError(
            f"expected positions of shape (|V|, 3), got {tuple(pos.shape)}"
        )
    if batch is None:
        return
    check_tensor(batch, "batch")
    if batch.shape != pos.shape[:1]:
        raise ValueError(
            f"expected one row of batch for each of {pos.shape[0]} positions, got "
            f"shape {tuple(batch.shape)}"
        )
    check_batch(batch, pos, "batch", batch_size)
