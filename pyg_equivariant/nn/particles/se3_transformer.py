"""The SE(3)-Transformer and the tensor field network of particles."""

from __future__ import annotations

import torch
from torch import Tensor

from ..models import Features, SE3Transformer
from ..module import describe
from .particle_model import ParticleModel, Particles


class ParticleSE3Transformer(ParticleModel):
    r"""The network of the `"SE(3)-Transformers: 3D Roto-Translation Equivariant
    Attention Networks" <https://arxiv.org/abs/2006.10503>`_ paper, and without
    attention its authors' tensor field network, as baselines of the N-body benchmark.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{x}_i + s\; \text{SE3Transformer}(q_i \oplus
        \mathbf{v}_i;\, r_{ij})

    with a learned scale :math:`s`, 0.01 at first, where there is attention, and 1
    otherwise. The benchmark's attention stands alone: neither the features of a
    particle nor a linear map join what it attends to. Products of charges are not read.
    Equivariant under SE(3) only, not under reflections, unless ``parity=True``.

    Args:
        hidden_channels: copies of every irrep of a particle (default: 21).
        lmax: largest degree of the features (default: 2).
        num_layers: number of attention blocks, after which a convolution follows;
            without attention that of all convolutions (default: 4).
        attention: with ``False`` the tensor field network (default: ``True``).
        num_heads, skip, norm_eps, parity: as in
            :class:`~pyg_equivariant.nn.SE3Transformer` (defaults: one head, no skip,
            as in the benchmark, ``1e-8``, ``False``).

    Shapes:
        - **input:** positions and velocities :math:`(|V|, 3)`, charges :math:`(|V|, 1)`
        - **output:** positions :math:`(|V|, 3)`

    Example:
        >>> model = ParticleSE3Transformer(4, lmax=1, num_layers=2)
        >>> pos, vel, charge = torch.randn(5, 3), torch.randn(5, 3), torch.ones(5, 1)
        >>> model(pos, vel, charge).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        hidden_channels: int = 21,
        lmax: int = 2,
        num_layers: int = 4,
        attention: bool = True,
        num_heads: int = 1,
        skip: str | None = None,
        norm_eps: float = 1e-8,
        parity: bool = False,
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.attention = attention
        self.se3 = SE3Transformer(
            hidden_channels,
            lmax,
            num_layers if attention else num_layers - 1,
            num_heads,
            div=1,
            cutoff=None,
            parity=parity,
            attention=attention,
            skip=skip,
            norm_layers=0 if attention else 1,
            norm_eps=norm_eps,
            irreps_in="1x0e+1x1o",
            irreps_pool="1x1o",
            head=None,
        )
        # s: scale of displacements
        self.scale = torch.nn.Parameter(torch.empty(1)) if attention else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew; the scale becomes 0.01, as in the authors' code."""
        super().reset_parameters()
        if self.scale is not None:
            torch.nn.init.constant_(self.scale, 0.01)

    def move(self, particles: Particles) -> Tensor:
        """The positions a while later."""
        x = torch.cat([particles.charge, particles.vel], dim=-1)
        features = self.se3.predict(x, particles.graph)
        assert isinstance(features, Features)
        assert features.vec is not None
        displacement = features.vec.squeeze(-1)
        if self.scale is not None:
            displacement = self.scale * displacement
        return particles.pos + displacement

    def __repr__(self) -> str:
        return describe(self, "se3.irreps_hidden", "num_layers attention")
