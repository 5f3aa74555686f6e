"""MACE: the settings of the published models, with random weights."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recording import Inputs, Recorded
from torch import Tensor

# Of MPtrj: to bismuth without polonium to radium, then to plutonium.
ELEMENTS = (*range(1, 84), *range(89, 95))
ORGANIC = (1, 6, 7, 8, 9, 15, 16, 17, 35, 53)
SHORT = (8, 1, 6)
SHOWN = (8, 1, 6, 26, 79, 94)
REPULSION = {"pair_repulsion": True, "distance_transform": "Agnesi"}
DENSE = {"first": "Density", "later": "DensityResidual"}
MP = {"r_max": 6.0, "num_bessel": 10, "species": ELEMENTS, "max_ell": 3}
OFF = {"species": ORGANIC, "max_ell": 3}
SETTINGS: dict[str, dict[str, Any]] = {
    "mp_0_small": MP | {"hidden": "8x0e"},
    "mp_0_medium": MP | {"hidden": "6x0e+6x1o"},
    "mp_0_large": MP | {"hidden": "4x0e+4x1o+4x2e"},
    "mp_0b_medium": MP
    | {"hidden": "6x0e+6x1o", "num_bessel": 8, "first": ""}
    | REPULSION,
    "mp_0b2_medium": MP
    | {"hidden": "6x0e+6x1o", "num_bessel": 8, "r_max": 5.0}
    | REPULSION
    | DENSE,
    "omat_0_small": MP | {"hidden": "8x0e"} | REPULSION | DENSE,
    "mpa_0_medium": MP | {"hidden": "6x0e+6x1o"} | REPULSION | DENSE,
    "mpa_0_reduced": MP | {"hidden": "6x0e+6x1o", "reduced": True} | REPULSION | DENSE,
    "off23_small": OFF | {"hidden": "9x0e", "r_max": 4.5},
    "off23_medium": OFF | {"hidden": "6x0e+6x1o"},
    "off23_large": OFF | {"hidden": "4x0e+4x1o+4x2e"},
    "reduced_degrees": {"hidden": "4x0e+4x1o+4x2e", "reduced": True},
    "reduced_four": {"hidden": "3x0e+3x1o", "max_ell": 1, "correlation": 4}
    | {"reduced": True},
    "heads": {"hidden": "4x0e+4x1o", "heads": ["first", "second", "third"]}
    | {"head": "second"},
    "heads_of_elements": {"hidden": "5x0e", "heads": ["pt", "own"], "head": 1}
    | REPULSION
    | DENSE,
    "weights": {"hidden": "4x0e+4x1o", "apply_cutoff": False} | DENSE,
    "soft_gaussians": {"hidden": "4x0e+4x1o", "distance_transform": "Soft"}
    | {"radial_type": "gaussian"},
    "by_layer": {"hidden": "4x0e+4x1o", "correlation": [3, 2, 1], "layers": 3}
    | {"first": "", "later": "DensityResidual", "radial_MLP": [7, 5]},
    "density_first": {"hidden": "4x0e+4x1o", "first": "Density", "later": "Residual"},
    "one_layer": {"hidden": "5x0e", "layers": 1, "first": ""},
    "last_readout": {"hidden": "4x0e+4x1o", "use_last_readout_only": True},
    "last_vectors": {"hidden": "4x0e+4x1o", "keep_last_layer_irreps": True},
    "agnostic_product": {"hidden": "4x0e+4x1o", "use_agnostic_product": True},
    "plain": {"hidden": "4x0e+4x1o", "plain": True, "pair_repulsion": True},
    "mp_0_medium_published_size": MP | {"hidden": "128x0e+128x1o", "MLP": 16},
    "mpa_0_medium_published_size": MP
    | {"hidden": "128x0e+128x1o", "MLP": 16}
    | REPULSION
    | DENSE,
}
OWN = ("hidden", "species", "first", "later", "layers", "heads", "head", "reduced")
OWN += ("plain", "MLP")


class RecordedMACE(Recorded):
    """With a crystal, and its stress, beside the molecules."""

    def write(self, path: Path) -> None:
        super().write(path)
        with np.load(path) as arrays:
            found = dict(arrays)
        for key, value in crystal(self.module, self.cutoff, self.head).items():
            found[f"crystal/{key}"] = value.detach().numpy()
        np.savez(path, **found)

    head = 0


def models() -> Iterator[tuple[str, Recorded]]:
    torch.set_default_dtype(torch.float64)
    for seed, (name, settings) in enumerate(SETTINGS.items()):
        yield name, build(settings, seed)


def build(settings: dict[str, Any], seed: int) -> Recorded:
    given = {"r_max": 5.0, "max_ell": 2, "species": SHORT, "heads": None} | settings
    module = make(given, seed)
    species = [z for z in SHOWN if z in given["species"]]
    head = given.get("head")
    number = given["heads"].index(head) if isinstance(head, str) else head or 0
    told = {"avg_num_neighbors": 7.0 + seed, "hidden_irreps": given["hidden"]}
    told |= {"head": head, "heads": given["heads"]}
    told["apply_cutoff"] = given.get("apply_cutoff", True)
    if given["max_ell"] == 0 or given.get("layers") == 1:
        told["interaction_first"] = type(module.interactions[0]).__name__
    recorded = RecordedMACE(
        module,
        lambda x: energy(module, x, number),
        tuple(species),
        given["r_max"],
        "mace_from_reference",
        told,
        {name: version(name) for name in ("mace-torch", "e3nn", "torch")},
        seed,
    )
    recorded.head = number
    return recorded


def make(given: dict[str, Any], seed: int) -> Any:
    """The authors' model."""
    from mace import modules  # first: it lets its e3nn read its own file

    from e3nn.o3 import Irreps  # isort: skip

    torch.manual_seed(seed)
    blocks = {
        name: modules.interaction_classes[f"RealAgnostic{kind}InteractionBlock"]
        for name, kind in (
            ("interaction_cls_first", given.get("first", "Residual")),
            ("interaction_cls", given.get("later", "Residual")),
        )
    }
    count = len(given["heads"] or [0])
    units = {"atomic_inter_scale": 0.5 + torch.rand(count).numpy()}
    units["atomic_inter_shift"] = torch.randn(count).numpy()
    plain = given.get("plain", False)
    defaults = {"num_bessel": 8, "num_polynomial_cutoff": 5, "correlation": 3}
    defaults["gate"] = torch.nn.functional.silu
    own = {name: value for name, value in given.items() if name not in OWN}
    return (modules.MACE if plain else modules.ScaleShiftMACE)(
        num_interactions=given.get("layers", 2),
        num_elements=len(given["species"]),
        hidden_irreps=Irreps(given["hidden"]),
        MLP_irreps=Irreps(f"{given.get('MLP', 5)}x0e"),
        atomic_energies=torch.randn(count, len(given["species"])).numpy(),
        avg_num_neighbors=7.0 + seed,
        atomic_numbers=list(given["species"]),
        heads=given["heads"],
        use_reduced_cg=given.get("reduced", False),
        **blocks,
        **({} if plain else units),
        **(defaults | own),
    )


def batch(module: Any, x: Inputs, head: int) -> dict[str, Tensor]:
    """A batch as the authors' model takes it; their edges run the other way."""
    numbers = module.atomic_numbers
    one_hot = (x["z"].unsqueeze(1) == numbers).to(x["pos"])
    count = int(x["batch"].max()) + 1
    cells = x.get("cell", torch.zeros(count, 3, 3))
    shift = -x.get("edge_shift", torch.zeros(x["edge_index"].shape[1], 3))
    return {
        "positions": x["pos"],
        "node_attrs": one_hot,
        "edge_index": x["edge_index"],
        "unit_shifts": shift,
        "shifts": shift @ cells[0],
        "cell": cells.reshape(-1, 3),
        "batch": x["batch"],
        "ptr": torch.nn.functional.pad(torch.bincount(x["batch"]).cumsum(0), (1, 0)),
        "head": torch.full((count,), head),
    }


def energy(module: Any, x: Inputs, head: int) -> tuple[Tensor, Tensor]:
    out = module(batch(module, x, head), compute_force=False)
    return out["energy"], out["node_energy"]


def crystal(module: Any, cutoff: float, head: int) -> Inputs:
    """Energy, forces and stress of four atoms with all of their images."""
    generator = torch.Generator().manual_seed(0)
    cell = torch.tensor([[4.1, 0.3, 0.0], [-0.5, 3.8, 0.4], [0.2, 0.6, 4.4]])
    where = torch.tensor([[0.1, 0, 0], [0.5, 0.5, 0.1], [0.5, 0, 0.6], [0, 0.5, 0.4]])
    pos = where @ cell + 0.1 * torch.randn(4, 3, generator=generator)
    steps = torch.cartesian_prod(*[torch.arange(-3, 4)] * 3).double()
    vec = pos[:, None, None] + (steps @ cell)[None, None] - pos[None, :, None]
    near = (vec.norm(dim=-1) < cutoff) & (vec.norm(dim=-1) > 1e-6)
    source, target, image = near.nonzero().T
    known = [z for z in SHOWN if z in module.atomic_numbers.tolist()]
    x = {"z": torch.tensor([*known[:3], known[0]]), "pos": pos, "cell": cell[None]}
    x |= {"edge_index": torch.stack([source, target]), "edge_shift": steps[image]}
    x["batch"] = torch.zeros(4, dtype=torch.long)
    out = module(batch(module, x, head), compute_stress=True)
    return x | {name: out[name] for name in ("energy", "forces", "stress")}
