"""Radial fields between moving particles."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import ModuleList

from ..activation import ActivationLike
from ..conv import RadialFieldConv
from ..module import describe
from .particle_model import ParticleModel, Particles


class RadialField(ParticleModel):
    r"""The radial field of the `"Equivariant Flows: sampling configurations for
    multi-body systems with symmetric energies" <https://arxiv.org/abs/1910.00753>`_
    paper, in the form of the N-body benchmark.

    .. math::
        \mathbf{x} \leftarrow \text{RadialFieldConv}(\mathbf{x}, \mathbf{v};\,
        q_i q_j \oplus r_{ij}^2)

    with the velocities and the squared distances :math:`r_{ij}^2` of the input in every
    layer.

    Args:
        hidden_channels: width of the networks (default: 64).
        num_layers: number of layers (default: 4).
        act: activation of all networks (default: ``"silu"``).

    Shapes:
        - **input:** positions and velocities :math:`(|V|, 3)`, charges :math:`(|V|, 1)`
        - **output:** positions :math:`(|V|, 3)`

    Example:
        >>> model = RadialField()
        >>> pos, vel, charge = torch.randn(5, 3), torch.randn(5, 3), torch.ones(5, 1)
        >>> model(pos, vel, charge).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        hidden_channels: int = 64,
        num_layers: int = 4,
        act: ActivationLike = "silu",
    ) -> None:
        super().__init__()
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.convs = ModuleList(
            RadialFieldConv(hidden_channels, edge_dim=2, velocity=True, act=act)
            for _ in range(num_layers)
        )

    def move(self, particles: Particles) -> Tensor:
        """The positions a while later."""
        edge_attr, pos = with_squares(particles), particles.pos
        for conv in self.convs:
            pos = conv(pos, particles.edge_index, edge_attr, particles.vel)
        return pos

    def __repr__(self) -> str:
        return describe(self, "", "hidden_channels num_layers")


def with_squares(particles: Particles) -> Tensor:
    """What is known of every edge, and its squared length at the start, ``(|E|, 2)``.

    What the models of the N-body benchmark read of edges.
    """
    square = particles.graph.edge_vec().square().sum(dim=-1, keepdim=True)
    return torch.cat([particles.edge_attr, square], dim=-1)
