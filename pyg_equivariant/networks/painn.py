"""PaiNN."""

from __future__ import annotations

from pyg_equivariant.nn import PaiNN, PaiNNConv

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

_SOURCE = "SchNetPack with 128 features, 3 layers and 20 radial functions"

NETWORK = Network(
    name="painn",
    layer=PaiNNConv,
    model=PaiNN,
    summary="scalars and vectors: besides, 0 x 1 -> 1 and 1 x 0 -> 1",
    paper=Paper(
        "Equivariant message passing for the prediction of tensorial properties and "
        "molecular spectra",
        "https://arxiv.org/abs/2102.03150",
    ),
    small={"hidden_channels": 8, "num_radial": 5, "num_layers": 2},
    layers={"small": lambda edge_dim, cutoff: PaiNNConv(8, edge_dim, cutoff)},
    sizes={
        "without head": Size({"head": None}, 580_736, f"{_SOURCE}, without head"),
        "default": Size({}, 589_057, _SOURCE),
    },
    qm9=QM9Preset(
        split="dimenet",
        epochs=1000,
        batch_size=100,
        lr=5e-4,
        schedule="plateau",
        loss="mse",
        cutoff=5.0,
        optimizer="adamw",
        weight_decay=0.01,
        moments=True,
        published=Published(
            {"alpha": 0.045, "gap": 46, "homo": 28, "lumo": 20, "mu": 0.012}
            | {"Cv": 0.024, "U0": 5.85},
            split="another random split, 110,000 to train",
            source="its paper",
        ),
    ),
    potential=PotentialPreset(lr=1e-3),
)
