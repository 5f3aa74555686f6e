"""When one fused operation may take the place of messages and their sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.typing import Adj, OptPairTensor, Size

from pyg_equivariant.kernels.dispatch import backend

_HOOKS = (
    "_propagate_forward_pre_hooks",
    "_propagate_forward_hooks",
    "_message_forward_pre_hooks",
    "_message_forward_hooks",
    "_aggregate_forward_pre_hooks",
    "_aggregate_forward_hooks",
)


def fuses(
    conv: MessagePassing, message: Callable[..., Any], edge_index: Adj, *used: Tensor
) -> bool:
    """Whether one compiled operation may take the place of messages and their sum.

    Args:
        conv: the layer, and ``conv.convolve`` the operation.
        message: the method that the operation stands for.
        edge_index: the edges.
        used: what the messages are made of.
    """
    return (
        unobserved(conv, message, edge_index)
        and backend(*used, kernels=("c", "triton")) != "plain"
    )


def unobserved(
    conv: MessagePassing, message: Callable[..., Any], edge_index: Adj
) -> bool:
    """Whether nobody would notice if the messages were never formed.

    Args:
        conv: the layer. Explanations, hooks, an aggregation other than the sum, methods
            replaced by a subclass or on the layer, and ``conv.fused = False`` ask for
            its messages.
        message: the method that makes them.
        edge_index: dense edges allow it, sparse matrices do not.
    """
    own = type(conv)
    return (
        conv.fused
        and conv.aggr in ("add", "sum")
        and not conv.explain
        and conv.decomposed_layers == 1
        and not any(getattr(conv, name) for name in _HOOKS)
        and own.message is message
        and own.aggregate is MessagePassing.aggregate
        and own.update is MessagePassing.update
        and not {"message", "aggregate", "update"} & vars(conv).keys()
        and isinstance(edge_index, Tensor)
        and edge_index.layout == torch.strided
    )


def directed(conv: MessagePassing, edge_index: Tensor) -> Tensor:
    """The edges as a plain tensor, from senders to receivers."""
    if hasattr(edge_index, "as_tensor"):  # torch_geometric.EdgeIndex
        edge_index = edge_index.as_tensor()
    return edge_index if conv.flow == "source_to_target" else edge_index.flip(0)


def num_receivers(conv: MessagePassing, x: OptPairTensor, size: Size) -> int:
    """The number of nodes that messages arrive at."""
    given = size[1 if conv.flow == "source_to_target" else 0] if size else None
    if given is not None:
        return given
    return x[0].shape[0] if x[1] is None else x[1].shape[0]


_LISTENERS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
)


def is_plain(module: torch.nn.Module, kind: type[torch.nn.Module]) -> bool:
    """Whether a module is of exactly that kind, and nothing listens to its calls."""
    return type(module) is kind and not any(getattr(module, n) for n in _LISTENERS)
