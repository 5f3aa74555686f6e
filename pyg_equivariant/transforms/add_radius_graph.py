"""Neighbours within a cutoff, periodic images included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform

from pyg_equivariant.graph import check_search, radius, radius_graph
from pyg_equivariant.o3 import check_tensor

from ._graphs import GraphData, GraphTransform, graph_of

EdgeType = tuple[str, str, str]


@functional_transform("add_radius_graph")
class AddRadiusGraph(GraphTransform):
    r"""Joins all nodes closer than a cutoff (functional name: ``add_radius_graph``).

    Sets ``edge_index`` by :func:`~pyg_equivariant.graph.radius_graph`: strictly nearer
    than the cutoff, all periodic images, sorted, nothing left out. Attributes of
    earlier edges go.

    Where the data have a ``cell``, lattice vectors as rows, the graph is periodic along
    those directions that ``pbc`` marks, or all where there is no ``pbc``. Then
    ``edge_shift`` :math:`(|E|, 3)` counts the lattice vectors added to the source, and
    ``cell`` and ``pbc`` become :math:`(1, 3, 3)` and :math:`(1, 3)`, which batch to one
    per graph.

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
    ) -> None:
        check_search(cutoff, max_num_neighbors)
        self.cutoff = cutoff
        self.max_num_neighbors = max_num_neighbors
        self.loop = loop
        self.backend = backend
        self.edge_types = edge_types

    def forward(self, data: GraphData) -> GraphData:
        """Return ``data`` with its edges."""
        cell, pbc = _periodicity(data)
        for store, source, target in self._stores(data):
            pos = self.position(source)
            if source is target:
                edge_index, shift = radius_graph(
                    pos,
                    self.cutoff,
                    graph_of(source),
                    cell,
                    pbc,
                    self.max_num_neighbors,
                    self.loop,
                    backend=self.backend,
                )
            else:
                edge_index, shift = radius(
                    pos,
                    self.position(target),
                    self.cutoff,
                    graph_of(source),
                    graph_of(target),
                    cell,
                    pbc,
                    self.max_num_neighbors,
                )
            _replace_edges(store, edge_index)
            if cell is not None:
                # Zeros, too: graphs with and without periods make one batch.
                zeros = edge_index.new_zeros(edge_index.size(1), 3)
                store.edge_shift = zeros if shift is None else shift
        return data

    def _stores(self, data: GraphData) -> list[tuple[Any, Any, Any]]:
        if not isinstance(data, HeteroData):
            return [(data._store,) * 3]
        if not self.edge_types:
            raise ValueError(
                f"AddRadiusGraph needs edge_types=[(source, name, target), ...] for "
                f"HeteroData, whose node types are {data.node_types}"
            )
        for source, _, target in self.edge_types:
            unknown = {source, target} - set(data.node_types)
            if unknown:
                raise ValueError(
                    f"edge_types name nodes {sorted(unknown)}, expected some of "
                    f"{data.node_types}"
                )
        return [(data[t], data[t[0]], data[t[2]]) for t in self.edge_types]

    def __repr__(self) -> str:
        names = ("max_num_neighbors", "loop", "backend", "edge_types")
        others = "".join(
            f", {name}={value!r}"
            for name in names
            if (value := getattr(self, name)) not in (None, False)
        )
        return f"{type(self).__name__}({self.cutoff}{others})"


def _periodicity(data: GraphData) -> tuple[Tensor | None, Tensor | None]:
    """Cell and directions, one for each graph; they are brought to batch."""
    cell, pbc = getattr(data, "cell", None), getattr(data, "pbc", None)
    for name, x in (("cell", cell), ("pbc", pbc)):
        if x is not None:
            check_tensor(x, name)
    if cell is not None and cell.shape == (3, 3):
        data.cell = cell = cell.unsqueeze(0)
    if pbc is not None and pbc.shape == (3,):
        data.pbc = pbc = pbc.unsqueeze(0)
    return cell, pbc


def _replace_edges(store: Any, edge_index: Tensor) -> None:
    if "edge_index" in store:
        for name in store.edge_attrs():
            del store[name]
    store.edge_index = edge_index
