"""What the transforms read of ``Data`` and ``HeteroData`` alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.transforms import BaseTransform

from pyg_equivariant.graph import check_open, edge_vectors
from pyg_equivariant.o3 import check_tensor

GraphData: TypeAlias = Data | HeteroData


class Edges(NamedTuple):
    """One type of edges, the nodes they arrive at, and their vectors, found anew."""

    store: Any
    target: Any
    vec: Tensor


class GraphTransform(BaseTransform):
    """Base of the transforms: reads ``Data`` and ``HeteroData`` alike."""

    def __call__(self, data: Any) -> Any:
        """Transform a shallow copy of a graph; TypeError for anything else."""
        if not isinstance(data, (Data, HeteroData)):
            raise TypeError(
                f"{type(self).__name__} needs a torch_geometric Data or HeteroData, "
                f"got {type(data).__name__}"
            )
        return super().__call__(data)

    def edges_of(self, data: GraphData) -> Iterator[Edges]:
        """The edges, by type; ValueError where there are none."""
        stores = [store for store in data.edge_stores if "edge_index" in store]
        if not stores:
            raise ValueError(
                f"{type(self).__name__} needs edge_index, which the data do not have; "
                f"put AddRadiusGraph before it"
            )
        cell, pbc = getattr(data, "cell", None), getattr(data, "pbc", None)
        for store in stores:
            source = target = store
            if isinstance(data, HeteroData):
                source, target = data[store._key[0]], data[store._key[2]]
            pos = self.position(source), self.position(target)
            shift = getattr(store, "edge_shift", None)
            if shift is None:
                check_open(cell, pbc)
            repeated = None if shift is None else cell
            vec = edge_vectors(pos, store.edge_index, shift, repeated, graph_of(target))
            yield Edges(store, target, vec)

    def position(self, store: Any) -> Tensor:
        """The positions of the nodes; ValueError where there are none."""
        pos = getattr(store, "pos", None)
        if pos is None:
            kind = getattr(store, "_key", None)
            where = "data" if kind is None else f"nodes of type {kind!r}"
            raise ValueError(
                f"{type(self).__name__} needs the positions `pos`, which the {where} "
                f"do not have; there are {sorted(store)}"
            )
        if isinstance(pos, Tensor):
            check_tensor(pos, "pos")
        if not isinstance(pos, Tensor) or not pos.is_floating_point():
            came = pos.dtype if isinstance(pos, Tensor) else type(pos).__name__
            raise ValueError(
                f"{type(self).__name__} needs `pos` as a floating-point tensor, got "
                f"{came}"
            )
        if pos.dim() != 2 or pos.size(1) != 3:
            raise ValueError(
                f"{type(self).__name__} needs `pos` of shape (|V|, 3), got "
                f"{tuple(pos.shape)}"
            )
        return pos

    def check_names(
        self, data: GraphData, argument: str, names: Iterable[str]
    ) -> set[str]:
        """All names of attributes; ValueError unless ``names`` are among them."""
        known = {str(name) for store in data.stores for name in store}
        missing = sorted(set(names) - known)
        if missing:
            raise ValueError(
                f"{type(self).__name__}({argument}=...) names {missing}, which the "
                f"data do not have; there are {sorted(known)}"
            )
        return known


def graph_of(store: Any) -> Tensor | None:
    """The graph of each node in a batch; None in a single graph."""
    return getattr(store, "batch", None)


def number_of_graphs(data: GraphData) -> int:
    """The number of graphs in a batch; 1 for a single graph."""
    return int(getattr(data, "num_graphs", 1))
