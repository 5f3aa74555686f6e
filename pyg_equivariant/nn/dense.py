"""The linear map of invariant features."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.kernels import matmul


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
        return dense(input, self.weight.t(), self.bias)


def dense(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The product ``x @ weight + bias`` by the fastest kernel at hand.

    Args:
        x: ``(*, fan_in)``.
        weight: ``(fan_in, fan_out)``, transposed to that of :class:`Dense`.
        bias: ``(fan_out,)``.

    Example:
        >>> dense(torch.ones(5, 8), torch.ones(8, 4))[0]
        tensor([8., 8., 8., 8.])
    """
    return matmul(x, weight, bias)
