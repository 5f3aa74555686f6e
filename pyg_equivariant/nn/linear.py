"""Equivariant linear maps."""

from __future__ import annotations

import math
import sys
import warnings
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import Irreps, IrrepsLike

from .module import EquivariantModule, check_features


class _Output(NamedTuple):
    sources: tuple[int, ...]  # the input blocks of the same irrep
    weights: tuple[int, ...]  # which weight block each meets
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
        irreps_out: irreps of the output. A block that no input block reaches is zero
            (its bias alone, if ``0e``), and a warning names it.
        bias: add a bias to the ``0e`` blocks (default: ``True``).

    Attributes:
        weight: flat, blocks ``(mul_in, mul_out)`` for every input block, for every
            output block of its irrep: the order of e3nn. Starts standard normal.
        bias: one number for each ``0e`` output channel. Starts at zero.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
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
        self._weight_shapes, self._outputs = _plan(
            self.irreps_in, self.irreps_out, bias
        )
        self._weight_sizes = [rows * columns for rows, columns in self._weight_shapes]
        self.weight = Parameter(torch.empty(sum(self._weight_sizes)))
        self._sizes_out = [output.dim for output in self._outputs]
        self._sizes_bias = [output.num_biases for output in self._outputs]
        if sum(self._sizes_bias):
            self.bias = Parameter(torch.empty(sum(self._sizes_bias)))
        else:
            self.register_parameter("bias", None)
        self.register_convention()
        unreached = [
            block
            for block, output in zip(self.irreps_out, self._outputs, strict=True)
            if block.mul and not output.sources
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
        check_features(x, self.irreps_in, like=self.weight)
        blocks = [
            block.unflatten(-1, shape)
            for block, shape in zip(
                x.split(self._sizes_in, dim=-1), self._shapes_in, strict=True
            )
        ]
        weights = [
            weight.unflatten(-1, shape)
            for weight, shape in zip(
                self.weight.split(self._weight_sizes), self._weight_shapes, strict=True
            )
        ]
        if not self._outputs:
            return x.new_zeros(*x.shape[:-1], 0)
        y = torch.cat([_mix(x, blocks, weights, o) for o in self._outputs], dim=-1)
        if self.bias is not None:
            y = y + spread(self.bias, self._sizes_bias, self._sizes_out).to(y.dtype)
        return y

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.parameters())
        return (
            f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}, "
            f"{count} parameters)"
        )


def _plan(
    irreps_in: Irreps, irreps_out: Irreps, bias: bool
) -> tuple[list[tuple[int, int]], list[_Output]]:
    """The shapes of the weight blocks, and what each output block is made of."""
    shapes: list[tuple[int, int]] = []
    sources: list[list[int]] = [[] for _ in irreps_out]
    weights: list[list[int]] = [[] for _ in irreps_out]
    for i, (mul_in, ir_in) in enumerate(irreps_in):
        for o, (mul_out, ir_out) in enumerate(irreps_out):
            if ir_in == ir_out and mul_in and mul_out:
                sources[o].append(i)
                weights[o].append(len(shapes))
                shapes.append((mul_in, mul_out))
    outputs = []
    for o, (mul, ir) in enumerate(irreps_out):
        fan_in = sum(irreps_in[i].mul for i in sources[o])
        num_biases = mul if bias and ir.is_scalar() else 0
        outputs.append(
            _Output(
                tuple(sources[o]),
                tuple(weights[o]),
                1 / math.sqrt(max(fan_in, 1)),
                mul * ir.dim,
                num_biases,
            )
        )
    return shapes, outputs


def _mix(
    x: Tensor, blocks: list[Tensor], weights: list[Tensor], output: _Output
) -> Tensor:
    if not output.sources:
        return x.new_zeros(*x.shape[:-1], output.dim)
    weight = torch.cat([weights[k] for k in output.weights]) * output.scale
    source = torch.cat([blocks[i] for i in output.sources], dim=-1)
    return (source @ weight).flatten(-2)


def spread(bias: Tensor, sizes_bias: list[int], sizes_out: list[int]) -> Tensor:
    """The biases in their places in a feature vector, zeros everywhere else."""
    biases = zip(bias.split(sizes_bias), sizes_bias, sizes_out, strict=True)
    return torch.cat(
        [part if n == dim else part.new_zeros(dim) for part, n, dim in biases]
    )


def warn_unreached(module: torch.nn.Module, unreached: Irreps) -> None:
    """Say at construction, to the caller's line, which output blocks will be zero."""
    if not len(unreached):
        return
    level, frame = 1, sys._getframe()
    package = __name__.partition(".")[0] + "."
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(package):
        level, frame = level + 1, frame.f_back
    warnings.warn(
        f"{type(module).__name__}: no path leads to {unreached} in irreps_out; "
        "these outputs are zero, or their bias alone",
        stacklevel=level,
    )
