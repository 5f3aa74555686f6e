"""SchNet."""

from __future__ import annotations

from pyg_equivariant.nn import SchNet, SchNetConv

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

NETWORK = Network(
    name="schnet",
    layer=SchNetConv,
    model=SchNet,
    summary="invariant messages, filtered by distance: the path 0 x 0 -> 0",
    paper=Paper(
        "SchNet: A continuous-filter convolutional neural network for modeling quantum "
        "interactions",
        "https://arxiv.org/abs/1706.08566",
    ),
    small={"hidden_channels": 8, "num_filters": 6, "num_radial": 7, "num_layers": 2},
    layers={"small": lambda edge_dim, cutoff: SchNetConv(8, 6, 7, edge_dim, cutoff)},
    sizes={"default": Size({}, 455_809, "torch_geometric.nn.SchNet by default")},
    qm9=QM9Preset(
        split="dimenet",
        epochs=500,
        batch_size=32,
        lr=1e-3,
        schedule="exponential",
        loss="mse",
        cutoff=10.0,
        ema=0.99,
        moments=True,
        published=Published(
            {"alpha": 0.235, "gap": 63, "homo": 41, "lumo": 34, "mu": 0.033}
            | {"Cv": 0.033, "U0": 14},
            split="another random split, 110,000 to train",
            source="PaiNN's paper",
        ),
    ),
    potential=PotentialPreset(lr=1e-3),
)
