"""EGNN."""

from __future__ import annotations

from typing import Any

from pyg_equivariant.nn import EGNN, EGNNConv

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

_PARTICLES: dict[str, Any] = {"hidden_channels": 64, "num_layers": 4, "edge_dim": 2}
_PARTICLES |= {"attention": False, "update_pos": True, "velocity": True}
_PARTICLES |= {"in_channels": 1, "head": "pos"}

NETWORK = Network(
    name="egnn",
    layer=EGNNConv,
    model=EGNN,
    summary="non-linear invariant messages that move points",
    paper=Paper(
        "E(n) Equivariant Graph Neural Networks", "https://arxiv.org/abs/2102.09844"
    ),
    small={"hidden_channels": 8, "num_layers": 2, "species": tuple(range(1, 10))},
    layers={"small": lambda edge_dim, _: EGNNConv(8, 6, 8, edge_dim, attention=True)},
    smooth={"smooth": True},
    variants={"moving": {"update_pos": True}},
    sizes={
        "default": Size({}, 745_224, "the authors' QM9 network"),
        "particles": Size(_PARTICLES, 134_020, "the authors' N-body network"),
    },
    qm9=QM9Preset(
        split="cormorant",
        epochs=1000,
        batch_size=96,
        lr=5e-4,
        schedule="cosine",
        loss="l1",
        cutoff=None,
        weight_decay=1e-16,
        pooling="sum",
        lr_of={"homo": 1e-3, "lumo": 1e-3, "gap": 1e-3},
        published=Published(
            {"alpha": 0.071, "gap": 48, "homo": 29, "lumo": 25, "mu": 0.029}
            | {"Cv": 0.031, "U0": 11, "r2": 0.106, "zpve": 1.55},
            split="cormorant",
            source="its paper",
        ),
    ),
    potential=PotentialPreset(lr=2e-3, loss="mse", network={"num_layers": 4}),
)
