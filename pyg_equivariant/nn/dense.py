"""The linear map of invariant features."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.kernels.dense.matmul import matmul


class Dense(torch.nn.Linear):
    r"""A :class:`torch.nn.Linear` that multiplies by the fastest kernel at hand.

    .. math::
        \mathbf x \mapsto \mathbf W \mathbf x + \mathbf b

    Shapes:
        - **input:** :math:`(*, \text{in\_features})`
        - **output:** :math:`(*, \text{out\_features})`

    Example:
        >>> Dense(8, 4)(torch.randn(5, 8)).shape
        torch.Size([5, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply the map."""
        return matmul(input, self.weight.t(), self.bias)
