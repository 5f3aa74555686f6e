"""Dropout of whole irreps."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from pyg_equivariant.o3 import Irreps, IrrepsLike

from .module import EquivariantModule, check_features


class Dropout(EquivariantModule):
    r"""Zeroes whole copies of irreps, each with probability ``p``, while training.

    All :math:`2l+1` components of a copy share one Bernoulli draw, which keeps every
    draw equivariant; what stays is divided by :math:`1-p`.

    Args:
        irreps: irreps of the features.
        p: probability to zero a copy (default: 0.5).

    Shapes:
        - **input:** features :math:`(*, \text{irreps.dim})`
        - **output:** features :math:`(*, \text{irreps.dim})`

    Raises:
        TypeError: if the input is not floating-point.
        ValueError: if ``p`` is not in [0, 1] or the last dimension does not fit.

    Example:
        >>> Dropout("8x0e+4x1o", p=0.1)
        Dropout(8x0e+4x1o, p=0.1)
    """

    def __init__(self, irreps: IrrepsLike, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability between 0 and 1, got {p}")
        self.irreps_in = self.irreps_out = Irreps(irreps)
        self.p = p
        self._muls = [mul for mul, _ in self.irreps_in]

    def forward(self, x: Tensor) -> Tensor:
        """Drop copies if training, else return ``x``."""
        check_features(x, self.irreps_in)
        if not self.training or self.p == 0 or not self._muls:
            return x
        ones = x.new_ones(*x.shape[:-1], 1, sum(self._muls))
        masks = F.dropout(ones, self.p).split(self._muls, dim=-1)
        blocks = zip(self.irreps_in.split(x), masks, strict=True)
        return self.irreps_out.join([block * mask for block, mask in blocks])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.irreps_in}, p={self.p})"
