"""NequIP."""

from __future__ import annotations

from typing import Any

from pyg_equivariant.nn import NequIP, NequIPConv
from pyg_equivariant.o3 import Irreps

from ._network import Network, Paper, Size
from ._potential import PotentialPreset

_SMALL, _LMAX2 = Irreps("4x0e+2x1o"), Irreps("4x0e+3x1o+2x1e+2x2e")
_SOURCE = "the authors' code, five species"
_OLD_SOURCE = "the authors' code 0.6, three species"


def _size(parameters: int, **arguments: Any) -> Size:
    return Size(arguments, parameters, _SOURCE)


def _published(parameters: int, **arguments: Any) -> Size:
    options = {"published": True, "trainable_radial": True, "species": (1, 6, 8)}
    return Size(options | arguments, parameters, _OLD_SOURCE)


NETWORK = Network(
    name="nequip",
    layer=NequIPConv,
    model=NequIP,
    summary="all paths between two linear maps, self-connections by species",
    paper=Paper(
        "E(3)-equivariant graph neural networks for data-efficient and accurate "
        "interatomic potentials",
        "https://arxiv.org/abs/2101.03164",
    ),
    small={"hidden_channels": 4, "lmax": 1, "num_layers": 2, "num_radial": 5}
    | {"radial_channels": (6,), "species": tuple(range(1, 10))},
    layers={
        "small": lambda edge_dim, _: NequIPConv(
            _SMALL, "0e+1o", _SMALL, edge_dim, (6,)
        ),
        "lmax2": lambda edge_dim, _: NequIPConv(
            _LMAX2, "0e+1o+2e", _LMAX2, edge_dim, (6,)
        ),
    },
    degrees={"lmax": (0, 3)},
    variants={
        "published": {"published": True},
        "three layers": {"num_layers": 3, "lmax": 2, "hidden_channels": 3},
    },
    sizes={
        "default": _size(849_088),
        "degree 1": _size(438_464, lmax=1),
        "degree 3": _size(1_406_144, lmax=3),
        "degree 1 without parity": _size(307_392, lmax=1, parity=False),
        "degree 2 without parity": _size(532_672, parity=False),
        "degree 3 without parity": _size(813_248, lmax=3, parity=False),
        "published, degree 1": _published(171_640, lmax=1),
        "published, degree 2": _published(392_824),
        "published, rMD17": _published(
            3_171_048, hidden_channels=64, lmax=3, num_layers=5
        ),
    },
    from_training_set=("avg_num_neighbors",),
    potential=PotentialPreset(lr=1e-2),
)
