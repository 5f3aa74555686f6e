"""A linear map whose weights depend on the features that it mixes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import LayerNorm, LeakyReLU, Sequential

from pyg_equivariant.o3 import Irreps, IrrepsLike, widen

from .module import EquivariantModule, check_features, warn_unreached
from .norm_mlp import on_wide, reset_networks


class AttentiveSelfInteraction(EquivariantModule):
    r"""Mixes the channels of every irrep by weights made of their inner products.

    From `"SE(3)-Transformers" <https://arxiv.org/abs/2006.10503>`_:

    .. math::
        \mathbf y_w = \sum_u \text{softmax}_u \big(\text{MLP}(\{\langle \mathbf x_a,
        \mathbf x_b \rangle\}_{ab})_{wu}\big)\, \mathbf x_u, \qquad
        \text{MLP} = \text{Linear} \circ \text{LeakyReLU} \circ \text{LN}

    Each output is a weighted mean of the inputs of its irrep; inner products do not
    change under rotations.

    Args:
        irreps_in: irreps of the input; blocks of one irrep are taken together.
        irreps_out: irreps of the output. A block that no input block reaches is zero,
            and a warning names it.

    Attributes:
        networks: for every output block the network of its weights.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if its last dimension is not ``irreps_in.dim``.

    Example:
        >>> AttentiveSelfInteraction("4x0e+2x1o", "8x0e+3x1o")
        AttentiveSelfInteraction(4x0e+2x1o -> 8x0e+3x1o)
    """

    def __init__(self, irreps_in: IrrepsLike, irreps_out: IrrepsLike) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps_in)
        self.irreps_out = Irreps(irreps_out)
        # MLP: one for every irrep
        self.networks = torch.nn.ModuleList(
            _network(self.irreps_in.count(ir), mul) for mul, ir in self.irreps_out
        )
        blocks = [b for b in self.irreps_out if b.mul and b.ir not in self.irreps_in]
        warn_unreached(self, Irreps(blocks))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the networks anew."""
        reset_networks(self.networks)

    def forward(self, x: Tensor) -> Tensor:
        """Map features of ``irreps_in`` to features of ``irreps_out``."""
        check_features(x, self.irreps_in, like=next(self.parameters(), None))
        given = list(zip(self.irreps_in, self.irreps_in.split(x), strict=True))
        out = [x.new_zeros(*x.shape[:-1], ir.dim, mul) for mul, ir in self.irreps_out]
        for o, (network, (mul, ir)) in enumerate(
            zip(self.networks, self.irreps_out, strict=True)
        ):
            if not (mul and self.irreps_in.count(ir)):
                continue
            same = torch.cat([b for (_, other), b in given if other == ir], dim=-1)
            logits = on_wide(network, _gram(same), x.dtype)
            logits = logits.unflatten(-1, (mul, same.shape[-1]))
            out[o] = same @ widen(logits).softmax(-1).mT.to(same.dtype)
        return self.irreps_out.join(out) if out else x

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out})"


def _network(copies: int, channels: int) -> Sequential:
    if not copies or not channels:
        return Sequential()
    last = torch.nn.Linear(copies**2, copies * channels)
    return Sequential(LayerNorm(copies**2), LeakyReLU(), last)


def _gram(x: Tensor) -> Tensor:
    """Inner products of all copies ``(*, copies²)``, in float32 at least."""
    x = widen(x)
    with torch.autocast(x.device.type, enabled=False):
        return (x.mT @ x).flatten(-2)
