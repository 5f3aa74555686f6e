"""Normalisation of one sample over its channels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import Irreps, IrrepsLike

from .module import EquivariantModule, check_features


class EquivariantLayerNorm(EquivariantModule):
    r"""Gives every irrep of every sample unit mean square over its channels.

    Scalars are treated as by `"Layer Normalization" <https://arxiv.org/abs/1607.06450>`_;
    other irreps have no mean that could be subtracted, and keep their directions (so a
    single scalar channel becomes its bias, as in :class:`torch.nn.LayerNorm`):

    .. math::
        x_{ku} \mapsto \frac{x_{ku} - \bar x\,[0e]}
        {\sqrt{\frac{1}{(2l+1)\,n} \sum_{k'u'} (x_{k'u'} - \bar x\,[0e])^2 + \epsilon}}
        \; w_u \;(+\, b_u \text{ on } 0e).

    Args:
        irreps: irreps of the features; blocks are normalised one by one.
        eps: the number :math:`\epsilon` (default: ``1e-5``).
        affine: learn weights and biases (default: ``True``).

    Attributes:
        weight: one number per copy, starting at 1, or ``None``.
        bias: one number per ``0e`` copy, starting at 0, or ``None``.

    Shapes:
        - **input:** features :math:`(*, \text{irreps.dim})`
        - **output:** features :math:`(*, \text{irreps.dim})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if ``eps`` is not positive or the last dimension does not fit.

    Example:
        >>> norm = EquivariantLayerNorm("8x0e+4x1o")
        >>> norm(torch.randn(5, 20)).square().mean(-1)  # about 1 in each sample
        tensor([1.0000, 1.0000, 1.0000, 1.0000, 1.0000], grad_fn=<MeanBackward1>)
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
        self._sizes = [block.dim for block in self.irreps_in]
        self._shapes = [(block.ir.dim, block.mul) for block in self.irreps_in]
        self._scalar = [block.ir.is_scalar() for block in self.irreps_in]
        self._muls = [block.mul for block in self.irreps_in]
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if affine:
            self.weight = Parameter(torch.empty(self.irreps_in.num_irreps))
            self.bias = Parameter(torch.empty(self.irreps_in.count("0e")))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weights to one and the biases to zero."""
        if self.weight is not None and self.bias is not None:
            torch.nn.init.ones_(self.weight)
            torch.nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise features of ``irreps``."""
        check_features(x, self.irreps_in, like=self.weight)
        out = []
        for block, shape, scalar in zip(
            widen(x).split(self._sizes, dim=-1), self._shapes, self._scalar, strict=True
        ):
            part = block.unflatten(-1, shape)
            if scalar and shape[1]:
                part = part - part.mean(dim=-1, keepdim=True)
            if shape[1]:
                square = part.square().mean(dim=(-2, -1), keepdim=True)
                part = part * (square + self.eps).rsqrt()
            out.append(part)
        return scale_and_shift(out, self._muls, self._scalar, self.weight, self.bias, x)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.irreps_in}, eps={self.eps}, "
            f"affine={self.affine})"
        )


def widen(x: Tensor) -> Tensor:
    """Half precision becomes float32, in which sums of squares are taken."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def scale_and_shift(
    blocks: list[Tensor],
    muls: list[int],
    scalar: list[bool],
    weight: Tensor | None,
    bias: Tensor | None,
    x: Tensor,
) -> Tensor:
    """Join blocks ``(..., 2 l + 1, mul)``, times weights, plus biases, as ``x`` was."""
    if not blocks:
        return x
    if weight is not None and bias is not None:
        sizes = [mul * is_scalar for mul, is_scalar in zip(muls, scalar, strict=True)]
        weights, biases = weight.split(muls), bias.split(sizes)
        blocks = [
            block * w + b if is_scalar else block * w
            for block, w, b, is_scalar in zip(
                blocks, weights, biases, scalar, strict=True
            )
        ]
    return torch.cat([block.flatten(-2) for block in blocks], dim=-1).to(x.dtype)
