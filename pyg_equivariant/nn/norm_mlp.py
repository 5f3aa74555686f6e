"""A perceptron on lengths: the non-linearity of the SE(3)-Transformer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import LayerNorm, Module, ModuleList, Sequential

from pyg_equivariant.o3 import Irreps, IrrepsLike

from .activation import ActivationLike, resolve_activation
from .module import EquivariantModule, check_features
from .norm_activation import length_and_direction


class NormMLP(EquivariantModule):
    r"""Acts on the lengths of all copies of an irrep together, and keeps directions.

    From `"SE(3)-Transformers" <https://arxiv.org/abs/2006.10503>`_:

    .. math::
        \mathbf x_u \mapsto \phi(|\mathbf x_1|, \dots, |\mathbf x_n|)_u\,
        \frac{\mathbf x_u}{|\mathbf x_u|}, \qquad
        \phi = \sigma \circ \text{LN},

    or for ``num_layers`` :math:`k > 0` as often a normalization, an activation and a
    linear map (the last with a bias). Scalars are treated like all others: their length
    is the absolute value, their direction the sign. Several blocks of one irrep are
    each taken alone.

    Args:
        irreps: irreps of the features.
        num_layers: number of linear maps in :math:`\phi` (default: 0).
        eps: with :math:`\epsilon > 0` lengths are :math:`\sqrt{|x|^2 + \epsilon}`, and
            the map is smooth at the zero vector; with 0 it jumps there, as in the
            authors' code (default: ``1e-4``).
        act: the activation :math:`\sigma`, a function or its name (default:
            ``"relu"``).

    Shapes:
        - **input:** features :math:`(*, \text{irreps.dim})`
        - **output:** features :math:`(*, \text{irreps.dim})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if ``num_layers`` or ``eps`` is negative or the last dimension does
            not fit.

    Example:
        >>> NormMLP("8x0e+4x1o")
        NormMLP(8x0e+4x1o, num_layers=0)
    """

    def __init__(
        self,
        irreps: IrrepsLike,
        num_layers: int = 0,
        eps: float = 1e-4,
        act: ActivationLike = "relu",
    ) -> None:
        super().__init__()
        if num_layers < 0 or eps < 0:
            raise ValueError(
                f"num_layers and eps are not negative, got {num_layers} and {eps}"
            )
        self.irreps_in = self.irreps_out = Irreps(irreps)
        self.num_layers = num_layers
        self.eps = eps
        # φ: one network for every irrep
        self.networks = ModuleList(
            _network(mul, num_layers, act) for mul, _ in self.irreps_in
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the linear maps anew, and set normalizations to the identity."""
        reset_networks(self.networks)

    def forward(self, x: Tensor) -> Tensor:
        """Activate features of ``irreps``."""
        check_features(x, self.irreps_in, like=next(self.parameters(), None))
        out = []
        for block, network in zip(self.irreps_in.split(x), self.networks, strict=True):
            if not block.shape[-1]:
                out.append(block)
                continue
            length, direction = length_and_direction(block, self.eps)
            factor = on_wide(network, length, x.dtype)
            out.append(factor * direction.to(x.dtype))
        return self.irreps_out.join(out) if out else x

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.irreps_in}, num_layers={self.num_layers})"


def reset_networks(networks: ModuleList) -> None:
    """Draw linear maps anew, and set normalizations to the identity."""
    for layer in (layer for network in networks for layer in network.children()):
        if isinstance(layer, (LayerNorm, torch.nn.Linear)):
            layer.reset_parameters()
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.kaiming_uniform_(layer.weight)


class _Activate(Module):
    """A function as a module."""

    def __init__(self, act: ActivationLike) -> None:
        super().__init__()
        self.act = resolve_activation(act)

    def forward(self, x: Tensor) -> Tensor:
        """Activate ``x``."""
        return self.act(x)


def _network(channels: int, num_layers: int, act: ActivationLike) -> Sequential:
    if not channels:
        return Sequential()
    layers: list[Module] = []
    for k in range(max(num_layers, 1)):
        layers += [LayerNorm(channels), _Activate(act)]
        if num_layers:
            bias = k == num_layers - 1
            layers.append(torch.nn.Linear(channels, channels, bias=bias))
    return Sequential(*layers)


def on_wide(network: Module, x: Tensor, dtype: torch.dtype) -> Tensor:
    """A network on what ``dtype`` may not hold, until it is normalized."""
    assert isinstance(network, Sequential)
    norm, rest = network[0], network[1:]
    assert isinstance(norm, LayerNorm)
    x = F.layer_norm(x, norm.normalized_shape, eps=norm.eps).to(dtype)
    out: Tensor = rest(x * norm.weight + norm.bias)
    return out
