"""Allegro."""

from __future__ import annotations

from typing import Any

from pyg_equivariant.nn import Allegro, AllegroConv
from pyg_equivariant.o3 import Irreps

from ._network import Network, Paper, Size
from ._potential import PotentialPreset

_SMALL, _LMAX2 = Irreps("4x0e+4x1o"), Irreps("3x0e+3x1o+3x1e+3x2e")
_SOURCE = "the authors' code, five species"


def _size(parameters: int, **arguments: Any) -> Size:
    return Size(arguments, parameters, _SOURCE)


def _published(parameters: int, source: str, **arguments: Any) -> Size:
    return Size({"published": True, **arguments}, parameters, source)


_QM9 = "the paper, which counts a number of each of five species besides"
_PAPER: dict[str, Any] = {"hidden_channels": 1024, "tensor_channels": 256}

NETWORK = Network(
    name="allegro",
    layer=AllegroConv,
    model=Allegro,
    summary="features on edges, joined with the environment of one atom",
    paper=Paper(
        "Learning local equivariant representations for large-scale atomistic dynamics",
        "https://arxiv.org/abs/2204.05249",
    ),
    small={"hidden_channels": 6, "tensor_channels": 4, "lmax": 1, "num_layers": 2}
    | {"num_radial": 5, "two_body_channels": (7,), "latent_channels": (7,)}
    | {"readout_channels": (5,), "species": tuple(range(1, 10))}
    | {"avg_num_neighbors": 2.0},
    layers={
        "small": lambda edge_dim, _: AllegroConv(_SMALL, "0e+1o", _SMALL, edge_dim),
        "lmax2": lambda edge_dim, _: AllegroConv(
            _LMAX2, "0e+1o+2e", _LMAX2, edge_dim, (6,), channel_weights=False
        ),
        "mixed": lambda edge_dim, _: AllegroConv(
            _LMAX2, "0e+1o", _LMAX2, edge_dim, mix=True, avg_num_neighbors=2.0
        ),
    },
    degrees={"lmax": (0, 3)},
    variants={
        "published": {"published": True},
        "three layers": {"num_layers": 3, "tensor_channels": 3}
        | {"avg_num_neighbors": 60.0},
    },
    sizes={
        "degree 1": _size(48_064, lmax=1),
        "default": _size(51_264),
        "degree 3": _size(54_544, lmax=3),
        "published, example": _published(
            8_152_968,
            "the authors' code 0.2, three species",
            **_PAPER | {"tensor_channels": 64},
            latent_channels=(1024, 1024),
            species=(1, 6, 8),
            trainable_radial=True,
        ),
        "published, QM9, 1 layer": _published(
            7_375_232, _QM9, **_PAPER, lmax=3, num_layers=1
        ),
        "published, QM9, 3 layers": _published(
            17_926_528, _QM9, **_PAPER, num_layers=3
        ),
    },
    from_training_set=("avg_num_neighbors",),
    potential=PotentialPreset(lr=2e-3),
)
