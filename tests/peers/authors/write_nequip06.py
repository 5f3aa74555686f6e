"""NequIP 0.5 and 0.6, the published network."""

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
    "no_parity": {"num_layers": 3, "l_max": 2, "num_features": 5, "parity": False},
    "degree_3": {"num_layers": 2, "l_max": 3, "num_features": 2},
    "fixed_bessel": {
        "num_layers": 2,
        "l_max": 1,
        "num_features": 6,
        "BesselBasis_trainable": False,
        "PolynomialCutoff_p": 2,
        "num_basis": 6,
        "invariant_layers": 3,
        "invariant_neurons": 7,
    },
}
UNITS = {
    "per_species_rescale_scales": [1.5, 0.5, 2.0],
    "per_species_rescale_shifts": [-4.0, -1.0, -3.0],
    "per_species_rescale_arguments_in_dataset_units": True,
    "global_rescale_scale": 2.5,
}
BUILDERS = ["SimpleIrrepsConfig", "EnergyModel"]


def models() -> Iterator[tuple[str, Recorded]]:
    torch.set_default_dtype(torch.float64)
    for seed, (name, settings) in enumerate(SETTINGS.items()):
        yield name, build(settings, seed, False)
    yield "units", build(SETTINGS["parity"], 4, True)


def build(settings: dict[str, Any], seed: int, units: bool) -> Recorded:
    from nequip.model import model_from_config

    torch.manual_seed(seed)
    r_max, neighbors = 2.5 + 0.3 * seed, None if seed == 1 else 3.0 + seed
    given = {"parity": True, "PolynomialCutoff_p": 6} | settings
    config = {
        "model_builders": BUILDERS,
        "model_dtype": "float64",
        "chemical_symbols": ["O", "H", "C"],
        "r_max": r_max,
        "avg_num_neighbors": neighbors,
        **given,
    }
    if units:
        config["model_builders"] = [*BUILDERS, "PerSpeciesRescale", "RescaleEnergyEtc"]
        config |= UNITS
    module = model_from_config(config, initialize=True).eval()

    species = tuple(sorted(SPECIES))  # the order of its types
    ours = ("l_max", "parity", "num_features", "num_layers")
    return Recorded(
        module,
        lambda x: energy(module, x),
        species,
        r_max,
        "nequip_from_reference",
        {
            "r_max": r_max,
            "species": species,
            "avg_num_neighbors": neighbors,
            "polynomial_cutoff_p": given["PolynomialCutoff_p"],
            "bessel_trainable": given.get("BesselBasis_trainable", True),
            "version": version("nequip"),
            **{name: given[name] for name in ours},
        },
        {name: version(name) for name in ("nequip", "e3nn", "torch")},
        seed,
    )


def energy(module: torch.nn.Module, x: Inputs) -> tuple[Tensor, Tensor]:
    """Their edges are (receiver, sender)."""
    data = {"pos": x["pos"], "atom_types": x["types"].unsqueeze(-1)}
    data |= {"batch": x["batch"], "edge_index": x["edge_index"].flip(0)}
    data["ptr"] = torch.nn.functional.pad(torch.bincount(x["batch"]).cumsum(0), (1, 0))
    out = module(data)
    return out["total_energy"].squeeze(-1), out["atomic_energy"].squeeze(-1)
