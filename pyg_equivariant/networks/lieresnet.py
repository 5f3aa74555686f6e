"""LieConv."""

from __future__ import annotations

from pyg_equivariant.nn import LieConv, LieResNet

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset

_SOURCE = "the authors' QM9 network"
_KERNEL = (6, 5)

NETWORK = Network(
    name="lieresnet",
    layer=LieConv,
    model=LieResNet,
    summary="kernels on a Lie group: translations, or lifts to rigid motions",
    paper=Paper(
        "Generalizing Convolutional Neural Networks for Equivariance to Lie Groups on "
        "Arbitrary Continuous Data",
        "https://arxiv.org/abs/2002.12880",
    ),
    small={"hidden_channels": 16, "num_layers": 2, "species": tuple(range(1, 10))}
    | {"batch_norm": False, "kernel_channels": _KERNEL},
    layers={
        "small": lambda edge_dim, _: LieConv(
            8, 6, edge_dim=edge_dim, kernel_channels=_KERNEL, batch_norm=False
        ),
        "evaluation": lambda edge_dim, _: LieConv(
            8, 6, edge_dim=edge_dim, kernel_channels=_KERNEL, fill=0.5
        ).eval(),
    },
    smooth={"smooth": True},
    extensive={"head": "extensive", "batch_norm": False},
    sizes={
        "default": Size({}, 21_315_553, _SOURCE),
        "SE(3)": Size(
            {"group": "SE(3)", "num_lifts": 4}, 21_316_129, f"{_SOURCE}, for SE(3)"
        ),
    },
    qm9=QM9Preset(
        split="cormorant",
        epochs=500,
        batch_size=100,
        lr=3e-3,
        schedule="cosine",
        loss="l1",
        cutoff=None,
        pooling="mean",
        network={"augment": True},
        published=Published(
            {"alpha": 0.084, "gap": 49, "homo": 30, "lumo": 25, "mu": 0.032}
            | {"Cv": 0.038},
            split="cormorant",
            source="its paper",
        ),
    ),
    potential=PotentialPreset(
        lr=1e-3, network={"hidden_channels": 256, "augment": True}
    ),
    group="T(3)",
)
