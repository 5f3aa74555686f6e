"""A bias on the scalars among steerable features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import Irreps


class ScalarBias:
    """Adds a number to every ``0e`` channel: other irreps bear no bias.

    Args:
        irreps: irreps of the features.

    Attributes:
        sizes: how many numbers each block takes.
        numel: how many all take.

    Example:
        >>> ScalarBias(Irreps("1x1o+2x0e")).add(torch.ones(5), torch.tensor([1.0, 2.0]))
        tensor([1., 1., 1., 2., 3.])
    """

    def __init__(self, irreps: Irreps) -> None:
        self.irreps = irreps
        self.sizes = [mul * ir.is_scalar() for mul, ir in irreps]
        self.numel = sum(self.sizes)
        self._dims = [block.dim for block in irreps]

    def parameter(self) -> Parameter | None:
        """An empty parameter for the numbers, or ``None`` where there are none."""
        return Parameter(torch.empty(self.numel)) if self.numel else None

    def add(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Features ``x`` plus the numbers ``bias`` on their scalars, in its dtype.

        Raises:
            ValueError: if there is not one number for each ``0e`` channel.
        """
        if bias is None:
            return x
        if bias.shape != (self.numel,):
            raise ValueError(
                f"got a bias of shape {tuple(bias.shape)}, expected ({self.numel},): "
                f"one number for each 0e channel of {self.irreps}"
            )
        if not self.numel:
            return x
        blocks = zip(bias.split(self.sizes), self.sizes, self._dims, strict=True)
        row = torch.cat([b if n else b.new_zeros(dim) for b, n, dim in blocks])
        return x + row.to(x.dtype)
