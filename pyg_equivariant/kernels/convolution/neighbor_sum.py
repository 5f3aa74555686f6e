"""The sum of messages at the nodes where they arrive."""

from __future__ import annotations

import torch
from torch import Tensor

from .trilinear import contract


def neighbor_sum(
    messages: Tensor, arrivals: Tensor, num_targets: int, weight: Tensor | None = None
) -> Tensor:
    r"""Sums :math:`\sum_{e \to i} w_e\, m_e`, always in the same order.

    The convolution whose only path is 0 x 0 -> 0: messages are the sources.

    Args:
        messages: one row for every edge, ``(|E|, channels)``.
        arrivals: edges and the nodes where they arrive, see
            :class:`~pyg_equivariant.kernels.convolution.incidence.Incidence`.
        num_targets: the number of nodes.
        weight: a factor for every edge, ``(|E|,)`` (default: 1).

    Numbers below float32 are summed in float32.

    Returns:
        One row for every node, ``(num_targets, channels)``.

    Example:
        >>> arrivals = torch.tensor([[0, 1, 2], [1, 0, 1]])
        >>> neighbor_sum(torch.tensor([[1.0], [2.0], [4.0]]), arrivals, 2)
        tensor([[2.],
                [5.]])
    """
    count, channels = messages.shape
    dtype = messages.dtype
    messages = messages.to(torch.promote_types(dtype, torch.float32))
    one = messages.new_ones(1)
    y = one.expand(count, 1) if weight is None else weight.to(one.dtype).unsqueeze(-1)
    table = f"{channels} 1 0 {channels};0 0 0 {channels} 0 0 -1 0 1.0"
    sizes = count, num_targets
    (out,) = contract(messages, y, None, None, arrivals, *sizes, table, "g")
    return out.to(dtype)
