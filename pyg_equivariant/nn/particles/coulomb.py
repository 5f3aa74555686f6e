"""What Coulomb's law tells of charged particles before anything is learned."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import safe_norm

from .particle_model import Particles

SOFTENING = 0.3
"""Length below which forces stop growing, as no network learns a pole."""


def coulomb_invariants(particles: Particles) -> Tensor:
    r"""Of every edge, ``(|E|, 4)``: :math:`q_i q_j / s` and :math:`q_i q_j / s^2` with
    the softened distance :math:`s^2 = r_{ij}^2 + \epsilon^2`, how fast the particles
    leave each other, and the size of their relative velocity.
    """
    j, i = particles.edge_index.long()
    vec = particles.graph.edge_vec()
    square = vec.square().sum(-1, keepdim=True) + SOFTENING**2
    relative = particles.vel.index_select(0, j) - particles.vel.index_select(0, i)
    leaving = (relative * vec).sum(-1, keepdim=True) / square.sqrt()
    charges = particles.edge_attr
    parts = [charges * square.rsqrt(), charges / square, leaving]
    return torch.cat([*parts, safe_norm(relative, keepdim=True)], dim=-1)


def coulomb_acceleration(particles: Particles) -> Tensor:
    r"""Of every particle, ``(|V|, 3)``: :math:`\sum_j q_i q_j (\mathbf{x}_i -
    \mathbf{x}_j) / s_{ij}^3`, of charges of mass one.
    """
    vec = particles.graph.edge_vec()
    square = vec.square().sum(-1, keepdim=True) + SOFTENING**2
    push = -particles.edge_attr * vec * square.pow(-1.5)
    target = particles.edge_index[1].long()
    return torch.zeros_like(particles.pos).index_add(0, target, push)
