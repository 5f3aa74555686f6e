"""EGNN of particles."""

from __future__ import annotations

from torch import Tensor

from pyg_equivariant.o3 import safe_norm

from ..activation import ActivationLike
from ..models import EGNN
from ..module import describe
from .particle_model import ParticleModel, Particles
from .radial_field import with_squares


class ParticleEGNN(ParticleModel):
    r"""The network of the N-body experiment of the `"E(n) Equivariant Graph Neural
    Networks" <https://arxiv.org/abs/2102.09844>`_ paper.

    .. math::
        \mathbf{h}, \mathbf{x} \leftarrow \text{EGNNConv}(\mathbf{h}, \mathbf{x},
        \mathbf{v};\, q_i q_j \oplus r_{ij}^2), \qquad
        \mathbf{h}_i^{(0)} = \mathbf{W} \|\mathbf{v}_i\| + \mathbf{b}

    with the velocities and the squared distances :math:`r_{ij}^2` of the input in every
    layer. It is :class:`~pyg_equivariant.nn.EGNN` with velocities, called as particles
    are.

    Args:
        hidden_channels: number of scalars of a particle (default: 64).
        num_layers: number of layers (default: 4).
        attention, tanh, norm_diff, clamp, residual, pos_aggr: as in
            :class:`~pyg_equivariant.nn.EGNNConv` (defaults: those there, with a
            residual).
        act: activation of all networks (default: ``"silu"``).

    Shapes:
        - **input:** positions and velocities :math:`(|V|, 3)`, charges :math:`(|V|, 1)`
        - **output:** positions :math:`(|V|, 3)`

    Example:
        >>> import torch
        >>> model = ParticleEGNN(16)
        >>> pos, vel, charge = torch.randn(5, 3), torch.randn(5, 3), torch.ones(5, 1)
        >>> model(pos, vel, charge).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        hidden_channels: int = 64,
        num_layers: int = 4,
        attention: bool = False,
        tanh: bool = False,
        norm_diff: bool = False,
        clamp: float | None = None,
        residual: bool = True,
        pos_aggr: str = "mean",
        act: ActivationLike = "silu",
    ) -> None:
        super().__init__()
        self.egnn = EGNN(
            hidden_channels,
            num_layers,
            cutoff=None,
            attention=attention,
            update_pos=True,
            velocity=True,
            tanh=tanh,
            norm_diff=norm_diff,
            clamp=clamp,
            residual=residual,
            pos_aggr=pos_aggr,
            act=act,
            edge_dim=2,
            in_channels=1,
            head="pos",
        )

    def move(self, particles: Particles) -> Tensor:
        """The positions a while later."""
        speed, vel = safe_norm(particles.vel, keepdim=True), particles.vel
        edge_attr = with_squares(particles)
        moved = self.egnn.predict(speed, particles.graph, vel=vel, edge_attr=edge_attr)
        assert isinstance(moved, Tensor)
        return moved

    def __repr__(self) -> str:
        return describe(self, "", "egnn.hidden_channels egnn.num_layers")
