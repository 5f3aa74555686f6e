"""The base of the convolutions: messages, or one kernel in their place."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Optional

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size
from torch_geometric.utils import is_sparse, to_edge_index

from pyg_equivariant.kernels import check_edge_index, check_nodes
from pyg_equivariant.o3 import Irreps, check_size, check_tensor, widen

from ..edge_embedding import Edges
from ._inputs import EQUIVARIANT_AGGR, check_edges


class EquivariantConv(MessagePassing):
    r"""Base of the convolutions, for those of your own, too.

    A layer says in ``message`` what its paper says. It may say in PyG's own
    ``message_and_aggregate`` how a kernel of :mod:`pyg_equivariant.kernels` sums
    the same messages without forming them. :meth:`sum_messages` takes the second way if
    PyG's own switch ``conv.fuse`` is on: where the layer has a kernel, messages are
    summed, and no subclass overrides ``message``, ``aggregate`` or ``update`` alone.

    PyG's explainers always get messages, and its hooks of messages switch ``fuse`` off.
    Hooks of the modules that make messages are not called where none are formed: set
    ``conv.fuse = False`` for those, or before a module of a layer is replaced by one of
    another kind.

    Attributes:
        irreps_in: irreps of the features that :meth:`on_edges` takes.
        irreps_out: irreps of those that it returns.
        fuse: whether a kernel takes the place of messages and their sum.
    """

    irreps_in: Irreps
    irreps_out: Irreps

    def __init__(self, aggr: Any = "add", **kwargs: Any) -> None:
        super().__init__(aggr=aggr, **kwargs)
        self.fuse = self.aggr in ("add", "sum") and _kernel_is_current(type(self))

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in self.children():
            reset(module)

    def on_edges(self, x: Any, edges: Edges) -> Tensor:
        """The layer with all that it reads of the edges taken from ``edges``.

        Every convolution is called alike here, so that one can replace another.

        Args:
            x: features of ``irreps_in``, ``(|V|, irreps_in.dim)``; the pair of those of
                sources and targets where edges lead from one set of nodes to another.
            edges: from :class:`~pyg_equivariant.nn.EdgeEmbedding`.

        Returns:
            Features of ``irreps_out``.
        """
        raise TypeError(f"{type(self).__name__} does not define on_edges()")

    def sum_messages(
        self, edge_index: Adj, x: OptPairTensor, size: Size = None, **inputs: Any
    ) -> Tensor:
        """The sum of the messages that arrive at every node.

        Args:
            edge_index: edges (source, target), or a sparse (transposed) adjacency
                matrix, whose values stand in for a missing ``edge_weight``.
            x: features (of the sources, of the targets).
            size: numbers of sources and of targets, where ``x`` does not tell.
            inputs: what else ``message`` takes, by name: tensors of the edges, and
                pairs of those of nodes.
        """
        edge_index, size, values = _dense(edge_index, size)
        if values is not None and inputs.get("edge_weight", values) is None:
            inputs["edge_weight"] = values
        check_edge_index(edge_index, x[0])
        check_edges(edge_index.shape[1], inputs)
        edges = self.directed(edge_index)
        dim_size = self._num_targets(edges, x, size)
        if not self.fuse or self.explain:
            check_nodes(edges, x[0].shape[0], dim_size)
            plain = self.propagate.__module__ == MessagePassing.__module__
            if plain and self.flow != "source_to_target":
                # Without a template PyG takes pairs in the order of edge_index
                x = x[::-1]
                inputs = {
                    name: value[::-1] if isinstance(value, tuple) else value
                    for name, value in inputs.items()
                }
            return self.propagate(edge_index.long(), x=x, size=size, **inputs)
        return self.message_and_aggregate(edges, x=x, dim_size=dim_size, **inputs)

    def aggregate(
        self,
        inputs: Tensor,
        index: Tensor,
        ptr: OptTensor = None,
        dim_size: Optional[int] = None,
    ) -> Tensor:
        """Join messages; numbers below float32 are summed in float32."""
        if self.aggr not in EQUIVARIANT_AGGR:
            return super().aggregate(inputs, index, ptr, dim_size)
        return super().aggregate(widen(inputs), index, ptr, dim_size).to(inputs.dtype)

    def _num_targets(self, edges: Tensor, x: OptPairTensor, size: Size) -> int:
        """The number of nodes where messages arrive."""
        sizes = [None if t is None else t.shape[0] for t in x]
        if size is not None:
            ends = size if self.flow == "source_to_target" else tuple(size)[::-1]
            for k, name in enumerate(("sources", "targets")):
                if sizes[k] is None or ends[k] is None:
                    continue
                if sizes[k] != ends[k]:
                    raise ValueError(
                        f"x has {sizes[k]} rows of {name}, but edge_index or size says "
                        f"{ends[k]}"
                    )
            sizes[1] = ends[1] if sizes[1] is None else sizes[1]
        found = sizes[0] if sizes[1] is None else sizes[1]
        assert found is not None
        check_size(found, "the number of targets in size")
        return found

    def directed(self, edge_index: Adj) -> Tensor:
        """Edges as a plain tensor, from where messages start to where they arrive."""
        edges = _dense(edge_index, None)[0]
        return edges if self.flow == "source_to_target" else edges.flip(0)


def _asks_for_messages(register: Callable[..., Any]) -> Callable[..., Any]:
    """A method that registers a hook, and has messages formed from then on."""

    @wraps(register)
    def registered(self: MessagePassing, hook: Callable[..., Any]) -> Any:
        self.fuse = False
        return register(self, hook)

    return registered


for _what in ("propagate", "message", "aggregate"):
    for _kind in ("forward_pre_hook", "forward_hook"):
        _name = f"register_{_what}_{_kind}"
        _method = _asks_for_messages(getattr(MessagePassing, _name))
        setattr(EquivariantConv, _name, _method)


def _dense(edge_index: Adj, size: Size) -> tuple[Tensor, Size, Tensor | None]:
    """Edges as a plain tensor, the size that a matrix tells, and its values."""
    if isinstance(edge_index, EdgeIndex):
        return edge_index.as_tensor(), size, None
    if not is_sparse(edge_index):
        check_tensor(edge_index, "edge_index")
        return edge_index, size, None
    (target, source), values = to_edge_index(edge_index)
    num_targets, num_sources = edge_index.size(0), edge_index.size(1)
    return torch.stack([source, target]), (num_sources, num_targets), values


def _kernel_is_current(kind: type[MessagePassing]) -> bool:
    """Whether the kernel computes the messages, which no subclass has changed since."""
    owners = kind.__mro__

    def owner(method: str) -> int:
        return next(n for n, cls in enumerate(owners) if method in vars(cls))

    kernel = owner("message_and_aggregate")
    return owners[kernel] is not MessagePassing and kernel <= min(
        map(owner, ("message", "aggregate", "update"))
    )
