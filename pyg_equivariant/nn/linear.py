"""Equivariant linear maps."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3._irreps import Irreps, IrrepsLike

from .module import EquivariantModule, check_features


class _Output(NamedTuple):
    sources: tuple[int, ...]  # the input blocks of the same irrep
    parts: tuple[slice, ...]  # where the weights of each lie
    shapes: tuple[tuple[int, int], ...]  # and their shapes (mul_in, mul_out)
    scale: float
    dim: int
    num_biases: int


class Linear(EquivariantModule):
    r"""Mixes the channels of every irrep: all linear maps that commute with O(3).

    By Schur's lemma these join only blocks of the same irrep, component by component:

    .. math::
        y_{kw} = \frac{1}{\sqrt{n}} \sum_{u} W_{uw}\, x_{ku} \;(+\, b_w \text{ on } 0e),

    where :math:`u` runs over the :math:`n` channels of that irrep in all input blocks.
    This is the self-interaction of `"Tensor field networks"
    <https://arxiv.org/abs/1802.08219>`_.

    Args:
        irreps_in: irreps of the input.
        irreps_out: irreps of the output. A block that no input block reaches is zero,
            and a warning names it.
        bias: add a bias to the ``0e`` blocks (default: ``True``).

    Attributes:
        weight: flat, blocks ``(mul_in, mul_out)`` for every input block, for every
            output block of its irrep: the order of e3nn. Starts standard normal.
        bias: one number for each ``0e`` output channel. Starts at zero.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if the input is not floating-point.
        ValueError: if its last dimension is not ``irreps_in.dim``.

    Example:
        >>> Linear("4x0e+2x1o", "8x0e+3x1o")
        Linear(4x0e+2x1o -> 8x0e+3x1o, 46 parameters)
    """

    bias: Parameter | None

    def __init__(
        self, irreps_in: IrrepsLike, irreps_out: IrrepsLike, bias: bool = True
    ) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps_in)
        self.irreps_out = Irreps(irreps_out)
        self._sizes_in = [block.dim for block in self.irreps_in]
        self._shapes_in = [(block.ir.dim, block.mul) for block in self.irreps_in]
        self._outputs = _outputs(self.irreps_in, self.irreps_out, bias)
        weight_numel = sum(
            part.stop - part.start for o in self._outputs for part in o.parts
        )
        self.weight = Parameter(torch.empty(weight_numel))
        self._sizes_bias = [output.num_biases for output in self._outputs]
        if sum(self._sizes_bias):
            self.bias = Parameter(torch.empty(sum(self._sizes_bias)))
        else:
            self.register_parameter("bias", None)
        unreached = [
            block
            for block, output in zip(self.irreps_out, self._outputs, strict=True)
            if block.mul and not sum(rows for rows, _ in output.shapes)
        ]
        warn_unreached(self, Irreps(unreached))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, and set the bias to zero."""
        torch.nn.init.normal_(self.weight)
        if self.bias is not None:
            torch.nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map features of ``irreps_in`` to features of ``irreps_out``."""
        check_features(x, self.irreps_in)
        blocks = [
            block.unflatten(-1, shape)
            for block, shape in zip(
                x.split(self._sizes_in, dim=-1), self._shapes_in, strict=True
            )
        ]
        out = [self._mix(blocks, output, x) for output in self._outputs]
        if self.bias is not None:
            biases = self.bias.split(self._sizes_bias)
            out = [y + b if len(b) else y for y, b in zip(out, biases, strict=True)]
        return torch.cat(out, dim=-1) if out else x.new_zeros(*x.shape[:-1], 0)

    def _mix(self, blocks: list[Tensor], output: _Output, x: Tensor) -> Tensor:
        if not output.sources:
            return x.new_zeros(*x.shape[:-1], output.dim)
        parts = zip(output.parts, output.shapes, strict=True)
        weight = torch.cat([self.weight[part].view(shape) for part, shape in parts])
        source = torch.cat([blocks[i] for i in output.sources], dim=-1)
        return (source @ (weight * output.scale)).flatten(-2)

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.parameters())
        return (
            f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}, "
            f"{count} parameters)"
        )


def _outputs(irreps_in: Irreps, irreps_out: Irreps, bias: bool) -> list[_Output]:
    """For every output block, its sources and where their weights lie."""
    sources: list[list[int]] = [[] for _ in irreps_out]
    parts: list[list[slice]] = [[] for _ in irreps_out]
    shapes: list[list[tuple[int, int]]] = [[] for _ in irreps_out]
    start = 0
    for i, (mul_in, ir_in) in enumerate(irreps_in):
        for o, (mul_out, ir_out) in enumerate(irreps_out):
            if ir_in == ir_out:
                sources[o].append(i)
                parts[o].append(slice(start, start + mul_in * mul_out))
                shapes[o].append((mul_in, mul_out))
                start += mul_in * mul_out
    return [
        _Output(
            tuple(sources[o]),
            tuple(parts[o]),
            tuple(shapes[o]),
            1 / math.sqrt(max(sum(rows for rows, _ in shapes[o]), 1)),
            mul * ir.dim,
            mul if bias and ir.is_scalar() else 0,
        )
        for o, (mul, ir) in enumerate(irreps_out)
    ]


def warn_unreached(module: torch.nn.Module, unreached: Irreps) -> None:
    """Say at construction which output blocks will always be zero."""
    if len(unreached):
        warnings.warn(
            f"{type(module).__name__}: no path leads to {unreached} in irreps_out; "
            "these outputs are always zero",
            stacklevel=3,
        )
