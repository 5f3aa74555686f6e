"""DimeNet++."""

from __future__ import annotations

from pyg_equivariant.nn import DimeNetPlusPlus, DimeNetPPConv

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

NETWORK = Network(
    name="dimenetplusplus",
    layer=DimeNetPPConv,
    model=DimeNetPlusPlus,
    summary="messages on edges, filtered by lengths and the angles between them",
    paper=Paper(
        "Fast and Uncertainty-Aware Directional Message Passing for Non-Equilibrium "
        "Molecules",
        "https://arxiv.org/abs/2011.14115",
    ),
    small={"hidden_channels": 8, "out_channels": 6, "num_layers": 2}
    | {"int_channels": 5, "basis_channels": 3, "num_spherical": 3, "num_radial": 2}
    | {"num_output_layers": 2},
    layers={
        "small": lambda edge_dim, _: DimeNetPPConv(
            8, edge_dim, int_channels=5, basis_channels=3
        )
    },
    variants={"bond angles": {"angle": "bond", "up_bias": True}},
    sizes={
        "default": Size({}, 1_885_830, "the authors' QM9 network, in PyG"),
        "of DIG": Size({"angle": "bond", "up_bias": True}, 1_887_110, "DIG"),
    },
    # The authors warm up over 3,000 steps, fall by 0.01 in 4 million and use AMSGrad
    qm9=QM9Preset(
        split="dimenet",
        epochs=872,  # 3 million steps of 32
        batch_size=32,
        lr=1e-3,
        schedule="exponential",
        loss="l1",
        cutoff=5.0,
        ema=0.999,
        clip=10.0,
        pooling="sum",
        published=Published(
            {"alpha": 0.0435, "gap": 32.6, "homo": 24.6, "lumo": 19.5, "mu": 0.0297}
            | {"Cv": 0.0230, "U0": 6.32},
            split="dimenet",
            source="its paper",
        ),
    ),
    potential=PotentialPreset(lr=1e-3),
)
