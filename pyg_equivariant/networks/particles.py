"""The rows of the table of charged particles, from worst to best."""

from __future__ import annotations

from typing import Any

from pyg_equivariant.nn import (
    EGNNConv,
    MPNNConv,
    RadialFieldConv,
    SE3Conv,
    SE3TransformerConv,
    SEGNNConv,
)
from pyg_equivariant.nn.particles import (
    LinearMotion,
    ParticleEGNN,
    ParticleMPNN,
    ParticleSE3Transformer,
    ParticleSEGNN,
    RadialField,
)

from ._network import Paper
from ._particle_network import ParticleNetwork, ParticlePreset
from .egnn import NETWORK as _EGNN
from .se3_transformer import NETWORK as _SE3
from .segnn import NETWORK as _SEGNN

_SMALL: dict[str, Any] = {"hidden_channels": 8, "num_layers": 2}
_WIDE: dict[str, Any] = {"hidden_channels": 64, "num_layers": 4}
_STEERABLE = _WIDE | {"lmax": 1, "lmax_attr": 1}
_NON_LINEAR = {"num_update_layers": 0, "gate": "aggregate", "norm": "instance"}
_LINEAR = _NON_LINEAR | {"num_message_layers": 1}
_PAPER, _POSTER = "the SEGNN paper", "the SEGNN poster"
_SHORTER = ParticlePreset(lr=5e-4, epochs=1000)


def _segnn(
    name: str,
    title: str,
    summary: str,
    options: dict[str, Any],
    parameters: int,
    published: tuple[float, str],
) -> ParticleNetwork:
    return ParticleNetwork(
        name=name,
        title=title,
        layer=SEGNNConv,
        model=ParticleSEGNN,
        summary=summary,
        paper=_SEGNN.paper,
        small={**_SMALL, **options},
        arguments=_STEERABLE | options,
        parameters=parameters,
        published=published,
        preset=_SHORTER,
    )


_ROWS = (
    ParticleNetwork(
        name="linear",
        title="Linear",
        layer=None,
        model=LinearMotion,
        summary="straight lines",
        paper=_EGNN.paper,
        small={},
        arguments={},
        parameters=1,
        published=(0.0819, _PAPER),
        preset=ParticlePreset(lr=5e-4),
    ),
    ParticleNetwork(
        name="se3_transformer",
        title="SE(3)-Transformer",
        layer=SE3TransformerConv,
        model=ParticleSE3Transformer,
        summary="steerable attention",
        paper=_SE3.paper,
        small={"hidden_channels": 3, "lmax": 1, "num_layers": 2},
        arguments={"hidden_channels": 21, "lmax": 2, "num_layers": 4},
        parameters=1_763_134,
        published=(0.0244, _PAPER),
        preset=ParticlePreset(lr=5e-3),
        group="SO(3)",
    ),
    ParticleNetwork(
        name="tfn",
        title="Tensor Field Network",
        layer=SE3Conv,
        model=ParticleSE3Transformer,
        summary="linear steerable messages that mix all channels",
        paper=_SE3.paper,
        small={"hidden_channels": 3, "lmax": 1, "num_layers": 3, "attention": False},
        arguments={"hidden_channels": 16, "lmax": 1, "num_layers": 4}
        | {"attention": False},
        parameters=127_024,
        published=(0.0155, _PAPER),
        preset=ParticlePreset(lr=1e-3),
        group="SO(3)",
        layers={
            "small": lambda edge_dim, _: SE3Conv(
                "4x0e+2x1e", "0e+1e+2e", "4x0e+2x1e", edge_dim, radial_channels=8
            )
        },
    ),
    _segnn(
        "se_linear",
        "SE linear",
        "linear steerable convolutions",
        _LINEAR | {"hidden_channels": 80},
        88_600,
        (0.0116, _POSTER),
    ),
    ParticleNetwork(
        name="mpnn",
        title="NMP",
        layer=MPNNConv,
        model=ParticleMPNN,
        summary="messages without geometry",
        paper=Paper(
            "Neural Message Passing for Quantum Chemistry",
            "https://arxiv.org/abs/1704.01212",
        ),
        small=_SMALL,
        arguments=_WIDE,
        parameters=104_387,
        published=(0.0107, _PAPER),
        preset=ParticlePreset(lr=1e-3),
        group=None,
        layers={"small": lambda edge_dim, _: MPNNConv(8, 6, 8, edge_dim, True)},
    ),
    ParticleNetwork(
        name="radial_field",
        title="Radial Field",
        layer=RadialFieldConv,
        model=RadialField,
        summary="forces along the lines between points, without features",
        paper=Paper(
            "Equivariant Flows: sampling configurations for multi-body systems with "
            "symmetric energies",
            "https://arxiv.org/abs/1910.00753",
        ),
        small=_SMALL,
        arguments=_WIDE,
        parameters=2_052,
        published=(0.0104, _PAPER),
        preset=ParticlePreset(lr=2e-4),
        layers={"small": lambda edge_dim, _: RadialFieldConv(8, edge_dim)},
    ),
    ParticleNetwork(
        name="egnn",
        title="EGNN",
        layer=EGNNConv,
        model=ParticleEGNN,
        summary=_EGNN.summary,
        paper=_EGNN.paper,
        small=_SMALL,
        arguments=_WIDE,
        parameters=134_020,
        published=(0.0070, _PAPER),
        preset=ParticlePreset(lr=5e-4),
    ),
    _segnn(
        "se_nonlinear",
        "SE non-linear",
        "non-linear steerable convolutions",
        _NON_LINEAR,
        81_888,
        (0.0060, _POSTER),
    ),
    _segnn(
        "segnn_g",
        "SEGNN (geometric)",
        "messages steered by geometry",
        {"velocity_attr": False},
        147_424,
        (0.0056, _PAPER),
    ),
    _segnn(
        "segnn",
        "SEGNN (geometric and physical)",
        "messages steered by geometry and velocities",
        {},
        147_424,
        (0.0043, _PAPER),
    ),
)

PARTICLE_NETWORKS: dict[str, ParticleNetwork] = {row.name: row for row in _ROWS}
"""All rows of the table of charged particles, from worst to best.

:meta hide-value:
"""


def find_particle_network(name: str) -> ParticleNetwork:
    """The row of that name.

    Raises:
        ValueError: for an unknown name; the message lists all of them.

    Example:
        >>> find_particle_network("mpnn").title
        'NMP'
    """
    if name not in PARTICLE_NETWORKS:
        raise ValueError(
            f"got network {name!r}, expected one of {', '.join(PARTICLE_NETWORKS)}"
        )
    return PARTICLE_NETWORKS[name]
