"""Attention over the edges that arrive at a node."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps, widen

_SMALLEST = 1e-12  # of a sum of envelopes: below, attention is zero


def edge_softmax(
    logits: Tensor, target: Tensor, num_targets: int, weight: Tensor | None = None
) -> Tensor:
    r"""Softmax over all edges of a target, which an envelope makes smooth.

    .. math::
        \alpha_{ij} = f_{ij}\, \frac{f_{ij}\, e^{a_{ij}}}
        {\sum_{j'} f_{ij'}\, e^{a_{ij'}}}

    Without an envelope :math:`f = 1`: the plain softmax. With one, an edge counts less
    among others the closer it is to the cutoff, and the attention of a last neighbor
    goes to zero as well.

    Args:
        logits: one number for each head, ``(|E|, heads)``.
        target: where edges arrive, ``(|E|,)``.
        num_targets: number of nodes.
        weight: the envelope ``(|E|,)``.

    Returns:
        In the dtype of ``logits``; computed in float32 at least.
    """
    dtype, logits = logits.dtype, widen(logits)
    heads = logits.shape[1]
    largest = logits.new_full((num_targets, heads), -torch.inf).scatter_reduce(
        0, target.unsqueeze(-1).expand(-1, heads), logits.detach(), "amax"
    )
    alpha = (logits - largest.index_select(0, target)).exp()
    if weight is not None:
        alpha = alpha * weight.unsqueeze(-1)
    total = logits.new_zeros(num_targets, heads).index_add(0, target, alpha)
    total = total.index_select(0, target)
    if weight is None:
        return (alpha / total).to(dtype)
    return (weight.unsqueeze(-1) * alpha / (total + _SMALLEST)).to(dtype)


def head_products(a: Tensor, b: Tensor, irreps: Irreps, heads: int) -> Tensor:
    """Inner products of features, for each group of their channels ``(*, heads)``."""
    total = a.new_zeros(*a.shape[:-1], heads)
    for block in irreps.split(a * b):
        channels = block.sum(-2)
        total = total + channels.unflatten(-1, (heads, -1)).sum(-1)
    return total


def scale_heads(x: Tensor, alpha: Tensor, irreps: Irreps) -> Tensor:
    """Features times the number of the head that each channel belongs to."""
    heads = alpha.shape[-1]
    blocks = [
        (block.unflatten(-1, (heads, -1)) * alpha[..., None, :, None]).flatten(-2)
        for block in irreps.split(x)
    ]
    return irreps.join(blocks)
