"""SE(3)-Transformer."""

from __future__ import annotations

from typing import Any

from pyg_equivariant.nn import SE3Transformer, SE3TransformerConv
from pyg_equivariant.o3 import Irreps

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

_SMALL, _LMAX2 = Irreps("4x0e+2x1e"), Irreps("4x0e+2x1o+2x1e+2x2e")
_BONDS: dict[str, Any] = {"cutoff": None, "edge_dim": 4}
_PARTICLES: dict[str, Any] = {"irreps_in": "1x1e", "irreps_pool": "2x1e", "edge_dim": 1}
_PARTICLES |= {"cutoff": None, "x_ij": "add", "norm": "bias", "last": "attentive"}
_PARTICLES |= {"hidden_channels": 8, "num_layers": 4, "num_heads": 2, "div": 4}
_PARTICLES |= {"head": None}
_SCRIPT = _PARTICLES | {"hidden_channels": 4, "num_heads": 1, "div": 1}
_SOURCE = "the authors' N-body network"

NETWORK = Network(
    name="se3transformer",
    layer=SE3TransformerConv,
    model=SE3Transformer,
    summary="steerable attention: linear messages, weighted by invariants",
    paper=Paper(
        "SE(3)-Transformers: 3D Roto-Translation Equivariant Attention Networks",
        "https://arxiv.org/abs/2006.10503",
    ),
    group="SO(3)",
    small={"hidden_channels": 4, "lmax": 1, "num_layers": 2, "num_heads": 1, "div": 1}
    | {"head": "sum", "radial_channels": 8, "species": tuple(range(1, 10))},
    layers={
        "small": lambda edge_dim, _: SE3TransformerConv(
            _SMALL, "0e+1e+2e", _SMALL, edge_dim, num_heads=2, radial_channels=8
        ),
        "parity": lambda edge_dim, _: SE3TransformerConv(
            _LMAX2, "0e+1o+2e", _LMAX2, edge_dim, skip="sum", x_ij="cat"
        ),
        "attentive": lambda edge_dim, _: SE3TransformerConv(
            *(_SMALL, "0e+1e+2e", _SMALL, edge_dim),
            self_interaction="attentive",
            x_ij="add",
        ),
    },
    degrees={"lmax": (0, 2)},
    smooth={"smooth": True, "act": "silu"},
    variants={
        "parity": {"parity": True, "lmax": 2, "num_heads": 2, "div": 2},
        "particles": {"x_ij": "add", "norm": "bias", "last": "attentive"}
        | {"irreps_pool": "4x0e", "norm_eps": 1e-3},
        "without attention": {"attention": False, "norm_layers": 1},
    },
    sizes={
        "QM9, bonds": Size(_BONDS, 9_828_193, "the authors' QM9 network"),
        "QM9, bonds, without attention": Size(
            _BONDS | {"attention": False, "num_layers": 6},
            8_164_289,
            "the authors' tensor field network",
        ),
        "particles": Size(_PARTICLES, 293_920, _SOURCE),
        "particles, defaults of the script": Size(_SCRIPT, 287_144, _SOURCE),
    },
    qm9=QM9Preset(
        split="cormorant",
        epochs=100,
        batch_size=32,
        lr=1e-3,
        schedule="cosine to a tenth",
        loss="l1",
        cutoff=2.0,
        pooling="max",
        published=Published(
            {"alpha": 0.142, "gap": 53, "homo": 35, "lumo": 33}
            | {"mu": 0.051, "Cv": 0.054},
            split="cormorant",
            source="its paper",
        ),
    ),
    potential=PotentialPreset(
        lr=1e-3,
        network={"hidden_channels": 16, "lmax": 2, "num_layers": 3, "num_heads": 4},
    ),
)
