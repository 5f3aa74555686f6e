"""Activations in plain torch: their specification."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from pyg_equivariant.o3 import widen

SILU = "silu"
SHIFTED_SOFTPLUS = "shifted_softplus"


def value(x: Tensor, shift: None, name: str) -> Tensor:
    """The activation of every number."""
    if name == SILU:
        return F.silu(x)
    # From 40 on ln(1 + e^x) = x in float64, too; torch's 20 is early by 2e-9.
    return (F.softplus(widen(x), threshold=40.0) - math.log(2)).to(x.dtype)
