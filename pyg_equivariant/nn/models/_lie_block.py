"""The residual block of LieConv's network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.nn.inits import reset

from ..activation import ActivationLike, resolve_activation
from ..conv import LieConv
from ..masked_batch_norm import MaskedBatchNorm


class BottleneckBlock(torch.nn.Module):
    r"""A group convolution of few channels, between maps from and to many.

    .. math::
        \mathbf{x} + \mathbf{W}_2\, \phi\big(\text{LieConv}(\phi(\mathbf{W}_1\,
        \phi(\mathbf{x})))\big)

    with a batch normalization before each activation, if the convolution has such.

    Args:
        channels: size of the features.
        conv: the convolution.
        act: the activation.
    """

    def __init__(self, channels: int, conv: LieConv, act: ActivationLike) -> None:
        super().__init__()
        self.conv = conv
        self.linears = ModuleList(
            [
                torch.nn.Linear(channels, conv.in_channels),
                torch.nn.Linear(conv.out_channels, channels),
            ]
        )
        widths = [channels, conv.in_channels, conv.out_channels]
        self.norms = ModuleList(MaskedBatchNorm(n) for n in widths if conv.batch_norm)
        self.act = resolve_activation(act)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in (self.conv, *self.linears, *self.norms):
            reset(module)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        edge_weight: Tensor | None,
        num_graphs: int,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Features after the block; arguments are those of the convolution."""
        edges = edge_index, edge_attr, edge_weight, num_graphs, generator
        y = self.linears[0](self._activated(x, 0))
        y = self.conv(self._activated(y, 1), *edges)
        return x + self.linears[1](self._activated(y, 2))

    def _activated(self, x: Tensor, n: int) -> Tensor:
        if self.norms:
            x = self.norms[n](x.to(self.conv.lin.weight.dtype))
        out: Tensor = self.act(x)
        return out
