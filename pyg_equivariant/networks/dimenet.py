"""DimeNet."""

from __future__ import annotations

from pyg_equivariant.nn import DimeNet, DimeNetConv

from ._network import Network, Paper, Size
from ._potential import PotentialPreset

NETWORK = Network(
    name="dimenet",
    layer=DimeNetConv,
    model=DimeNet,
    summary="messages on edges, a bilinear map of the angles between them",
    paper=Paper(
        "Directional Message Passing for Molecular Graphs",
        "https://arxiv.org/abs/2003.03123",
    ),
    small={"hidden_channels": 6, "num_layers": 2, "num_bilinear": 2}
    | {"num_spherical": 3, "num_radial": 1, "num_output_layers": 1}
    | {"num_before_skip": 0, "num_after_skip": 1},
    layers={
        "small": lambda edge_dim, _: DimeNetConv(8, edge_dim, num_bilinear=3),
    },
    sizes={"default": Size({}, 2_100_070, "torch_geometric.nn.models.DimeNet")},
    potential=PotentialPreset(lr=1e-3),
)
