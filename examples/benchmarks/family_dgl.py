"""What the SE(3)-Transformer of its authors asks of DGL and of lie_learn.

A graph in plain torch, with the few operations that their modules call, and the
modules that they import from.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch_geometric.utils import scatter, softmax

from pyg_equivariant.o3 import clebsch_gordan


class Graph:
    """``dgl.DGLGraph``: edges from sources to destinations, and data on both."""

    def __init__(self, ends: Sequence[Any], batch: Tensor | None = None) -> None:
        self.source, self.target = (torch.as_tensor(end) for end in ends)
        if batch is None:
            batch = torch.zeros(int(max(map(torch.max, self.ends))) + 1).long()
        self.graph_of_node = batch
        self.ndata: dict[str, Tensor] = {}
        self.edata: dict[str, Tensor] = {}

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        return self.source, self.target

    @contextmanager
    def local_scope(self) -> Iterator[None]:
        kept = dict(self.ndata), dict(self.edata)
        yield
        self.ndata, self.edata = kept

    def apply_edges(self, function: Callable[[Edges], dict[str, Tensor]]) -> None:
        self.edata |= function(Edges(self))

    def update_all(
        self,
        message: Callable[[Edges], dict[str, Tensor]],
        reduce: tuple[str, str, str],
    ) -> None:
        how, name, out = reduce
        sent, size = message(Edges(self))[name], len(self.graph_of_node)
        self.ndata[out] = scatter(sent, self.target, 0, size, how)


class Edges:
    """What functions on edges see."""

    def __init__(self, graph: Graph) -> None:
        self.data = graph.edata
        self.src = Ends(graph.ndata, graph.source)
        self.dst = Ends(graph.ndata, graph.target)


class Ends:
    """The data of the nodes where edges begin, or end."""

    def __init__(self, data: dict[str, Tensor], index: Tensor) -> None:
        self.data, self.index = data, index

    def __getitem__(self, name: str) -> Tensor:
        return self.data[name].index_select(0, self.index)


def joined(graphs: Sequence[Graph]) -> Graph:
    """``dgl.batch``, without data: the callers set it anew."""
    ends: tuple[list[Tensor], list[Tensor]] = ([], [])
    first = 0
    for graph in graphs:
        for found, end in zip(ends, graph.ends, strict=True):
            found.append(end + first)
        first += len(graph.graph_of_node)
    sizes = torch.tensor([len(graph.graph_of_node) for graph in graphs])
    batch = torch.arange(len(graphs)).repeat_interleave(sizes)
    whole = Graph([torch.cat(end) for end in ends], batch)
    whole.ndata["x"] = torch.zeros(first, 3)
    whole.edata["d"] = torch.zeros(len(whole.source), 3)
    return whole


def dot(key: str, query: str, out: str) -> Callable[[Edges], dict[str, Tensor]]:
    """``dgl.function.e_dot_v``."""
    return lambda edges: {
        out: (edges.data[key] * edges.dst[query]).sum(-1, keepdim=True)
    }


def pooling(how: str) -> type:
    """``MaxPooling`` or ``AvgPooling``."""

    class Pooling:
        def __call__(self, graph: Graph, x: Tensor) -> Tensor:
            return scatter(x, graph.graph_of_node, 0, reduce=how)

        forward = __call__

    return Pooling


def edge_softmax(graph: Graph, x: Tensor) -> Tensor:
    return softmax(x, graph.target, num_nodes=len(graph.graph_of_node))


def dgl() -> dict[str, types.ModuleType]:
    """The modules by name."""
    contents: dict[str, dict[str, Any]] = {
        "dgl": {"DGLGraph": Graph, "batch": joined, "__version__": "0.5.3"},
        "dgl.function": {
            "mean": lambda message, out: ("mean", message, out),
            "sum": lambda message, out: ("sum", message, out),
            "e_dot_v": dot,
        },
        "dgl.nn": {},
        "dgl.nn.pytorch": {"GraphConv": None, "NNConv": None},
        "dgl.nn.pytorch.softmax": {"edge_softmax": edge_softmax},
        "dgl.nn.pytorch.glob": {
            "MaxPooling": pooling("max"),
            "AvgPooling": pooling("mean"),
        },
    }
    modules = {name: types.ModuleType(name) for name in contents}
    for name, values in contents.items():
        vars(modules[name]).update(values)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, modules[name])
    return modules


@cache
def intertwiner(degree: int, degree_in: int, degree_out: int) -> Tensor:
    """In place of one found numerically with lie_learn: ours, of the same norm."""
    coefficients = clebsch_gordan(degree_out, degree_in, degree, dtype=torch.float64)
    return coefficients.reshape(-1, 2 * degree + 1)
