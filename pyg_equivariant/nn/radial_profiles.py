"""Many radial networks of the same input: those of the SE(3)-Transformer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import check_last

from .activation import ActivationLike, resolve_activation
from .dense import dense
from .module import check_dtype, describe


class RadialProfiles(torch.nn.Module):
    r"""Perceptrons side by side, with biases and layer normalization.

    .. math::
        \mathbf e \mapsto \mathbf W_3\, \phi\Big(\text{LN}\big(\mathbf W_2\,
        \phi(\text{LN}(\mathbf W_1 \mathbf e + \mathbf b_1)) + \mathbf b_2\big)\Big)
        + \mathbf b_3,

    one for every size, all on the same features of an edge. The normalization of
    `"Layer Normalization" <https://arxiv.org/abs/1607.06450>`_ takes the scale off
    whatever enters: a bare distance will do. With their biases the outputs do not
    vanish where the input does; an envelope multiplies what is made of them.

    Args:
        edge_dim: number of features of an edge.
        sizes: how many numbers each perceptron gives.
        hidden_channels: width of the two hidden layers (default: 32).
        act: the activation :math:`\phi`, a function or its name (default: ``"relu"``).
        eps: the number that keeps variances from zero (default: ``1e-5``).

    Shapes:
        - **input:** :math:`(|E|, \text{edge\_dim})`
        - **output:** for each size :math:`(|E|, \text{size})`

    Raises:
        ValueError: if ``edge_dim`` or ``hidden_channels`` is not positive, or the last
            dimension does not fit.

    Example:
        >>> profiles = RadialProfiles(1, [4, 6])
        >>> [y.shape for y in profiles(torch.rand(5, 1))]
        [torch.Size([5, 4]), torch.Size([5, 6])]
    """

    def __init__(
        self,
        edge_dim: int,
        sizes: Sequence[int],
        hidden_channels: int = 32,
        act: ActivationLike = "relu",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if edge_dim < 1 or hidden_channels < 1:
            raise ValueError(
                "edge_dim and hidden_channels are positive, got "
                f"{edge_dim} and {hidden_channels}"
            )
        self.edge_dim = edge_dim
        self.sizes = list(sizes)
        self.hidden_channels = hidden_channels
        self.act = resolve_activation(act)
        self.eps = eps
        count, width = len(self.sizes), hidden_channels
        self.weight_in = Parameter(torch.empty(edge_dim, count * width))
        self.weight_hidden = Parameter(torch.empty(count, width, width))
        self.weight_out = Parameter(torch.empty(width, sum(self.sizes)))
        self.bias_in = Parameter(torch.empty(count * width))
        self.bias_hidden = Parameter(torch.empty(count, width))
        self.bias_out = Parameter(torch.empty(sum(self.sizes)))
        self.norm_weight = Parameter(torch.empty(2, count, width))
        self.norm_bias = Parameter(torch.empty(2, count, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases anew, and set the normalizations to the identity."""
        for weight, bias, fan_in in (
            (self.weight_in, self.bias_in, self.edge_dim),
            (self.weight_hidden, self.bias_hidden, self.hidden_channels),
            (self.weight_out, self.bias_out, self.hidden_channels),
        ):
            bound = math.sqrt(6 / fan_in)
            torch.nn.init.uniform_(weight, -bound, bound)
            bound = 1 / math.sqrt(fan_in)
            torch.nn.init.uniform_(bias, -bound, bound)
        torch.nn.init.ones_(self.norm_weight)
        torch.nn.init.zeros_(self.norm_bias)

    def forward(self, edge_attr: Tensor) -> tuple[Tensor, ...]:
        """What each perceptron gives."""
        check_last(edge_attr, self.edge_dim, "edge_attr")
        check_dtype(edge_attr, self.weight_in, "edge_attr")
        shape = len(self.sizes), self.hidden_channels
        hidden = dense(edge_attr, self.weight_in, self.bias_in).unflatten(-1, shape)
        hidden = self._activate(hidden, 0).transpose(0, 1)  # [profiles, |E|, width]
        hidden = hidden @ self.weight_hidden + self.bias_hidden.unsqueeze(1)
        hidden = self._activate(hidden.transpose(0, 1), 1)
        weights = self.weight_out.split(self.sizes, dim=1)
        biases = self.bias_out.split(self.sizes)
        return tuple(
            dense(h, weight, bias)
            for h, weight, bias in zip(hidden.unbind(1), weights, biases, strict=True)
        )

    def _activate(self, x: Tensor, layer: int) -> Tensor:
        """Normalize ``(|E|, profiles, width)`` over widths, and activate."""
        x = F.layer_norm(x, x.shape[-1:], eps=self.eps)
        x = x * self.norm_weight[layer] + self.norm_bias[layer]
        return self.act(x)

    def __repr__(self) -> str:
        return describe(self, "edge_dim, sizes", "hidden_channels")
