"""SEGNN."""

from __future__ import annotations

from typing import Any

from pyg_equivariant.nn import SEGNN, SEGNNConv
from pyg_equivariant.o3 import Irreps

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

_SMALL, _LMAX2 = Irreps("4x0e+2x1o"), Irreps("4x0e+3x1o+2x1e+2x2e")
_PARTICLES: dict[str, Any] = {"hidden_channels": 64, "num_layers": 4, "edge_dim": 1}
_PARTICLES |= {"lmax": 1, "lmax_attr": 1, "normalization": "integral"}
_PARTICLES |= {"cutoff": None, "norm": None, "distance": "length"}
_PARTICLES |= {"irreps_in": "2x1o+1x0e", "head": "vector"}
_NON_LINEAR = _PARTICLES | {"num_update_layers": 0, "gate": "aggregate"}
_NON_LINEAR |= {"norm": "instance"}
_LINEAR = _NON_LINEAR | {"hidden_channels": 80, "num_message_layers": 1}
_SOURCE = "the authors' N-body network"

NETWORK = Network(
    name="segnn",
    layer=SEGNNConv,
    model=SEGNN,
    summary="non-linear steerable messages",
    paper=Paper(
        "Geometric and Physical Quantities Improve E(3) Equivariant Message Passing",
        "https://arxiv.org/abs/2110.02905",
    ),
    small={"hidden_channels": 10, "lmax": 1, "lmax_attr": 2, "num_layers": 2}
    | {"species": tuple(range(1, 10))},
    layers={
        "small": lambda edge_dim, _: SEGNNConv(
            _SMALL, "0e+1o", _SMALL, edge_dim=edge_dim
        ),
        "lmax2": lambda edge_dim, _: SEGNNConv(
            _LMAX2, "0e+1o+2e", _LMAX2, edge_dim=edge_dim
        ),
    },
    degrees={"lmax": (0, 3), "lmax_attr": (1, 4)},
    smooth={"smooth": True},
    extensive={"head": "extensive", "norm": None},
    sizes={
        "default": Size({}, 1_033_525, "the authors' QM9 network"),
        "particles": Size(_PARTICLES, 147_424, _SOURCE),
        "particles, non-linear": Size(_NON_LINEAR, 81_888, f"{_SOURCE}, non-linear"),
        "particles, linear": Size(_LINEAR, 88_600, f"{_SOURCE}, linear"),
    },
    qm9=QM9Preset(
        split="cormorant",
        epochs=1000,
        batch_size=128,
        lr=5e-4,
        schedule="steps",
        loss="l1",
        cutoff=2.0,
        weight_decay=1e-8,
        published=Published(
            {"alpha": 0.060, "gap": 42, "homo": 24, "lumo": 21}
            | {"mu": 0.023, "Cv": 0.031},
            split="cormorant",
            source="its paper",
        ),
    ),
    potential=PotentialPreset(
        lr=2e-3,
        network={"hidden_channels": 64, "num_layers": 3, "distance": "length"},
    ),
)
