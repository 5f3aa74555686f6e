"""NequIP 0.16 and later."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import torch
from recording import Inputs, Recorded
from torch import Tensor

SPECIES = (8, 1, 6)
SETTINGS: dict[str, dict[str, Any]] = {
    "parity": {"num_layers": 3, "l_max": 2, "num_features": 4},
    "no_parity": {"num_layers": 4, "l_max": 2, "num_features": 5, "parity": False},
    "by_degree": {
        "num_layers": 3,
        "l_max": 3,
        "num_features": [6, 4, 3, 2],
        "parity": False,
        "polynomial_cutoff_p": 4,
    },
    "degree_3": {"num_layers": 3, "l_max": 3, "num_features": 2, "radial_mlp_depth": 2},
    "scalars": {"num_layers": 2, "l_max": 0, "num_features": 5, "num_bessels": 5},
    "one_layer": {"num_layers": 1, "l_max": 1, "num_features": 4},
    "trained_bessel": {
        "num_layers": 2,
        "l_max": 1,
        "num_features": 6,
        "bessel_trainable": True,
        "type_embed_num_features": 4,
        "readout_mlp_hidden_layers_depth": 2,
        "readout_mlp_hidden_layers_width": 7,
    },
    "defaults": {},
}


def models() -> Iterator[tuple[str, Recorded]]:
    from nequip.utils.global_state import set_global_state

    set_global_state(allow_tf32=False)
    for seed, (name, settings) in enumerate(SETTINGS.items()):
        yield name, build(name, settings, seed)


def build(name: str, settings: dict[str, Any], seed: int) -> Recorded:
    from nequip.model import NequIPGNNModel

    torch.manual_seed(seed)
    r_max, neighbors = 2.5 + 0.3 * seed, 3.0 + seed
    given = {"l_max": 1, "parity": True, "polynomial_cutoff_p": 6} | settings
    units = {"O": 1.5, "H": 0.5, "C": 2.0}, {"O": -4.0, "H": -1.0, "C": -3.0}
    scales, shifts = (None, None) if name == "defaults" else units
    module = NequIPGNNModel(
        seed=seed,
        model_dtype="float64",
        type_names=["O", "H", "C"],
        r_max=r_max,
        avg_num_neighbors=neighbors,
        per_type_energy_scales=scales,
        per_type_energy_shifts=shifts,
        do_derivatives=False,
        **given,
    )
    with torch.no_grad():
        for key, value in module.named_parameters():
            if key.endswith("bessel_weights"):
                value.mul_(1 + 0.02 * torch.rand_like(value))
    ours = ("l_max", "parity", "num_features", "num_layers", "polynomial_cutoff_p")
    return Recorded(
        module,
        lambda x: energy(module, x),
        SPECIES,
        r_max,
        "nequip_from_reference",
        {
            "r_max": r_max,
            "species": SPECIES,
            "avg_num_neighbors": neighbors,
            "version": version("nequip"),
            **{key: given[key] for key in ours if key in given},
        },
        {name: version(name) for name in ("nequip", "e3nn", "torch")},
        seed,
    )


def energy(module: torch.nn.Module, x: Inputs) -> tuple[Tensor, Tensor]:
    """Their edges are (receiver, sender)."""
    data = {"pos": x["pos"], "atom_types": x["types"], "batch": x["batch"]}
    data["num_atoms"] = torch.bincount(x["batch"])
    data["edge_index"] = x["edge_index"].flip(0)
    out = module(data)
    return out["total_energy"].squeeze(-1), out["atomic_energy"].squeeze(-1)
