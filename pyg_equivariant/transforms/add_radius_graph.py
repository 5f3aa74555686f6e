"""Neighbours within a cutoff, periodic images included."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch_geometric.data.datapipes import functional_transform

from pyg_equivariant.graph import check_search, radius, radius_graph

from ._add_edges import AddEdges, EdgeType, End, Found


@functional_transform("add_radius_graph")
class AddRadiusGraph(AddEdges):
    r"""Joins all nodes closer than a cutoff (functional name: ``add_radius_graph``).

    Sets ``edge_index`` by :func:`~pyg_equivariant.graph.radius_graph`: strictly nearer
    than the cutoff, all periodic images, sorted, nothing left out. Attributes of
    earlier edges go.

    Where the data have a ``cell``, lattice vectors as rows, the graph is periodic along
    those directions that ``pbc`` marks, or all where there is no ``pbc``. Then
    ``edge_shift`` :math:`(|E|, 3)` counts the lattice vectors added to the source, and
    ``cell`` and ``pbc`` become :math:`(1, 3, 3)` and :math:`(1, 3)`, which batch to one
    per graph. Graphs of one batch must agree on having a cell: where one has none,
    PyG's collation raises, or leaves out the cells of the others. ``periodic=True``
    gives those a cell of zeros, which is not periodic.

    Args:
        cutoff (float): The distance below which nodes are joined.
        max_num_neighbors (int, optional): Keep at most so many edges into each node,
            the nearest, with a warning if others are dropped. (default: :obj:`None`,
            keep all)
        loop (bool): Join each node to itself, too. (default: :obj:`False`)
        backend (str, optional): ``"torch"``, ``"vesin"`` or ``"pyg"``, where both ends
            are of one type. (default: the fastest that is installed)
        edge_types (sequence of (str, str, str), optional): For ``HeteroData``, the
            types of edges to make: ``("ligand", "near", "protein")`` leads from the
            first to the last. (default: :obj:`None`)
        periodic (bool): Give ``cell``, ``pbc`` and ``edge_shift`` to graphs without, so
            that molecules and crystals make one batch. (default: :obj:`False`)

    Shapes:
        - **input:** pos :math:`(|V|, 3)`; cell :math:`(3, 3)` or :math:`(1, 3, 3)`
        - **output:** edge_index :math:`(2, |E|)`, edge_shift :math:`(|E|, 3)`

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> AddRadiusGraph(1.5)(Data(pos=torch.tensor([[0.0, 0, 0], [1.0, 0, 0]])))
        Data(pos=[2, 3], edge_index=[2, 2])
    """

    def __init__(
        self,
        cutoff: float,
        max_num_neighbors: int | None = None,
        loop: bool = False,
        backend: str | None = None,
        edge_types: Sequence[EdgeType] | None = None,
        periodic: bool = False,
    ) -> None:
        check_search(cutoff, max_num_neighbors)
        self.cutoff = cutoff
        self.max_num_neighbors = max_num_neighbors
        self.loop = loop
        self.backend = backend
        self.edge_types = edge_types
        self.periodic = periodic

    def within(self, nodes: End, cell: Tensor | None, pbc: Tensor | None) -> Found:
        """Edges of a set of nodes."""
        given = nodes.pos, self.cutoff, nodes.batch, cell, pbc, self.max_num_neighbors
        return radius_graph(*given, self.loop, backend=self.backend)

    def between(
        self, source: End, target: End, cell: Tensor | None, pbc: Tensor | None
    ) -> Found:
        """Edges from one set of nodes to another."""
        ends = source.pos, target.pos, self.cutoff, source.batch, target.batch
        return radius(*ends, cell, pbc, self.max_num_neighbors)

    def __repr__(self) -> str:
        names = ("max_num_neighbors", "loop", "backend", "edge_types", "periodic")
        return self.describe(self.cutoff, *names)
