"""The nearest neighbors of every node, periodic images included."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch_geometric.data.datapipes import functional_transform

from pyg_equivariant.graph import check_neighbors, knn, knn_graph

from ._add_edges import AddEdges, EdgeType, End, Found


@functional_transform("add_knn_graph")
class AddKNNGraph(AddEdges):
    r"""Joins every node to its nearest (functional name: ``add_knn_graph``).

    Sets ``edge_index`` by :func:`~pyg_equivariant.graph.knn_graph`: ``k`` edges arrive
    at each node, or as many as there are others; sorted. Attributes of earlier edges
    go. Cells are dealt with as by :class:`AddRadiusGraph`.

    Args:
        k (int): The number of neighbors.
        loop (bool): Let each node be the first of its own neighbors.
            (default: :obj:`False`)
        edge_types (sequence of (str, str, str), optional): For ``HeteroData``, the
            types of edges to make: ``("point", "near", "center")`` leads from the
            ``k`` nearest points to each center. (default: :obj:`None`)
        periodic (bool): Give ``cell``, ``pbc`` and ``edge_shift`` to graphs without, so
            that molecules and crystals make one batch. (default: :obj:`False`)

    Shapes:
        - **input:** pos :math:`(|V|, 3)`; cell :math:`(3, 3)` or :math:`(1, 3, 3)`
        - **output:** edge_index :math:`(2, |E|)`, edge_shift :math:`(|E|, 3)`

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> AddKNNGraph(2)(Data(pos=torch.rand(5, 3)))
        Data(pos=[5, 3], edge_index=[2, 10])
    """

    def __init__(
        self,
        k: int,
        loop: bool = False,
        edge_types: Sequence[EdgeType] | None = None,
        periodic: bool = False,
    ) -> None:
        check_neighbors(k)
        self.k = k
        self.loop = loop
        self.edge_types = edge_types
        self.periodic = periodic

    def within(self, nodes: End, cell: Tensor | None, pbc: Tensor | None) -> Found:
        """Edges of a set of nodes."""
        return knn_graph(nodes.pos, self.k, nodes.batch, cell, pbc, self.loop)

    def between(
        self, source: End, target: End, cell: Tensor | None, pbc: Tensor | None
    ) -> Found:
        """Edges from one set of nodes to another."""
        ends = source.pos, target.pos, self.k, source.batch, target.batch
        return knn(*ends, cell, pbc)

    def __repr__(self) -> str:
        return self.describe(self.k, "loop", "edge_types", "periodic")
