"""Multi-layer perceptrons on invariant features."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import ModuleList, Parameter, ParameterList

from pyg_equivariant.o3 import check_last

from .activation import (
    ActivationLike,
    SecondMomentActivation,
    activation_name,
    resolve_activation,
)
from .dense import Dense, dense
from .module import check_dtype


class MLP(torch.nn.Module):
    r"""Linear layers with an activation between them.

    .. math::
        \mathbf x \mapsto \mathbf W_n\, \phi\big(\cdots \phi(\mathbf W_1 \mathbf x +
        \mathbf b_1) \cdots\big) + \mathbf b_n

    Args:
        channels: the sizes of the input, of every hidden layer and of the output.
        act: the activation :math:`\phi`, a function or its name (default: ``"silu"``).
        act_last: activate the output too (default: ``False``).
        bias: whether the layers have biases (default: ``True``).
        init: ``"default"`` is that of :class:`torch.nn.Linear`, ``"xavier"`` draws
            uniform Xavier weights and sets biases to zero (default: ``"default"``).

    Shapes:
        - **input:** :math:`(*, \text{channels}[0])`
        - **output:** :math:`(*, \text{channels}[-1])`

    Raises:
        TypeError: if a size is not an ``int``.
        ValueError: if there are fewer than two sizes or one is not positive, or a name
            is unknown.

    Example:
        >>> MLP([8, 16, 1])
        MLP([8, 16, 1], act=silu)
    """

    act: Callable[[Tensor], Tensor]

    def __init__(
        self,
        channels: Sequence[int],
        act: ActivationLike = "silu",
        act_last: bool = False,
        bias: bool = True,
        init: str = "default",
    ) -> None:
        super().__init__()
        self.channels = _sizes(channels)
        if init not in ("default", "xavier"):
            raise ValueError(f"got init={init!r}, expected 'default' or 'xavier'")
        self.in_channels = self.channels[0]
        self.out_channels = self.channels[-1]
        self.act = resolve_activation(act)
        self.act_last = act_last
        self.init = init
        self.linears = ModuleList(
            Dense(a, b, bias=bias) for a, b in pairwise(self.channels)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for linear in self.linears:
            assert isinstance(linear, torch.nn.Linear)
            linear.reset_parameters()
            if self.init == "xavier":
                torch.nn.init.xavier_uniform_(linear.weight)
                if linear.bias is not None:
                    torch.nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        return self.after_first(self.linears[0](x))

    def after_first(self, x: Tensor) -> Tensor:
        """Apply what follows the first linear map."""
        for k, linear in enumerate(self.linears):
            if k > 0:
                x = linear(self.act(x))
        return self.act(x) if self.act_last else x

    def __repr__(self) -> str:
        act_last = ", act_last=True" if self.act_last else ""
        act = activation_name(self.act)
        return f"{type(self).__name__}({self.channels}, act={act}{act_last})"


class RadialMLP(torch.nn.Module):
    r"""A perceptron without biases that keeps the variance: NequIP's radial network.

    .. math::
        \mathbf x \mapsto \frac{\mathbf W_n}{\sqrt{F_{n-1}}}\,
        \phi\Big(\cdots\, \phi\Big(\frac{\mathbf W_1}{\sqrt{F_0}}\, \mathbf x\Big)\Big),
        \qquad W \sim \mathcal N(0, 1),

    with an activation of unit second moment: numbers of unit variance stay so. There
    is no bias, so with :math:`\phi(0) = 0` the output vanishes where the input does:
    radial features under an envelope give weights that go smoothly to zero at the
    cutoff. The counterpart of e3nn's ``FullyConnectedNet``, with weights of the same
    shapes.

    Args:
        channels: the sizes of the input, of every hidden layer and of the output.
        act: the activation :math:`\phi`, scaled to unit second moment, or a
            :class:`SecondMomentActivation`, used as it is (default: ``"silu"``).

    Attributes:
        weights: for every layer a parameter of shape ``(fan_in, fan_out)``.

    Shapes:
        - **input:** :math:`(*, \text{channels}[0])`
        - **output:** :math:`(*, \text{channels}[-1])`

    Raises:
        TypeError: if a size is not an ``int``.
        ValueError: if there are fewer than two sizes or one is not positive (the last
            may be 0), or a name is unknown.

    Example:
        >>> RadialMLP([8, 64, 96])(torch.zeros(1, 8)).abs().max().item()
        0.0
    """

    def __init__(self, channels: Sequence[int], act: ActivationLike = "silu") -> None:
        super().__init__()
        self.channels = _sizes(channels, smallest_output=0)
        self.in_channels = self.channels[0]
        self.out_channels = self.channels[-1]
        if not isinstance(act, SecondMomentActivation):
            act = SecondMomentActivation(act)
        self.act = act
        self.weights = ParameterList(
            Parameter(torch.empty(a, b)) for a, b in pairwise(self.channels)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for weight in self.weights:
            torch.nn.init.normal_(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        check_last(x, self.in_channels, "x")
        check_dtype(x, self.weights[0], "x")
        for k, weight in enumerate(self.weights):
            if k:
                x = self.act(x)
            x = dense(x, weight / math.sqrt(len(weight)))
        return x

    def __repr__(self) -> str:
        act = activation_name(self.act.act)
        return f"{type(self).__name__}({self.channels}, act={act})"


def _sizes(channels: Sequence[int], smallest_output: int = 1) -> list[int]:
    sizes = list(channels)
    if any(isinstance(size, bool) or not isinstance(size, int) for size in sizes):
        raise TypeError(f"channels are ints, got {sizes}")
    if len(sizes) < 2 or min(sizes[:-1]) < 1 or sizes[-1] < smallest_output:
        raise ValueError(
            f"got channels={sizes}, expected the positive sizes of the input, the "
            "hidden layers and the output, two at least"
        )
    return sizes
