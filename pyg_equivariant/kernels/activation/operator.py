"""Activations as operators.

Torch fuses them itself where it compiles, and is as fast on few numbers. Otherwise its
second derivative takes about ten passes over memory.
"""

from __future__ import annotations

from torch import Tensor

from pyg_equivariant.o3 import check_real

from ..dispatch import is_compiling, is_plain_call, kernel_for, transformed
from ..twice_differentiable import TwiceDifferentiable
from . import cpu, reference
from .reference import SHIFTED_SOFTPLUS, SILU

_SMALLEST = 1 << 14  # numbers: below, calling costs more than it saves

operators = TwiceDifferentiable(
    "activation", reference.value, cpu, str, lambda x, name: (x.shape, None, x.shape)
)


def silu(x: Tensor) -> Tensor:
    r"""The function :math:`x / (1 + e^{-x})`.

    Example:
        >>> import torch
        >>> silu(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """
    return _activate(SILU, x)


def shifted_softplus(x: Tensor) -> Tensor:
    r"""SchNet's activation :math:`\ln(\tfrac12 e^x + \tfrac12)`, which is 0 at 0.

    Example:
        >>> import torch
        >>> shifted_softplus(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.6201])
    """
    return _activate(SHIFTED_SOFTPLUS, x)


def _activate(name: str, x: Tensor) -> Tensor:
    check_real(x, "x")
    # While compiling, the size would become a condition of the graph.
    if is_compiling() or x.numel() < _SMALLEST or not is_plain_call(x):
        return reference.value(x, None, name)
    if transformed() or kernel_for(x) != "c":
        return reference.value(x, None, name)
    return operators.value(x, None, name)
