"""Activations and their derivatives in plain torch: their specification."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

SILU = "silu"
SHIFTED_SOFTPLUS = "shifted_softplus"


def value(x: Tensor, shift: None, name: str) -> Tensor:
    """The activation of every number."""
    if name == SILU:
        return F.silu(x)
    # From 40 on ln(1 + e^x) = x in float64, too; torch's 20 is early by 2e-9.
    return F.softplus(x, threshold=40.0) - math.log(2)


def gradient(x: Tensor, shift: None, grad: Tensor, name: str) -> Tensor:
    """The first derivative, times ``grad``."""
    s = x.sigmoid()
    return grad * (s + x * s * (1 - s) if name == SILU else s)


def second(
    x: Tensor, shift: None, grad: Tensor, along: Tensor, name: str
) -> tuple[Tensor, Tensor]:
    """The first derivative times ``along``, the second times both factors."""
    s = x.sigmoid()
    p = s * (1 - s)
    if name == SILU:
        return along * (s + x * p), along * grad * p * (2 + x * (1 - 2 * s))
    return along * s, along * grad * p
