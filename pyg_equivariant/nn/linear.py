"""Equivariant linear maps."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import Irreps, IrrepsLike

from .module import EquivariantModule, check_features, warn_unreached
from .scalar_bias import ScalarBias


class LinearOutput(NamedTuple):
    """What an output block of a linear map is made of."""

    shape: tuple[int, int]
    sources: list[int]  # the input blocks of the same irrep
    weights: list[int]  # which weight block each meets
    scale: float


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
        self._weight_shapes, self._outputs = linear_plan(
            self.irreps_in, self.irreps_out
        )
        self._weight_sizes = [rows * columns for rows, columns in self._weight_shapes]
        self.weight = Parameter(torch.empty(sum(self._weight_sizes)))
        self._scalars = ScalarBias(self.irreps_out)
        self.register_parameter("bias", self._scalars.parameter() if bias else None)
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
        if not self._outputs:
            return x.new_zeros(*x.shape[:-1], 0)
        blocks = self.irreps_in.split(x)
        weights = [
            weight.unflatten(-1, shape)
            for weight, shape in zip(
                self.weight.split(self._weight_sizes), self._weight_shapes, strict=True
            )
        ]
        outputs = [_mix(x, blocks, weights, output) for output in self._outputs]
        return self._scalars.add(self.irreps_out.join(outputs), self.bias)

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.parameters())
        return (
            f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}, "
            f"{count} parameters)"
        )


def linear_plan(
    irreps_in: Irreps, irreps_out: Irreps
) -> tuple[list[tuple[int, int]], list[LinearOutput]]:
    """The shapes of the weight blocks, and what each output block is made of."""
    joined = [
        (i, o)
        for i, (mul_in, ir_in) in enumerate(irreps_in)
        for o, (mul_out, ir_out) in enumerate(irreps_out)
        if ir_in == ir_out and mul_in and mul_out
    ]
    outputs = []
    for o, (mul, ir) in enumerate(irreps_out):
        weights = [k for k, (_, target) in enumerate(joined) if target == o]
        sources = [joined[k][0] for k in weights]
        fan_in = sum(irreps_in[i].mul for i in sources)
        scale = 1 / math.sqrt(max(fan_in, 1))
        outputs.append(LinearOutput((ir.dim, mul), sources, weights, scale))
    return [(irreps_in[i].mul, irreps_out[o].mul) for i, o in joined], outputs


def _mix(
    x: Tensor, blocks: list[Tensor], weights: list[Tensor], output: LinearOutput
) -> Tensor:
    if not output.sources:
        return x.new_zeros(*x.shape[:-1], *output.shape)
    weight = torch.cat([weights[k] for k in output.weights]) * output.scale
    source = torch.cat([blocks[i] for i in output.sources], dim=-1)
    return source @ weight
