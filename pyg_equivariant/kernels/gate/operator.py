"""The gate as an operator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_equivariant.o3 import check_last

from ..dispatch import backend
from ..multilinear import check_arguments
from ..twice_differentiable import TwiceDifferentiable
from . import cpu, reference
from .reference import GateForm


def _shapes(
    x: Tensor, form: GateForm
) -> tuple[tuple[int, ...], tuple[int], tuple[int, ...]]:
    rows = x.shape[0] if x.dim() else 0
    return (rows, form.x_dim), (form.num_shifted,), (rows, form.out_dim)


operators = TwiceDifferentiable("gate", reference.value, cpu, GateForm.parse, _shapes)


def gate(x: Tensor, bias: Tensor | None, form: GateForm) -> Tensor:
    r"""SiLU on scalars and sigmoid gates, after adding a bias to both.

    .. math::
        (c\, s\, \sigma(s)) \oplus (c'\, \sigma(g)\, v),
        \quad s \oplus g = x_{0e} + b

    Gates may be SiLU, too, and odd scalars pass a tanh.

    Numbers below float32 are computed in float32 on the CPU.

    Args:
        x: features, ``(*, form.x_dim)``, odd scalars, even ones and gates first.
        bias: ``(form.num_biases,)``, or ``None``.
        form: what is where.

    Returns:
        The scalars and what is gated, ``(*, form.out_dim)``.

    Raises:
        TypeError: if an argument is no tensor of real numbers.
        ValueError: if a shape does not fit the form, or devices differ.

    Example:
        >>> from pyg_equivariant.kernels import GateBlock
        >>> form = GateForm(5, 4, 1, 1, 1.0, 1.0, (GateBlock(2, 1, 1, 1, 3, 1),))
        >>> gate(torch.zeros(7, 5), None, form).shape
        torch.Size([7, 4])
    """
    check_last(x, form.x_dim, "x")
    check_arguments({"x": x}, bias=bias)
    if bias is None:
        bias = x.new_zeros(form.num_biases)
    elif bias.shape != (form.num_biases,):
        raise ValueError(
            f"expected a bias of {form.num_biases} numbers, for {form.scalars} scalars "
            f"and {form.gates} gates, got shape {tuple(bias.shape)}"
        )
    if form.odd:
        bias = F.pad(bias, (form.odd, 0))
    rows = x if x.dim() == 2 else x.reshape(-1, x.shape[-1])
    if backend(x, bias) == "c":
        wide = torch.promote_types(x.dtype, torch.float32)
        out = operators.value(rows.to(wide), bias.to(wide), form.text).to(x.dtype)
    else:
        out = reference.value(rows, bias.to(x.dtype), form)
    return out if x.dim() == 2 else out.reshape(*x.shape[:-1], out.shape[-1])
