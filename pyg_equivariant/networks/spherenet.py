"""SphereNet."""

from __future__ import annotations

from pyg_equivariant.nn import SphereNet, SphereNetConv

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import QM9Preset

NETWORK = Network(
    name="spherenet",
    layer=SphereNetConv,
    model=SphereNet,
    summary="messages on edges, filtered by lengths, angles and torsions; SE(3) only",
    paper=Paper(
        "Spherical Message Passing for 3D Molecular Graphs",
        "https://arxiv.org/abs/2102.05013",
    ),
    small={"hidden_channels": 8, "out_channels": 6, "num_layers": 2}
    | {"int_channels": 5, "basis_channels": (3, 4, 2), "num_spherical": 3}
    | {"num_radial": 2, "num_output_layers": 2},
    layers={
        "small": lambda edge_dim, _: SphereNetConv(
            8, edge_dim - 2, 2, int_channels=5, basis_channels=(3, 4, 2)
        )
    },
    smooth={"smooth": True},
    sizes={
        "default": Size({}, 1_890_118, "the published QM9 runs"),
        "of r2": Size({"num_spherical": 2}, 1_888_966, "the published run on r2"),
        "of DIG": Size({"num_spherical": 7}, 1_898_566, "DIG by default"),
    },
    # The authors halve the rate every 100 epochs, 150 for mu, alpha, G, H and Cv
    qm9=QM9Preset(
        split="dimenet",
        epochs=1000,
        batch_size=32,
        lr=5e-4,
        schedule="steps",
        loss="l1",
        cutoff=5.0,
        pooling="sum",
    ),
    potential=PotentialPreset(lr=1e-3),
    group="SO(3)",
)
