"""The sum of messages at the nodes where they arrive."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_size

from ..dispatch import backend
from ..edges import arrivals, check_edge_index, check_nodes
from ..multilinear import check_arguments, check_shape
from ..paths import Dims, Paths, Term
from .operator import KERNELS, convolution


def neighbor_sum(
    messages: Tensor,
    edge_index: Tensor,
    num_targets: int,
    weight: Tensor | None = None,
) -> Tensor:
    r"""Sums :math:`\sum_{e \to i} w_e\, m_e`, on kernels always in the same order.

    The convolution whose only path is 0 x 0 -> 0: messages are the sources.

    Args:
        messages: one row for every edge, ``(|E|, channels)``.
        edge_index: sources and targets of the edges, ``(2, |E|)``.
        num_targets: the number of nodes.
        weight: a factor for every edge, ``(|E|,)`` (default: 1).

    Numbers below float32 are summed in float32.

    Returns:
        One row for every node, ``(num_targets, channels)``.

    Raises:
        TypeError: if an argument is no tensor of real numbers, ``edge_index`` no tensor
            or ``num_targets`` no integer.
        ValueError: if the arguments do not fit the edges.
        IndexError: if an edge points outside.

    Example:
        >>> edge_index = torch.tensor([[0, 1, 2], [1, 0, 1]])
        >>> neighbor_sum(torch.tensor([[1.0], [2.0], [4.0]]), edge_index, 2)
        tensor([[2.],
                [5.]])
    """
    check_arguments({"messages": messages}, weight=weight)
    check_edge_index(edge_index, messages, "messages")
    check_size(num_targets, "num_targets")
    if messages.dim() != 2:
        raise ValueError(
            f"expected messages (|E|, channels), got {tuple(messages.shape)}"
        )
    count, channels = edge_index.shape[1], messages.shape[-1]
    check_shape("messages", messages, (count, channels), count)
    if weight is not None:
        check_shape("weight", weight, (count,), count)
    dtype = messages.dtype
    messages = messages.to(torch.promote_types(dtype, torch.float32))
    if backend(messages, weight, kernels=KERNELS) == "plain":
        check_nodes(edge_index, None, num_targets)
        return _plain(messages, edge_index[1].long(), num_targets, weight).to(dtype)
    one = messages.new_ones(1)
    y = one.expand(count, 1) if weight is None else weight.to(one.dtype).unsqueeze(-1)
    inputs = messages, y, None, None, arrivals(edge_index)
    (out,) = convolution(*inputs, _paths(channels), "g", count, num_targets, "auto")
    return out.to(dtype)


@cache
def _paths(channels: int) -> str:
    term = Term(0, 0, 0, channels, channels, x=0, y=0, w=-1, g=0, coefficient=1.0)
    return Paths("uvu", Dims(channels, 1, 0, channels), (term,)).text()


def _plain(
    messages: Tensor, target: Tensor, num_targets: int, weight: Tensor | None
) -> Tensor:
    if weight is not None:
        messages = messages * weight.to(messages.dtype).unsqueeze(-1)
    out = messages.new_zeros(num_targets, messages.shape[1])
    return out.index_add(0, target, messages)
