"""Tensor field networks."""

from __future__ import annotations

from pyg_equivariant.nn import TFN, TFNConv
from pyg_equivariant.o3 import Irreps

from ._network import Network, Paper
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

_SMALL, _LMAX2 = Irreps("4x0e+2x1o"), Irreps("4x0e+3x1o+2x1e+2x2e")

NETWORK = Network(
    name="tfn",
    layer=TFNConv,
    model=TFN,
    summary="all paths: the linear steerable convolution",
    paper=Paper(
        "Tensor field networks: Rotation- and translation-equivariant neural networks "
        "for 3D point clouds",
        "https://arxiv.org/abs/1802.08219",
    ),
    small={"hidden_channels": 4, "num_layers": 2, "num_radial": 5}
    | {"radial_channels": (6,)},
    layers={
        "small": lambda edge_dim, _: TFNConv(_SMALL, "0e+1o", _SMALL, edge_dim, (6,)),
        "lmax2": lambda edge_dim, _: TFNConv(
            _LMAX2, "0e+1o+2e", _LMAX2, edge_dim, (6,)
        ),
    },
    degrees={"lmax": (0, 4)},
    from_training_set=("avg_num_neighbors",),
    # The published row comes from the SE(3)-Transformer's paper: its protocol
    qm9=QM9Preset(
        split="cormorant",
        epochs=100,
        batch_size=32,
        lr=1e-3,
        schedule="cosine to a tenth",
        loss="l1",
        cutoff=5.0,
        published=Published(
            {"alpha": 0.223, "gap": 58, "homo": 40, "lumo": 38}
            | {"mu": 0.064, "Cv": 0.101},
            split="cormorant",
            source="the SE(3)-Transformer's paper",
        ),
    ),
    potential=PotentialPreset(lr=5e-3),
)
