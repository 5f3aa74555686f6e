"""MACE."""

from __future__ import annotations

from pyg_equivariant.nn import MACE, MACEConv
from pyg_equivariant.o3 import Irreps

from ._network import Network, Paper
from ._potential import PotentialPreset

_SMALL, _LMAX2 = Irreps("2x0e+2x1o"), Irreps("3x0e+3x1o+3x2e")

NETWORK = Network(
    name="mace",
    layer=MACEConv,
    model=MACE,
    summary="the linear convolution, then polynomials of it at every node",
    paper=Paper(
        "MACE: Higher Order Equivariant Message Passing Neural Networks for Fast and "
        "Accurate Force Fields",
        "https://arxiv.org/abs/2206.07697",
    ),
    small={"hidden_channels": 4, "lmax": 1, "num_layers": 2, "num_radial": 5}
    | {"radial_channels": (6,), "species": tuple(range(1, 10))}
    | {"avg_num_neighbors": 2.0},
    layers={
        "small": lambda edge_dim, _: MACEConv(
            "3x0e+2x1o", "0e+1o", _SMALL, edge_dim, radial_channels=(6,)
        ),
        "lmax2": lambda edge_dim, _: MACEConv(
            _LMAX2, "0e+1o+2e", _LMAX2, edge_dim, radial_channels=(6,), correlation=2
        ),
        "density": lambda edge_dim, _: MACEConv(
            "3x0e+2x1o", "0e+1o", _SMALL, edge_dim, radial_channels=(6,), density=True
        ),
    },
    degrees={"lmax": (0, 3)},
    variants={
        "residual": {"residual_first": True, "lmax": 2, "correlation": 2},
        "density": {"density": True, "distance_transform": "agnesi"},
        "weights": {"density": True, "envelope": "weights"}
        | {"distance_transform": "soft", "radial_basis": "gaussian"},
    },
    of_species=("distance_transform", "zbl"),
    from_training_set=("avg_num_neighbors",),
    potential=PotentialPreset(lr=1e-2),
)
