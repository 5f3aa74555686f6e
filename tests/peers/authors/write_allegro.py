"""Allegro 0.4 and later."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import torch
from recording import Inputs, Recorded
from torch import Tensor

NAMES = ("O", "H", "C")
SPECIES = (8, 1, 6)
SMALL: dict[str, Any] = {"num_scalar_features": 8, "num_tensor_features": 3}
NONE = {
    "scalar_embed_mlp": "two_body",
    "allegro_mlp": "latent",
    "readout_mlp": "readout",
}
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "parity": {**SMALL, "num_layers": 3, "l_max": 2},
    "no_parity": {**SMALL, "num_layers": 3, "l_max": 2, "parity": False},
    "degree_3": {**SMALL, "num_layers": 2, "l_max": 3},
    "scalars": {**SMALL, "l_max": 0},
    "one_layer": {**SMALL, "num_layers": 1},
    "weights_by_path": {**SMALL, "l_max": 2, "tp_path_channel_coupling": False},
    "scalars_by_path": {**SMALL, "l_max": 0, "tp_path_channel_coupling": False},
    "averages_by_type": {**SMALL, "avg_num_neighbors": {"O": 3.0, "H": 5.0, "C": 4.0}},
    "depths": {
        **SMALL,
        "radial_chemical_embed_dim": 6,
        "scalar_embed_mlp_hidden_layers_depth": 2,
        "scalar_embed_mlp_hidden_layers_width": 5,
        "allegro_mlp_hidden_layers_depth": 0,
        "readout_mlp_hidden_layers_depth": 0,
    },
    "linear": {**SMALL, **{f"{name}_nonlinearity": None for name in NONE}},
    "trained_bessel": {**SMALL, "num_bessels": 5, "trainable": True},
}


def models() -> Iterator[tuple[str, Recorded]]:
    from nequip.utils.global_state import set_global_state

    set_global_state(allow_tf32=False)
    for seed, (name, settings) in enumerate(SETTINGS.items()):
        yield name, build(name, dict(settings), seed)


def build(name: str, settings: dict[str, Any], seed: int) -> Recorded:
    from allegro.model import AllegroModel

    torch.manual_seed(seed)
    r_max = 2.5 + 0.2 * seed
    given = {"l_max": 1, "avg_num_neighbors": 3.0 + seed} | settings
    embed: dict[str, Any] = {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed"}
    embed |= {"polynomial_cutoff_p": 4 + seed % 3}
    embed |= {"num_bessels": given.pop("num_bessels", 8)}
    embed |= {"bessel_trainable": given.pop("trainable", False)}
    units = {"O": 1.5, "H": 0.5, "C": 2.0}, {"O": -4.0, "H": -1.0, "C": -3.0}
    scales, shifts = (None, None) if name == "defaults" else units
    module = AllegroModel(
        seed=seed,
        model_dtype="float64",
        type_names=list(NAMES),
        r_max=r_max,
        radial_chemical_embed=embed,
        per_type_energy_scales=scales,
        per_type_energy_shifts=shifts,
        do_derivatives=False,
        **given,
    )
    with torch.no_grad():
        for key, value in module.named_parameters():
            if key.endswith("bessel_weights"):
                value.mul_(1 + 0.02 * torch.rand_like(value))
    average = given["avg_num_neighbors"]
    by_type = isinstance(average, dict)
    linear = [ours for theirs, ours in NONE.items() if _is_none(given, theirs)]
    return Recorded(
        module,
        lambda x: energy(module, x),
        SPECIES,
        r_max,
        "allegro_from_reference",
        {
            "r_max": r_max,
            "species": SPECIES,
            "avg_num_neighbors": [average[n] for n in NAMES] if by_type else average,
            "version": version("nequip-allegro"),
            "linear": linear,
            "polynomial_cutoff_p": embed["polynomial_cutoff_p"],
            **{key: given[key] for key in ("l_max", "parity") if key in given},
        },
        {name: version(name) for name in ("nequip-allegro", "nequip", "e3nn", "torch")},
        seed,
    )


def _is_none(given: dict[str, Any], name: str) -> bool:
    return given.get(f"{name}_nonlinearity", "silu") is None


def energy(module: torch.nn.Module, x: Inputs) -> tuple[Tensor, Tensor]:
    """Their edges are (receiver, sender)."""
    data = {"pos": x["pos"], "atom_types": x["types"], "batch": x["batch"]}
    data["num_atoms"] = torch.bincount(x["batch"])
    data["edge_index"] = x["edge_index"].flip(0)
    out = module(data)
    return out["total_energy"].squeeze(-1), out["atomic_energy"].squeeze(-1)
