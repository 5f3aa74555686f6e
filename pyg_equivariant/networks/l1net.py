"""L1Net."""

from __future__ import annotations

from pyg_equivariant.nn import L1Net, L1NetConv
from pyg_equivariant.o3 import Irreps

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

_SMALL, _LMAX2 = Irreps("4x0e+2x1e"), Irreps("3x0e+2x1e+2x2e")

NETWORK = Network(
    name="l1net",
    layer=L1NetConv,
    model=L1Net,
    summary="all paths, each with a matrix of channels at every edge",
    paper=Paper(
        "Relevance of Rotationally Equivariant Convolutions for Predicting Molecular "
        "Properties",
        "https://arxiv.org/abs/2008.08461",
    ),
    group="SO(3)",
    small={"hidden_channels": 4, "lmax": 1, "num_layers": 2, "num_radial": 3}
    | {"radial_channels": (6,), "avg_num_neighbors": 3.0, "num_elements": 100},
    layers={
        "small": lambda edge_dim, _: L1NetConv(_SMALL, "0e+1e", _SMALL, edge_dim, (6,)),
        "lmax2": lambda edge_dim, _: L1NetConv(
            _LMAX2, "0e+1e+2e", _LMAX2, edge_dim, (6,)
        ),
    },
    degrees={"lmax": (0, 2)},
    smooth={"smooth": True},
    variants={"parity": {"parity": True}, "residual": {"residual": True}},
    sizes={"default": Size({}, 8_520_192, "the authors' script, scalars alone")},
    from_training_set=("avg_num_neighbors",),
    qm9=QM9Preset(
        split="cormorant",
        epochs=55,
        batch_size=16,
        lr=1e-4,
        schedule="plateau",
        loss="mse",
        cutoff=10.0,
        published=Published(
            {"alpha": 0.088, "gap": 68, "homo": 46, "lumo": 35, "mu": 0.043}
            | {"Cv": 0.031},
            split="its own, 109,000 for training",
            source="its paper",
        ),
    ),
    potential=PotentialPreset(
        network={"irreps_hidden": "32x0e+10x1e", "num_radial": 8, "num_layers": 3}
    ),
)
