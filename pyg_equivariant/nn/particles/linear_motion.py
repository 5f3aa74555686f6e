"""Particles that go straight on: what networks have to beat."""

from __future__ import annotations

import torch
from torch import Tensor

from .particle_model import ParticleModel, Particles


class LinearMotion(ParticleModel):
    r"""The linear baseline of the `"E(n) Equivariant Graph Neural Networks"
    <https://arxiv.org/abs/2102.09844>`_ paper: particles that go straight on.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{x}_i + t\, \mathbf{v}_i

    Args:
        mixing: a linear map of all coordinates in place of it, :math:`\mathbf{W}
            (\mathbf{x}_i \oplus \mathbf{v}_i) + \mathbf{b}`, the authors' other
            baseline, which is equivariant under nothing (default: ``False``).

    Shapes:
        - **input:** positions and velocities :math:`(|V|, 3)`, charges :math:`(|V|, 1)`
        - **output:** positions :math:`(|V|, 3)`

    Example:
        >>> model = LinearMotion()
        >>> model(torch.zeros(1, 3), torch.ones(1, 3), torch.ones(1, 1)).tolist()
        [[0.699999988079071, 0.699999988079071, 0.699999988079071]]
    """

    def __init__(self, mixing: bool = False) -> None:
        super().__init__()
        self.mixing = mixing
        self.linear = torch.nn.Linear(6, 3) if mixing else None
        # t: how much later
        self.time = None if mixing else torch.nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew; the time becomes 0.7, as in the authors' code."""
        super().reset_parameters()
        if self.time is not None:
            torch.nn.init.constant_(self.time, 0.7)

    def move(self, particles: Particles) -> Tensor:
        """The positions a while later."""
        if self.linear is not None:
            return self.linear(torch.cat([particles.pos, particles.vel], dim=-1))
        assert self.time is not None
        return particles.pos + self.time * particles.vel

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mixing={self.mixing})"
