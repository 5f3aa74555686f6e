"""Message passing between particles, without geometry."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import ModuleList

from ..activation import ActivationLike
from ..conv import MPNNConv
from ..mlp import MLP
from ..module import describe
from .particle_model import ParticleModel, Particles


class ParticleMPNN(ParticleModel):
    r"""The message passing of the `"Neural Message Passing for Quantum Chemistry"
    <https://arxiv.org/abs/1704.01212>`_ paper, as baseline of the N-body benchmark.

    .. math::
        \mathbf{h}_i^{(0)} = \mathbf{W} (\mathbf{x}_i \oplus \mathbf{v}_i) + \mathbf{b},
        \qquad \mathbf{h} \leftarrow \text{MPNNConv}(\mathbf{h};\, q_i q_j), \qquad
        \mathbf{x}^{\prime}_i = \phi(\mathbf{h}_i)

    Coordinates are features like any others: the network is equivariant under neither
    rotations nor translations, and learns positions as they are, no displacement.

    Args:
        hidden_channels: number of features of a particle (default: 64).
        num_layers: number of layers (default: 4).
        attention: as in :class:`~pyg_equivariant.nn.MPNNConv` (default: ``False``).
        residual: as there (default: ``True``).
        act: activation of all networks (default: ``"silu"``).

    Shapes:
        - **input:** positions and velocities :math:`(|V|, 3)`, charges :math:`(|V|, 1)`
        - **output:** positions :math:`(|V|, 3)`

    Example:
        >>> model = ParticleMPNN(16)
        >>> pos, vel, charge = torch.randn(5, 3), torch.randn(5, 3), torch.ones(5, 1)
        >>> model(pos, vel, charge).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        hidden_channels: int = 64,
        num_layers: int = 4,
        attention: bool = False,
        residual: bool = True,
        act: ActivationLike = "silu",
    ) -> None:
        super().__init__()
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        hidden = hidden_channels
        self.embedding = torch.nn.Linear(6, hidden)
        self.convs = ModuleList(
            MPNNConv(hidden, hidden, hidden, 1, attention, residual, act)
            for _ in range(num_layers)
        )
        # φ: decoder
        self.decoder = MLP([hidden, hidden, 3], act)

    def move(self, particles: Particles) -> Tensor:
        """The positions a while later."""
        x = self.embedding(torch.cat([particles.pos, particles.vel], dim=-1))
        for conv in self.convs:
            x = conv(x, particles.edge_index, particles.edge_attr)
        return self.decoder(x)

    def __repr__(self) -> str:
        return describe(self, "", "hidden_channels num_layers")
