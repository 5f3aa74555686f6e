"""Losses by name, over the labels that are there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LOSSES = ("l1", "mse", "huber")
_HUBER = 0.1  # where squares end, in units of the scale


def masked_loss(
    kind: str,
    predicted: Tensor,
    true: Tensor,
    scale: float = 1.0,
    count: Tensor | None = None,
) -> Tensor:
    """The mean loss over all labels that are not NaN; zero if there is none.

    Args:
        kind: ``"l1"``, ``"mse"`` or ``"huber"``, which is a square up to a tenth of the
            scale and grows in proportion beyond.
        predicted: predictions.
        true: labels of the same shape.
        scale: what both are divided by.
        count: what the sum is divided by, if not by how many labels there are: their
            mean over processes, where gradients are averaged over processes.

    Raises:
        ValueError: for another kind.

    Example:
        >>> true = torch.tensor([1.0, float("nan")])
        >>> masked_loss("l1", torch.tensor([3.0, 5.0]), true)
        tensor(2.)
    """
    if kind not in LOSSES:
        raise ValueError(f"got loss {kind!r}, expected one of {', '.join(LOSSES)}")
    known = ~true.isnan()
    # Where nothing is known the graph stays whole: each process has a gradient
    error = torch.where(known, predicted - true, 0 * predicted) / scale
    zero = torch.zeros_like(error)
    if kind == "l1":
        loss = error.abs().sum()
    elif kind == "mse":
        loss = error.square().sum()
    else:
        loss = F.huber_loss(error, zero, reduction="sum", delta=_HUBER) / _HUBER
    count = known.sum() if count is None else count
    return loss / torch.where(count == 0, 1, count)
