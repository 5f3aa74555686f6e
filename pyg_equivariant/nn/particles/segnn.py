"""SEGNN of particles."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import safe_norm

from ..models import SEGNN
from ..module import describe
from ..pool import Atoms
from .coulomb import coulomb_acceleration, coulomb_invariants
from .particle_model import ParticleModel, Particles

_COULOMB = (None, "edges", "acceleration", "both")


class ParticleSEGNN(ParticleModel):
    r"""The network of the N-body experiment of the `"Geometric and Physical Quantities
    Improve E(3) Equivariant Message Passing" <https://arxiv.org/abs/2110.02905>`_
    paper.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{x}_i + \text{SEGNN}(\mathbf{x}_i -
        \bar{\mathbf{x}} \oplus \mathbf{v}_i \oplus \|\mathbf{v}_i\|;\, r_{ij} \oplus
        q_i q_j, \mathbf{a}_i), \qquad \mathbf{a}_i =
        \frac{1}{|\mathcal{N}(i)|} \sum_{j} Y(\hat r_{ij}) \;\big[+ Y(\hat
        v_i)\big]

    Positions are told from their mean :math:`\bar{\mathbf{x}}` over the system. The
    authors' code takes the mean over the three coordinates of a particle instead, which
    is equivariant under neither rotations nor translations.

    Args:
        hidden_channels: width, as in :class:`~pyg_equivariant.nn.SEGNN` (default: 64).
        lmax: largest degree of the features (default: 1).
        lmax_attr: largest degree of the attributes (default: 1).
        num_layers: number of layers (default: 4).
        velocity_attr: steer by the direction of the velocities too: the paper's
            "geometric and physical" attributes; without, the geometric ones
            (default: ``True``).
        norm: ``"instance"``, over all particles of a system, or ``None``
            (default: ``None``).
        num_message_layers, num_update_layers, gate: as in
            :class:`~pyg_equivariant.nn.SEGNNConv`, for the paper's steerable
            convolutions, linear and non-linear.
        coulomb: what Coulomb's law tells beforehand, which no paper's network is told:
            invariants of the ``"edges"`` (charges over softened distances, the relative
            velocity), the softened ``"acceleration"`` of the particles, or ``"both"``
            (default: ``None``).

    Shapes:
        - **input:** positions and velocities :math:`(|V|, 3)`, charges :math:`(|V|, 1)`
        - **output:** positions :math:`(|V|, 3)`

    Example:
        >>> model = ParticleSEGNN(16)
        >>> pos, vel, charge = torch.randn(5, 3), torch.randn(5, 3), torch.ones(5, 1)
        >>> model(pos, vel, charge).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        hidden_channels: int = 64,
        lmax: int = 1,
        lmax_attr: int = 1,
        num_layers: int = 4,
        velocity_attr: bool = True,
        norm: str | None = None,
        num_message_layers: int = 2,
        num_update_layers: int = 2,
        gate: str = "message",
        coulomb: str | None = None,
    ) -> None:
        super().__init__()
        if coulomb not in _COULOMB:
            raise ValueError(f"coulomb is one of {_COULOMB}, got {coulomb!r}")
        self.coulomb = coulomb
        accelerated = coulomb in ("acceleration", "both")
        self.velocity_attr = velocity_attr
        self.segnn = SEGNN(
            hidden_channels,
            lmax,
            lmax_attr,
            num_layers,
            cutoff=None,
            norm=norm,
            normalization="integral",
            distance="length",
            edge_dim=5 if coulomb in ("edges", "both") else 1,
            irreps_in="3x1o+2x0e" if accelerated else "2x1o+1x0e",
            num_message_layers=num_message_layers,
            num_update_layers=num_update_layers,
            gate=gate,
            head="vector",
        )

    def move(self, particles: Particles) -> Tensor:
        """The positions a while later."""
        graph, vel = particles.graph, particles.vel
        systems = Atoms(vel, graph.batch, graph.batch_size)
        mean = systems.pool(graph.pos, "mean").to(vel.dtype)
        centered = graph.pos - systems.spread(mean)
        vectors = [centered, vel]
        if self.coulomb in ("acceleration", "both"):
            vectors.append(coulomb_acceleration(particles))
        sizes = safe_norm(torch.stack(vectors[1:], dim=1))  # 1x0e or 2x0e
        features = [torch.stack(vectors, dim=-1).flatten(1), sizes]
        direction = None
        if self.velocity_attr:
            assert self.segnn.edges.spherical_harmonics is not None
            direction = self.segnn.edges.spherical_harmonics(vel)
        edge_attr = particles.edge_attr
        if self.coulomb in ("edges", "both"):
            edge_attr = torch.cat([edge_attr, coulomb_invariants(particles)], dim=-1)
        displacement = self.segnn.predict(
            torch.cat(features, dim=-1),
            graph,
            edge_attr=edge_attr,
            node_attr=direction,
        )
        assert isinstance(displacement, Tensor)
        return graph.pos + displacement

    def __repr__(self) -> str:
        return describe(self, "segnn.irreps_hidden", "segnn.num_layers velocity_attr")
