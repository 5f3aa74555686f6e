"""What the transforms read of ``Data`` and ``HeteroData`` alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor
from torch_geometric.data import Data, HeteroData

from pyg_equivariant.graph import edge_vectors
from pyg_equivariant.o3 import check_tensor

GraphData: TypeAlias = Data | HeteroData


class Edges(NamedTuple):
    """One type of edges, and the nodes that they join; of ``Data`` all one store."""

    store: Any
    source: Any
    target: Any


def check_graph(data: Any, transform: object) -> None:
    """Raise TypeError unless ``data`` is a graph of PyG."""
    if not isinstance(data, (Data, HeteroData)):
        raise TypeError(
            f"{type(transform).__name__} needs a torch_geometric Data or HeteroData, "
            f"got {type(data).__name__}"
        )


def attribute_names(data: GraphData) -> set[str]:
    """The names of all attributes, of nodes, edges and graphs."""
    return {str(name) for store in data.stores for name in store}


def edge_stores(data: GraphData, transform: object) -> Iterator[Edges]:
    """The edges, by type; ValueError where there are none."""
    stores = [store for store in data.edge_stores if "edge_index" in store]
    if not stores:
        raise ValueError(
            f"{type(transform).__name__} needs edge_index, which the data do not have; "
            f"put AddRadiusGraph before it"
        )
    for store in stores:
        if isinstance(data, HeteroData):
            source, _, target = store._key
            yield Edges(store, data[source], data[target])
        else:
            yield Edges(store, store, store)


def position(store: Any, transform: object) -> Tensor:
    """The positions of the nodes; ValueError where there are none."""
    pos = getattr(store, "pos", None)
    if pos is None:
        kind = getattr(store, "_key", None)
        where = "data" if kind is None else f"nodes of type {kind!r}"
        raise ValueError(
            f"{type(transform).__name__} needs the positions `pos`, which the {where} "
            f"do not have; there are {sorted(store)}"
        )
    if isinstance(pos, Tensor):
        check_tensor(pos, "pos")
    if not isinstance(pos, Tensor) or not pos.is_floating_point():
        came = pos.dtype if isinstance(pos, Tensor) else type(pos).__name__
        raise ValueError(
            f"{type(transform).__name__} needs `pos` as a floating-point tensor, got "
            f"{came}"
        )
    if pos.dim() != 2 or pos.size(1) != 3:
        raise ValueError(
            f"{type(transform).__name__} needs `pos` of shape (|V|, 3), got "
            f"{tuple(pos.shape)}"
        )
    return pos


def graph_of(store: Any) -> Tensor | None:
    """The graph of each node in a batch; None in a single graph."""
    return getattr(store, "batch", None)


def number_of_graphs(data: GraphData) -> int:
    """The number of graphs in a batch; 1 for a single graph."""
    return int(getattr(data, "num_graphs", 1))


def vectors_along(data: GraphData, edges: Edges, transform: object) -> Tensor:
    """The vectors of the edges, anew from the positions."""
    source = position(edges.source, transform)
    pos = (source, position(edges.target, transform))
    return edge_vectors(
        pos,
        edges.store.edge_index,
        getattr(edges.store, "edge_shift", None),
        getattr(data, "cell", None),
        graph_of(edges.target),
    )
