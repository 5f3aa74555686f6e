"""NequIP, MACE and Allegro, their authors' and ours with the same weights.

The authors' packages run in environments of their own, where this one is not: nothing
of it is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

CUTOFF = 5.0
SPECIES = (1, 6, 7, 8, 9)
NEIGHBORS = 15.0
NEQUIP: dict[str, Any] = {"num_layers": 4, "l_max": 2, "parity": True}
MACE: dict[str, Any] = {"max_ell": 3, "correlation": 3, "num_interactions": 2}
MACE_IRREPS = "128x0e+128x1o"
Batch = dict[str, Any]


class Side(NamedTuple):
    """A network: the energies of a batch, and energies with their forces.

    Forces are made to be differentiated further.
    """

    module: torch.nn.Module
    energy: Callable[[Batch], Tensor]
    forces: Callable[[Batch], tuple[Tensor, Tensor]]
    settings: dict[str, Any]  # how our converter is told of it


def by_autograd(
    energy: Callable[[Batch], Tensor],
) -> Callable[[Batch], tuple[Tensor, Tensor]]:
    def forces(batch: Batch) -> tuple[Tensor, Tensor]:
        pos = batch["pos"].detach().requires_grad_()
        found = energy(batch | {"pos": pos})
        (gradient,) = torch.autograd.grad(found.sum(), pos, create_graph=True)
        return found, -gradient

    return forces


def ours(network: str, weights: dict[str, Any] | None, quick: bool) -> Side:
    """With the weights of the authors', or with its own."""
    from pyg_equivariant import interop, networks

    if weights is not None:
        read = getattr(interop, f"{network}_from_reference")
        model = read(weights["state"], **weights["settings"])
    else:
        size = {"hidden_channels": 4, "num_layers": 1} if quick else {}
        model = networks.find_network(network).model(cutoff=CUTOFF, **size)

    def energy(batch: Batch) -> Tensor:
        given = batch["z"], batch["pos"], batch["batch"], batch["edge_index"].clone()
        return model(*given, batch_size=batch["count"]).squeeze(-1)

    return Side(model, energy, by_autograd(energy), {})


def nequip(variant: str, quick: bool) -> Side:
    """Compiled, forces are part of what is compiled; else they are taken outside."""
    from nequip.model import NequIPGNNModel
    from nequip.utils.global_state import set_global_state

    set_global_state(allow_tf32=False)
    width, layers = (4, 1) if quick else (32, 4)
    sizes = NEQUIP | {"num_layers": layers, "num_features": width}
    ours = {"species": SPECIES, "r_max": CUTOFF, "avg_num_neighbors": NEIGHBORS}
    return mir(NequIPGNNModel, sizes, variant, ours | sizes)


def allegro(variant: str, quick: bool) -> Side:
    """The defaults, up to degree 2."""
    from allegro.model import AllegroModel
    from nequip.utils.global_state import set_global_state

    set_global_state(allow_tf32=False)
    sizes: dict[str, Any] = {"l_max": 2}
    embed = {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed"}
    ours = {"species": SPECIES, "r_max": CUTOFF, "avg_num_neighbors": NEIGHBORS}
    given = sizes | {"radial_chemical_embed": embed}
    return mir(AllegroModel, given, variant, ours | sizes)


def mir(
    make: Callable[..., Any], sizes: dict[str, Any], variant: str, ours: dict[str, Any]
) -> Side:
    """One module gives energies, another forces, too; weights are shared."""
    names = [f"X{z}" for z in SPECIES]
    common = {"seed": 0, "model_dtype": "float32", "type_names": names, **sizes}
    common |= {"r_max": CUTOFF, "avg_num_neighbors": NEIGHBORS}
    mode = {"compile_mode": "compile"} if variant == "compiled" else {}
    plain = make(**common, **mode, do_derivatives=False)
    full = make(**common, **mode, do_derivatives=True)
    for name, parameter in plain.named_parameters():
        owner, _, last = name.rpartition(".")
        full.get_submodule(owner)._parameters[last] = parameter
    types = torch.full((max(SPECIES) + 1,), -1)
    types[list(SPECIES)] = torch.arange(len(SPECIES))

    def data(batch: Batch) -> dict[str, Tensor]:
        """Their edges are (receiver, sender)."""
        return {
            "pos": batch["pos"],
            "atom_types": types[batch["z"]],
            "batch": batch["batch"],
            "num_atoms": torch.bincount(batch["batch"]),
            "edge_index": batch["edge_index"].flip(0),
        }

    def energy(batch: Batch) -> Tensor:
        return plain(data(batch))["total_energy"].squeeze(-1)

    def forces(batch: Batch) -> tuple[Tensor, Tensor]:
        given = data(batch)
        given["pos"] = given["pos"].detach().clone()
        out = full(given)
        return out["total_energy"].squeeze(-1), out["forces"]

    apart = by_autograd(energy)
    return Side(plain, energy, forces if variant == "compiled" else apart, ours)


def mace(variant: str, quick: bool) -> Side:
    """With cuEquivariance's operations, if ``variant`` says so."""
    import numpy as np

    torch.serialization.add_safe_globals([slice])  # in constants of e3nn 0.4.4
    from e3nn import o3
    from mace import modules

    width = MACE_IRREPS.replace("128", "4") if quick else MACE_IRREPS
    blocks = "RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"
    first, further = (modules.interaction_classes[name] for name in blocks)
    module: Any = modules.ScaleShiftMACE(
        r_max=CUTOFF,
        num_bessel=8,
        num_polynomial_cutoff=5,
        interaction_cls_first=first,
        interaction_cls=further,
        num_elements=len(SPECIES),
        hidden_irreps=o3.Irreps(width),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros(len(SPECIES)),
        avg_num_neighbors=NEIGHBORS,
        atomic_numbers=list(SPECIES),
        gate=torch.nn.functional.silu,
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
        use_reduced_cg=False,  # as their command line builds it
        **MACE,
    )
    settings = {"hidden_irreps": width, "avg_num_neighbors": NEIGHBORS}
    if variant == "cuEquivariance":
        from mace.cli.convert_e3nn_cueq import run

        module = run(module, device="cpu")
    given: dict[str, Any] = {"compute_displacement": False}

    def energy(batch: Batch) -> Tensor:
        return module(mace_data(batch), compute_force=False, **given)["energy"]

    def forces(batch: Batch) -> tuple[Tensor, Tensor]:
        out = module(mace_data(batch), training=True, **given)
        return out["energy"], out["forces"]

    return Side(module, energy, forces, settings)


def mace_data(batch: Batch) -> dict[str, Tensor]:
    edges, count = batch["edge_index"], batch["count"]
    ptr = torch.nn.functional.pad(torch.bincount(batch["batch"]).cumsum(0), (1, 0))
    return {
        "node_attrs": (batch["z"].unsqueeze(1) == torch.tensor(SPECIES)).float(),
        "positions": batch["pos"].detach().clone().requires_grad_(),
        "edge_index": edges,
        "batch": batch["batch"],
        "ptr": ptr,
        "shifts": torch.zeros(edges.shape[1], 3),
        "unit_shifts": torch.zeros(edges.shape[1], 3),
        "cell": torch.zeros(3 * count, 3),
    }


THEIRS: dict[str, Callable[[str, bool], Side]] = {
    "nequip": nequip,
    "mace": mace,
    "allegro": allegro,
}
