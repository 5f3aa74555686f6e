"""Normalization of one sample over its channels."""

from __future__ import annotations

from torch import Tensor

from .module import check_features
from .norm import EquivariantNorm


class EquivariantLayerNorm(EquivariantNorm):
    r"""Gives every irrep of every sample unit mean square over its channels.

    Scalars are treated as by `"Layer Normalization" <https://arxiv.org/abs/1607.06450>`_;
    other irreps have no mean that could be subtracted, and keep their directions (so a
    single scalar channel becomes its bias, as in :class:`torch.nn.LayerNorm`):

    .. math::
        x_{ku} \mapsto \frac{x_{ku} - \bar x\,[0e]}
        {\sqrt{\frac{1}{(2l+1)\,n} \sum_{k'u'} (x_{k'u'} - \bar x\,[0e])^2 + \epsilon}}
        \; w_u \;(+\, b_u \text{ on } 0e).

    Args:
        irreps: irreps of the features; blocks are normalized one by one.
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
        >>> norm(norm.irreps_in.randn(5, -1)).square().mean(-1)  # about 1
        tensor([1.0000, 1.0000, 1.0000, 1.0000, 1.0000], grad_fn=<MeanBackward1>)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize features of ``irreps``."""
        check_features(x, self.irreps_in, like=self.weight)
        blocks = self._center(x, lambda scalars: scalars.mean(dim=-1, keepdim=True))
        squares = [b.square().mean(dim=(-2, -1), keepdim=True) for b in blocks]
        factors = [(square + self.eps).rsqrt() for square in squares]
        return self._scale_and_shift(blocks, factors, x)
