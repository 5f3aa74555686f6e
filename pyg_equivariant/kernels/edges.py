"""What kernels derive from the edges of a graph, remembered while ``edge_index`` lives.

Edges changed in place are noticed, whoever changed them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from pyg_equivariant.o3 import check_device, check_tensor

from .dispatch import is_plain_call, recording, transformed

Result = TypeVar("Result")

_GRAPHS = 24  # remembered at most; a layer of SEGNN derives two graphs from its own
_MOST_NODES = 2**31 - 1  # a pair of them is one number
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class _Graph(NamedTuple):
    """Edges as they were, and what was derived from them.

    Attributes:
        storage: of the tensor that holds them.
        version: how often torch had written to it; unknown of inference tensors.
        edges: their copy, int64.
        results: by function and numbers of nodes.
    """

    storage: StorageWeakRef
    version: int | None
    edges: Tensor
    results: dict[tuple[Any, ...], Any]

    def is_of(self, edge_index: Tensor) -> bool:
        """Whether the edges are still the same.

        Torch counts what it writes, but numpy, ``.data`` and others write unseen, so
        the edges themselves are compared. On other devices than the CPU that waits for
        the device, and torch is trusted where autograd trusts it, in a backward pass,
        and while a CUDA graph is captured.
        """
        device = edge_index.device.type
        if device != "cpu":
            if _version(edge_index) != self.version:
                return False
            if recording(device) or torch._C._current_graph_task_id() >= 0:
                return True
        return torch.equal(self.edges, edge_index.long())


def _version(t: Tensor) -> int | None:
    return None if t.is_inference() else t._version


_graphs: OrderedDict[tuple[object, ...], _Graph] = OrderedDict()
_lock = threading.Lock()


def remembered(
    derive: Callable[..., Result], edge_index: Tensor, *sizes: int | None
) -> Result:
    """``derive(edge_index, *sizes)``, found once for every graph.

    Args:
        derive: returns something that depends on its arguments alone; it gets the edges
            in int64.
        edge_index: sources and targets of edges, ``(2, |E|)``.
        *sizes: number of sources and of targets, if the result depends on them;
            ``None`` where nobody reads those ends.

    Raises:
        ValueError: if the edges are not two rows of integers.
        IndexError: if an edge points outside.
        RuntimeError: if it is not known yet, and a CUDA graph is captured.

    Example:
        >>> edge_index = torch.tensor([[0, 1, 1], [1, 0, 2]])
        >>> degrees = lambda edges: edges[1].bincount()
        >>> remembered(degrees, edge_index)
        tensor([1, 1, 1])
        >>> remembered(degrees, edge_index) is remembered(degrees, edge_index)
        True
    """
    if torch.compiler.is_compiling():
        return derive(edge_index.long(), *sizes)
    graph = _known(edge_index)
    key = (derive, *sizes)
    if key not in graph.results:
        _check_not_recording(edge_index)
        _check_nodes(graph.edges, sizes)
        # Autograd does not keep tensors of the inference mode, which may be on.
        with torch.inference_mode(False):
            graph.results[key] = derive(graph.edges, *sizes)
    result: Result = graph.results[key]
    return result


def _check_not_recording(edge_index: Tensor) -> None:
    if recording(edge_index.device.type):
        raise RuntimeError(
            "the order of edges is not found while a CUDA graph is captured; call the "
            "convolution and its derivatives once before, with the same edge_index"
        )


def _check_nodes(edges: Tensor, sizes: tuple[int | None, ...]) -> None:
    for name, row, size in zip(("source", "target"), edges, sizes, strict=False):
        if size is None:
            continue
        if len(row) and not 0 <= int(row.min()) <= int(row.max()) < size:
            raise IndexError(
                f"edge_index names {name} nodes from {int(row.min())} to "
                f"{int(row.max())}, but there are {size}"
            )


def check_edge_index(
    edge_index: Tensor, like: Tensor | None = None, owner: str = "x"
) -> None:
    """Refuse what is no ``edge_index``.

    Args:
        edge_index: sources and targets of edges.
        like: a tensor that it meets, on whose device it must be.
        owner: what the caller named that.

    Raises:
        TypeError: if it is no tensor.
        ValueError: if it is not two rows of integers, or elsewhere.
    """
    check_tensor(edge_index, "edge_index")
    if edge_index.dim() != 2 or edge_index.shape[0] != 2:
        raise ValueError(f"expected edge_index (2, |E|), got {tuple(edge_index.shape)}")
    if edge_index.dtype not in _INTEGERS:
        raise ValueError(f"expected integers in edge_index, got {edge_index.dtype}")
    if like is not None:
        check_device(edge_index, like, "edge_index", owner)


def check_nodes(edge_index: Tensor, num_sources: int | None, num_targets: int) -> None:
    """Refuse edges of nodes that are not there, before torch gathers them.

    The numbers are looked at once for every graph, on the CPU, where nobody compiles or
    transforms; other devices refuse them themselves. ``None`` sources are not read.

    Raises:
        IndexError: if an edge points outside.
    """
    on_cpu = edge_index.device.type == "cpu"
    if on_cpu and is_plain_call(edge_index) and not transformed():
        remembered(_nothing, edge_index, num_sources, num_targets)


def _nothing(edge_index: Tensor, *sizes: int | None) -> None:
    """What is derived where edges are checked only."""


def _known(edge_index: Tensor) -> _Graph:
    """What is known of a graph; so far nothing, if it is new."""
    check_edge_index(edge_index)
    where = (edge_index.device, edge_index.data_ptr(), edge_index.dtype)
    key = (*where, *edge_index.shape, *edge_index.stride())
    with _lock:
        graph = _graphs.get(key)
        if graph and not graph.storage.expired() and graph.is_of(edge_index):
            _graphs.move_to_end(key)
            return graph
    return _new_graph(key, edge_index)


def _new_graph(key: tuple[object, ...], edge_index: Tensor) -> _Graph:
    _check_not_recording(edge_index)
    with _lock:
        while gone := [k for k, graph in _graphs.items() if graph.storage.expired()]:
            for k in gone:  # with them go graphs that were derived from them
                del _graphs[k]
    with torch.inference_mode(False):
        edges = edge_index.to(torch.int64, copy=True).contiguous()
    storage = StorageWeakRef(edge_index.untyped_storage())
    graph = _Graph(storage, _version(edge_index), edges, {})
    with _lock:
        _graphs[key] = graph
        _graphs.move_to_end(key)
        while len(_graphs) > _GRAPHS:
            _graphs.popitem(last=False)
    return graph


def ends(edge_index: Tensor, num_sources: int, num_targets: int) -> Tensor:
    """The graph from nodes to edges: first from senders, then from receivers.

    Numbers of receivers begin after the last sender: ``(2, 2 |E|)``. Remembered.

    Example:
        >>> ends(torch.tensor([[1, 2], [0, 0]]), 3, 1)
        tensor([[1, 2, 3, 3],
                [0, 1, 0, 1]])
    """
    return remembered(_ends, edge_index, num_sources, num_targets)


def _ends(edge_index: Tensor, num_sources: int, num_targets: int) -> Tensor:
    source, target = edge_index
    # A node that is not there becomes none, which operators refuse, not another one.
    is_source = (source >= 0) & (source < num_sources)
    is_target = (target >= 0) & (target < num_targets)
    senders = torch.where(is_source, source, -1)
    receivers = torch.where(is_target, target + num_sources, -1)
    edges = torch.arange(source.shape[0], device=source.device)
    return torch.stack([torch.cat([senders, receivers]), edges.repeat(2)])


def arrivals(edge_index: Tensor) -> Tensor:
    """The graph from edges to the nodes where they arrive, ``(2, |E|)``. Remembered.

    Example:
        >>> arrivals(torch.tensor([[1, 2], [0, 0]]))
        tensor([[0, 1],
                [0, 0]])
    """
    return remembered(_arrivals, edge_index)


def _arrivals(edge_index: Tensor) -> Tensor:
    target = edge_index[1]
    return torch.stack([torch.arange(target.shape[0], device=target.device), target])


class EdgePairs(NamedTuple):
    """Pairs of nodes that edges join, whichever way these point.

    Attributes:
        edge: an edge of every pair, ``(num_pairs,)``.
        pair: the pair of every edge, ``(|E|,)``.
    """

    edge: Tensor
    pair: Tensor


def edge_pairs(edge_index: Tensor) -> EdgePairs | None:
    """The pairs of a graph, remembered.

    ``None`` if there are more than three for four edges: then nothing is gained by
    computing once for every pair what both directions share. Also where they are not
    known cheaply: under ``torch.compile`` and torch.func, and on other devices than the
    CPU.

    Raises:
        TypeError: if ``edge_index`` is no tensor.
        ValueError: if the edges are not two rows of integers.
        IndexError: if a number of a node is negative.

    Example:
        >>> edge_pairs(torch.tensor([[1, 2, 0, 0], [0, 0, 1, 2]])).pair
        tensor([0, 1, 0, 1])
        >>> edge_pairs(torch.tensor([[1, 2], [0, 0]])) is None
        True
    """
    check_edge_index(edge_index)
    if edge_index.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    return None if transformed() else remembered(_pairs, edge_index)


def _pairs(edge_index: Tensor) -> EdgePairs | None:
    count = edge_index.shape[1]
    if count == 0:
        return None
    low, high = edge_index.aminmax(dim=0)
    if int(low.min()) < 0 or int(high.max()) > _MOST_NODES:
        raise IndexError(
            f"edge_index names nodes from {int(low.min())} to {int(high.max())}, "
            f"expected numbers from 0 to {_MOST_NODES} at most"
        )
    key = low * (high.max() + 1) + high
    keys, pair = key.unique(return_inverse=True)
    if 4 * len(keys) > 3 * count:
        return None
    edges = torch.arange(count, device=pair.device)
    edge = edges.new_empty(len(keys)).scatter_reduce(
        0, pair, edges, "amin", include_self=False
    )
    return EdgePairs(edge, pair)
