"""NMP, enn-s2s."""

from __future__ import annotations

from torch_geometric.nn import NNConv

from pyg_equivariant.nn import NMP

from ._network import Network, Paper
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

NETWORK = Network(
    name="nmp",
    layer=NNConv,
    model=NMP,
    summary="matrices of the distance act on invariant features: PyG's layers",
    paper=Paper(
        "Neural Message Passing for Quantum Chemistry",
        "https://arxiv.org/abs/1704.01212",
    ),
    small={"hidden_channels": 16, "num_layers": 2, "edge_channels": 8}
    | {"species": tuple(range(1, 10))},
    layers={},
    smooth={"smooth": True, "act": "silu"},
    qm9=QM9Preset(
        split="cormorant",
        epochs=540,
        batch_size=20,
        lr=2e-4,
        schedule="cosine",
        loss="mse",
        cutoff=None,
        pooling="set2set",
        published=Published(
            {"alpha": 0.092, "gap": 69, "homo": 43, "lumo": 38, "mu": 0.030}
            | {"Cv": 0.040, "r2": 0.180, "zpve": 1.50}
            | {"U0": 20, "U": 20, "H": 17, "G": 19},
            split="another random split, 110,000 to train",
            source="its paper",
        ),
    ),
    potential=PotentialPreset(lr=1e-3),
)
