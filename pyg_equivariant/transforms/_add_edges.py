"""What transforms that look for neighbors have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_equivariant.o3 import check_tensor

from ._graphs import GraphData, GraphTransform, graph_of, number_of_graphs

EdgeType = tuple[str, str, str]
Found = tuple[Tensor, Tensor | None]


class End(NamedTuple):
    """The nodes at one end of edges."""

    pos: Tensor
    batch: Tensor | None


class AddEdges(GraphTransform):
    """Base of those that set ``edge_index``, and ``edge_shift`` where there is a cell.

    A subclass finds the edges :meth:`within` the nodes of a type and :meth:`between`
    those of two.
    """

    edge_types: Sequence[EdgeType] | None
    periodic: bool

    def within(self, nodes: End, cell: Tensor | None, pbc: Tensor | None) -> Found:
        """Edges of a set of nodes."""
        raise TypeError(f"{type(self).__name__} does not define within()")

    def between(
        self, source: End, target: End, cell: Tensor | None, pbc: Tensor | None
    ) -> Found:
        """Edges from one set of nodes to another."""
        raise TypeError(f"{type(self).__name__} does not define between()")

    def forward(self, data: GraphData) -> GraphData:
        """Return ``data`` with its edges."""
        stores = self._stores(data)
        cell, pbc = _periodicity(data)
        if self.periodic and stores:
            cell, pbc = _complete(data, cell, pbc, self.position(stores[0][1]))
        for store, source, target in stores:
            nodes = End(self.position(source), graph_of(source))
            if source is target:
                edge_index, shift = self.within(nodes, cell, pbc)
            else:
                others = End(self.position(target), graph_of(target))
                edge_index, shift = self.between(nodes, others, cell, pbc)
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
                f"{type(self).__name__} needs edge_types=[(source, name, target), ...] "
                f"for HeteroData, whose node types are {data.node_types}"
            )
        for source, _, target in self.edge_types:
            unknown = {source, target} - set(data.node_types)
            if unknown:
                raise ValueError(
                    f"edge_types name nodes {sorted(unknown)}, expected some of "
                    f"{data.node_types}"
                )
        return [(data[t], data[t[0]], data[t[2]]) for t in self.edge_types]

    def describe(self, first: Any, *names: str) -> str:
        """A text that names the arguments which are not left out."""
        others = "".join(
            f", {name}={value!r}"
            for name in names
            if (value := getattr(self, name)) not in (None, False)
        )
        return f"{type(self).__name__}({first}{others})"


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


def _complete(
    data: GraphData, cell: Tensor | None, pbc: Tensor | None, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Cell and directions also of graphs that have none; those are not periodic."""
    count = number_of_graphs(data)
    if pbc is None:
        repeats = cell is not None
        pbc = torch.full((count, 3), repeats, device=like.device)
        data.pbc = pbc
    if cell is None:
        if bool(pbc.any()):
            raise ValueError(
                "pbc asks for periodic images, but there is no cell; set data.cell, "
                "(1, 3, 3) with lattice vectors as rows"
            )
        data.cell = cell = like.new_zeros(count, 3, 3)
    return cell, pbc


def _replace_edges(store: Any, edge_index: Tensor) -> None:
    if "edge_index" in store:
        for name in store.edge_attrs():
            del store[name]
    store.edge_index = edge_index
