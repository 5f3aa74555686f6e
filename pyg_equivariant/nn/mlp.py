"""Plain multi-layer perceptrons, on invariant features."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import Linear, ModuleList, Parameter, ParameterList

from .activation import NormalizedActivation, resolve_activation

Act = str | Callable[[Tensor], Tensor]


class MLP(torch.nn.Module):
    r"""Linear layers with an activation between them.

    .. math::
        \mathbf{x} \mapsto \mathbf{W}_n\, a\big(\cdots a(\mathbf{W}_1 \mathbf{x} +
        \mathbf{b}_1) \cdots\big) + \mathbf{b}_n

    Args:
        channels: the sizes of the input, of every hidden layer and of the output.
        act: activation, by name or as a function (default: ``"silu"``).
        act_last: activate the output too (default: ``False``).
        bias: whether layers have a bias (default: ``True``).
        init: ``"default"`` as :class:`torch.nn.Linear`, or ``"xavier"`` for uniform
            Xavier weights and zero biases (default: ``"default"``).

    Shapes:
        - **input:** :math:`(*, \text{channels}[0])`
        - **output:** :math:`(*, \text{channels}[-1])`

    Raises:
        ValueError: if there are fewer than two sizes or ``init`` is unknown.

    Example:
        >>> MLP([8, 16, 1])
        MLP([8, 16, 1], act=silu)
    """

    def __init__(
        self,
        channels: Sequence[int],
        act: Act = "silu",
        act_last: bool = False,
        bias: bool = True,
        init: str = "default",
    ) -> None:
        super().__init__()
        if len(channels) < 2:
            raise ValueError(f"an MLP has an input and an output, got {channels=}")
        if init not in ("default", "xavier"):
            raise ValueError(f"init is 'default' or 'xavier', got {init!r}")
        self.channels = list(channels)
        self.in_channels = channels[0]
        self.out_channels = channels[-1]
        self.act = resolve_activation(act)
        self.act_last = act_last
        self.init = init
        self.linears = ModuleList(Linear(a, b, bias) for a, b in pairwise(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for linear in self.linears:
            assert isinstance(linear, Linear)
            linear.reset_parameters()
            if self.init == "xavier":
                torch.nn.init.xavier_uniform_(linear.weight)
                if linear.bias is not None:
                    torch.nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        last = len(self.linears) - 1
        for k, linear in enumerate(self.linears):
            x = linear(x)
            if k < last or self.act_last:
                x = self.act(x)
        return x

    def __repr__(self) -> str:
        name = getattr(self.act, "__name__", repr(self.act))
        return f"{type(self).__name__}({self.channels}, act={name})"


class RadialMLP(torch.nn.Module):
    r"""A network without biases that keeps the variance, for weights of paths.

    .. math::
        \mathbf{x} \mapsto \frac{\mathbf{W}_n}{\sqrt{F_{n-1}}}\,
        a\Big(\cdots a\Big(\frac{\mathbf{W}_1}{\sqrt{F_0}}\, \mathbf{x}\Big)\Big),
        \qquad W \sim \mathcal{N}(0, 1)

    with an activation of unit second moment. As there is no bias and :math:`a(0) = 0`,
    the output vanishes where the input does: radial features under an envelope give
    weights that go smoothly to zero at the cutoff.

    Args:
        channels: the sizes of the input, of every hidden layer and of the output.
        act: activation with :math:`a(0) = 0` (default: ``"silu"``).

    Shapes:
        - **input:** :math:`(*, \text{channels}[0])`
        - **output:** :math:`(*, \text{channels}[-1])`

    Raises:
        ValueError: if there are fewer than two sizes.

    Example:
        >>> RadialMLP([8, 64, 96])(torch.zeros(1, 8)).abs().max()
        tensor(0., grad_fn=<MaxBackward1>)
    """

    def __init__(self, channels: Sequence[int], act: Act = "silu") -> None:
        super().__init__()
        if len(channels) < 2:
            raise ValueError(f"an MLP has an input and an output, got {channels=}")
        self.channels = list(channels)
        self.in_channels = channels[0]
        self.out_channels = channels[-1]
        self.act = NormalizedActivation(act)
        self.weights = ParameterList(
            Parameter(torch.empty(a, b)) for a, b in pairwise(channels)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for weight in self.weights:
            torch.nn.init.normal_(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        for k, weight in enumerate(self.weights):
            if k:
                x = self.act(x)
            x = x @ (weight / math.sqrt(max(len(weight), 1)))
        return x

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels})"
