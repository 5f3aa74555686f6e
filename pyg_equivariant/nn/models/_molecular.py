"""What all networks share: from atoms to edges, and from features to predictions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.nn.inits import reset

from pyg_equivariant.graph._complete_graph import complete_graph
from pyg_equivariant.graph._edge_vectors import edge_vectors
from pyg_equivariant.graph._radius_graph import radius_graph
from pyg_equivariant.o3._vector import safe_norm

from ._pool import pool
from .heads import Head


class Graph(NamedTuple):
    """The atoms of a batch and the edges between them."""

    pos: Tensor
    batch: Tensor | None
    batch_size: int
    edge_index: Tensor
    edge_shift: Tensor | None
    cell: Tensor | None

    def edge_vec(self, pos: Tensor | None = None) -> Tensor:
        """Vectors along the edges, of the atoms where they are or of ``pos``."""
        pos = self.pos if pos is None else pos
        return edge_vectors(
            pos, self.edge_index, self.edge_shift, self.cell, self.batch
        )


class Features(NamedTuple):
    """What a network knows of every atom in the end."""

    x: Tensor
    """scalars (|V|, F)"""
    vec: Tensor | None
    """vectors (|V|, 3, C), if the network has any"""
    pos: Tensor
    """positions (|V|, 3), moved where the network moves them"""


class MolecularModel(torch.nn.Module):
    """Base of the networks: ``model(z, pos, batch)``.

    Args:
        cutoff: radius within which atoms are joined; ``None`` joins all pairs of atoms
            of a graph.
        head: turns features into predictions; ``None`` returns the features.
        mean: added to the prediction of every graph (or node).
        scale: multiplies the output of the head.
        atomref: one number per atomic number, or ``None``; joined to the prediction by
            the sum or mean that the head takes over atoms.
    """

    atomref: Tensor | None
    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        cutoff: float | None,
        head: Head | None,
        mean: float = 0.0,
        scale: float = 1.0,
        atomref: Tensor | None = None,
    ) -> None:
        super().__init__()
        if cutoff is not None and not cutoff > 0:
            raise ValueError(f"cutoff is a positive length or None, got {cutoff}")
        if atomref is not None and (head is None or head.reduce is None):
            raise ValueError(
                "atomref holds scalars of atoms, which this head does not predict"
            )
        if mean and head is not None and not head.invariant:
            raise ValueError(
                f"mean={mean} cannot be added to what turns with the molecule; pass 0"
            )
        self.cutoff = cutoff
        self.head = head
        self.register_buffer("mean", torch.as_tensor(float(mean)))
        self.register_buffer("scale", torch.as_tensor(float(scale)))
        if atomref is not None:
            atomref = torch.as_tensor(atomref, dtype=torch.get_default_dtype())
            atomref = atomref.flatten().clone()
        self.register_buffer("atomref", atomref)

    def reset_parameters(self) -> None:
        """Draw all parameters anew; mean, scale and atomref stay."""
        for module in self.children():
            reset(module)

    def forward(
        self,
        z: Tensor,
        pos: Tensor,
        batch: Tensor | None = None,
        edge_index: Tensor | None = None,
        edge_shift: Tensor | None = None,
        cell: Tensor | None = None,
        pbc: Tensor | None = None,
        batch_size: int | None = None,
        **inputs: Tensor | None,
    ) -> Tensor | Features:
        """Predict for every graph, or node, of a batch.

        Args:
            z: atomic numbers ``(|V|,)``, or features of the atoms where the network was
                built for such.
            pos: positions ``(|V|, 3)``.
            batch: the graph of every atom; one graph by default.
            edge_index: edges (source, target); by default all pairs within the cutoff.
            edge_shift: periodic images ``(|E|, 3)`` that ``edge_index`` joins.
            cell: lattice vectors as rows, ``(3, 3)`` or ``(num_graphs, 3, 3)``.
            pbc: along which of them the system is periodic, ``(3,)`` or
                ``(num_graphs, 3)``.
            batch_size: number of graphs, if known; saves a look at ``batch``.
            inputs: what else the network takes.
        """
        graph = self.graph(pos, batch, edge_index, edge_shift, cell, pbc, batch_size)
        features = self.represent(z, graph, **inputs)
        if self.head is None:
            return features
        out = self.head(features, z, graph.batch, graph.batch_size)
        out = out * self.scale + self.mean
        if self.atomref is not None and self.head.reduce is not None:
            reference = self.atomref[z].unsqueeze(-1)
            if self.head.reduce != "node":
                reduce = self.head.reduce
                reference = pool(reference, graph.batch, graph.batch_size, reduce)
            out = out + reference
        return out

    def graph(
        self,
        pos: Tensor,
        batch: Tensor | None = None,
        edge_index: Tensor | None = None,
        edge_shift: Tensor | None = None,
        cell: Tensor | None = None,
        pbc: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Graph:
        """The edges that :meth:`forward` uses, built unless they are given."""
        if not pos.is_floating_point() or pos.dim() != 2 or pos.shape[-1] != 3:
            raise ValueError(
                "expected floating-point positions of shape (|V|, 3), got "
                f"{pos.dtype} of shape {tuple(pos.shape)}"
            )
        if edge_index is None and self.cutoff is None:
            if pbc is not None and torch.as_tensor(pbc).any():
                raise ValueError("a periodic system has no end of pairs; set a cutoff")
            edge_index = complete_graph(len(pos), batch, pos.device)
        elif edge_index is None:
            assert self.cutoff is not None
            edge_index, edge_shift = radius_graph(pos, self.cutoff, batch, cell, pbc)
        if batch is None:
            batch_size = 1
        elif batch_size is None:
            batch_size = int(batch.max()) + 1 if len(batch) else 0
        return Graph(pos, batch, batch_size, edge_index, edge_shift, cell)

    def represent(self, z: Tensor, graph: Graph, **inputs: Tensor | None) -> Features:
        """The features of every atom."""
        raise TypeError(f"{type(self).__name__} does not define represent()")


def edge_lengths(edge_vec: Tensor) -> Tensor:
    """Lengths of edges, with finite derivatives at coincident atoms."""
    return safe_norm(edge_vec)
