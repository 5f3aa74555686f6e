"""Graphs of PyG with each attribute of all in one tensor, as data sets keep them."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage

_CLASSES = (Data, DataEdgeAttr, DataTensorAttr, GlobalStorage)  # of a saved graph


class Collated:
    """Graphs, each attribute of all in one tensor.

    Args:
        values: the tensors, by name.
        slices: where the rows of each graph begin in them, and, last, where all end.
        indices: which graphs are meant; all by default.

    Raises:
        ValueError: if the graphs have no positions.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        slices: Mapping[str, Tensor],
        indices: Iterable[int] | None = None,
    ) -> None:
        self._values = values
        self._slices = slices
        self.indices = None if indices is None else torch.tensor(list(indices))
        if "pos" not in values:
            raise ValueError(
                "structures need positions `pos`, the graphs have "
                f"{', '.join(sorted(values)) or 'nothing'}"
            )
        self.sizes = self._count("pos")

    def names(self) -> list[str]:
        """Of all attributes."""
        return list(self._values)

    def raw(self, name: str) -> Tensor:
        """An attribute as it is kept.

        Raises:
            TypeError: if it is no tensor.
            ValueError: if it is not there.
        """
        if name not in self._values:
            raise ValueError(
                f"the graphs have no {name!r}, only {', '.join(sorted(self.names()))}"
            )
        value = self._values[name]
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name!r} is a {type(value).__name__}, expected a tensor of numbers"
            )
        return value

    def _count(self, name: str) -> Tensor:
        """How many rows of an attribute each graph has."""
        return torch.as_tensor(self._slices[name]).diff()

    def read(self, name: str) -> Tensor:
        """An attribute: ``(N, ...)`` if it belongs to nodes, else ``(G, ...)``.

        Raises:
            TypeError: if it is no tensor.
            ValueError: if it is not there, or graphs have different numbers of rows
                that are not those of their nodes.
        """
        value, count = self.raw(name), self._count(name)
        if torch.equal(count, self.sizes):
            return value
        if len(count) and (count != count[0]).any():
            raise ValueError(
                f"{name!r} has {int(count.min())} to {int(count.max())} rows in a "
                "graph, expected as many as nodes, or as many in every graph"
            )
        rows = int(count[0]) if len(count) else 1
        return value if rows == 1 else value.view(-1, rows, *value.shape[1:])


def collate(
    graphs: InMemoryDataset | Sequence[Data] | str | Path,
) -> Collated:
    """Put graphs together; those of a data set without a transform are so already.

    Raises:
        TypeError: for anything else than a data set, graphs or a file of these.
        ValueError: if there are no graphs, or some lack what others have.
    """
    if isinstance(graphs, (str, Path)):
        graphs = _load(Path(graphs))
        if isinstance(graphs, Collated):
            return graphs
    if isinstance(graphs, InMemoryDataset) and graphs.transform is None:
        values = graphs._data.to_dict()
        if graphs.slices is not None:
            return Collated(values, graphs.slices, graphs._indices)
        graphs = [graphs._data]
    if isinstance(graphs, Data):
        graphs = [graphs]
    try:
        listed = [graphs[index] for index in range(len(graphs))]
    except TypeError:
        raise TypeError(
            "expected a data set of PyG, graphs or a file of these, got "
            f"{type(graphs).__name__}"
        ) from None
    return _join(listed)


def _load(path: Path) -> Any:
    """What ``torch.save``, or ``InMemoryDataset.save``, has written."""
    try:
        with torch.serialization.safe_globals(list(_CLASSES)):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path} holds something else than graphs of PyG, which could run code; if "
            "you trust it, open it as the data set that wrote it, and pass that"
        ) from None
    if isinstance(found, tuple) and len(found) in (2, 3):
        data, slices = found[:2]
        values = data if isinstance(data, dict) else data.to_dict()
        return _join([Data(**values)]) if slices is None else Collated(values, slices)
    return found


def _join(graphs: Sequence[Data]) -> Collated:
    for number, graph in enumerate(graphs):
        if not isinstance(graph, Data):
            raise TypeError(
                f"expected graphs of torch_geometric.data.Data, number {number} is a "
                f"{type(graph).__name__}"
            )
        other = set(graph.keys()) ^ set(graphs[0].keys())
        if other:
            raise ValueError(
                f"only one of graphs 0 and {number} has {', '.join(sorted(other))}; "
                "give all graphs the same attributes"
            )
    if not graphs:
        raise ValueError("got no graphs, expected one at least")
    if len(graphs) > 1:
        data, slices = InMemoryDataset.collate(graphs)
        return Collated(data.to_dict(), slices)
    values = {name: _rows(value) for name, value in graphs[0].to_dict().items()}
    ends = {name: torch.tensor([0, len(x)]) for name, x in values.items()}
    return Collated(values, ends)


def _rows(value: Any) -> Any:
    """A value of one graph, as if collated."""
    if isinstance(value, (int, float)):
        value = torch.tensor(value)
    if isinstance(value, Tensor):
        return value.view(1) if value.dim() == 0 else value
    return [value]
