"""Cormorant."""

from __future__ import annotations

from pyg_equivariant.nn import Cormorant, CormorantConv

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

NETWORK = Network(
    name="cormorant",
    layer=CormorantConv,
    model=Cormorant,
    summary="products of complex features, with neighbors and with themselves",
    paper=Paper(
        "Cormorant: Covariant Molecular Neural Networks",
        "https://arxiv.org/abs/1906.04015",
    ),
    group="SO(3)",
    small={"hidden_channels": 3, "lmax": 1, "lmax_sh": 1, "num_layers": 2}
    | {"num_frequencies": 1, "max_power": 1, "gain": 1.0, "soft_width": 1.0}
    | {"mlp_channels": 8, "input_basis": (1, 1), "species": tuple(range(1, 10))},
    layers={
        "small": lambda edge_dim, _: CormorantConv(3, 2, edge_dim, soft_width=1.0),
        "lmax2": lambda edge_dim, _: CormorantConv(
            2, 3, edge_dim, lmax_in=2, lmax_sh=2, lmax=2, soft_width=1.0
        ),
    },
    degrees={"lmax": (0, 3), "lmax_sh": (0, 3)},
    smooth={"smooth": True},
    variants={
        "linear": {"num_input_layers": 0, "linear_output": True, "lmax": 2},
    },
    sizes={"default": Size({}, 211_452, "the authors' QM9 network")},
    qm9=QM9Preset(
        split="cormorant",
        epochs=255,
        batch_size=25,
        lr=1e-3,
        schedule="cosine",
        loss="mse",
        cutoff=None,
        pooling="sum",
        published=Published(
            {"alpha": 0.085, "gap": 61, "homo": 34, "lumo": 38, "mu": 0.038}
            | {"Cv": 0.026},
            split="cormorant",
            source="its paper",
        ),
    ),
    potential=PotentialPreset(network={"act": "silu"}),
)
