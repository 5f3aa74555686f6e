"""What normalizations of steerable features share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import Irreps, IrrepsLike

from .module import EquivariantModule, describe


class EquivariantNorm(EquivariantModule):
    r"""Base of normalizations: centered scalars, one factor and weight for each copy.

    .. math::
        x_{ku} \mapsto \big(x_{ku} - \bar x_u\,[0e]\big)\, f_u\, w_u
        \;(+\, b_u \text{ on } 0e).

    A subclass defines ``forward``: what the means :math:`\bar x` and factors
    :math:`f` are. See :class:`~pyg_equivariant.nn.EquivariantLayerNorm` for arguments
    and attributes.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self, irreps: IrrepsLike, eps: float = 1e-5, affine: bool = True
    ) -> None:
        super().__init__()
        if not eps > 0:
            raise ValueError(f"eps is a positive number, got {eps}")
        self.irreps_in = self.irreps_out = Irreps(irreps)
        self.eps = eps
        self.affine = affine
        self._irreps = self.irreps_in.remove_zero_multiplicities()
        self._muls = [mul for mul, _ in self._irreps]
        self._num_biases = [mul * ir.is_scalar() for mul, ir in self._irreps]
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if affine:
            self.weight = Parameter(torch.empty(sum(self._muls)))
            self.bias = Parameter(torch.empty(sum(self._num_biases)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weights to one and the biases to zero."""
        if self.weight is not None and self.bias is not None:
            torch.nn.init.ones_(self.weight)
            torch.nn.init.zeros_(self.bias)

    def _center(self, x: Tensor, mean: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """The blocks of ``x``, those of ``0e`` less their mean.

        Half precision becomes float32, in which sums of squares are taken.
        """
        if x.dtype in (torch.float16, torch.bfloat16):
            x = x.float()
        return [
            block - mean(block) if scalar else block
            for block, scalar in zip(
                self._irreps.split(x), self._num_biases, strict=True
            )
        ]

    def _scale_and_shift(
        self, blocks: list[Tensor], factors: Sequence[Tensor], x: Tensor
    ) -> Tensor:
        """Blocks times factors and weights, plus biases, in the dtype of ``x``."""
        if not blocks:
            return x
        if self.weight is not None:
            weights = self.weight.split(self._muls)
            factors = [f * w for f, w in zip(factors, weights, strict=True)]
        blocks = [b * f for b, f in zip(blocks, factors, strict=True)]
        if self.bias is not None:
            biases = self.bias.split(self._num_biases)
            blocks = [
                block + bias if len(bias) else block
                for block, bias in zip(blocks, biases, strict=True)
            ]
        return self._irreps.join(blocks).to(x.dtype)

    def __repr__(self) -> str:
        return describe(self, "irreps_in", "eps affine")
