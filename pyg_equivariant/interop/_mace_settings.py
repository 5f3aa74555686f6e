"""What the state of a MACE model tells of it, and what cannot be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.nuclei import COVALENT_RADII
from pyg_equivariant.o3 import Irreps

from ._placement import Placement
from .mace_contraction import contraction_sizes

_CONSTANTS = re.compile(r"(.*\.)?(output_mask|_compiled_main.*)|num_interactions")
_REPULSION = "pair_repulsion_fn."
_REFUSED = {
    r".*\.density_fn\..*": "density-normalized interaction blocks",
    r"radial_embedding\.distance_transform\..*": "a distance transform (Agnesi, Soft)",
    r"interactions\.\d+\.(linear_res|source_embedding|alpha|beta).*": (
        "non-linear interaction blocks"
    ),
    r"interactions\.\d+\.conv_tp_weights\.(net|\d+)\..*": (
        "radial networks with biases or layer norms"
    ),
    r"(joint_embedding|embedding_readout)\..*": "embeddings of charge, spin and others",
    r"(les|fukui|dipole|polarizability).*": "long-range or dipole terms",
}


def refuse_unknown(weights: Placement, apply_cutoff: bool) -> None:
    """Say what is not known here, and leave aside what carries nothing."""
    if not apply_cutoff:
        raise ValueError(
            "apply_cutoff=False multiplies path weights by the cutoff in place of the "
            "radial features; such a MACE cannot be read"
        )
    for name in weights.tensors:
        for pattern, what in _REFUSED.items():
            if re.fullmatch(pattern, name):
                raise ValueError(f"{name}: a MACE with {what} cannot be read")
    empty = (name for name, t in weights.tensors.items() if not t.numel())
    constant = (name for name in weights.tensors if _CONSTANTS.fullmatch(name))
    weights.ignore([*empty, *constant])


def read_settings(
    weights: Placement, hidden: Irreps, atomic_numbers: Sequence[int] | None
) -> dict[str, Any]:
    """Arguments of :class:`~pyg_equivariant.nn.MACE`, from names, shapes and buffers.

    Args:
        weights: of the authors' model.
        hidden: irreps of an atom, which the shapes do not tell.
        atomic_numbers: those of the species, if no buffer tells.

    Raises:
        ValueError: naming what is missing, contradicts another or cannot be read.
    """
    num_layers = weights.count("interactions.")
    stem = "products.0.symmetric_contractions."
    correlation, count = contraction_sizes(weights, stem)
    channels = weights.shape(f"{stem}contractions.0.weights_max", 3)[2]
    if hidden.count("0e") != channels:
        raise ValueError(
            f"got hidden_irreps={hidden}, but the state_dict of MACE has {channels} "
            "channels"
        )
    # The first layer has scalars and one path to every degree, a residual scalars alone
    (numel,) = weights.shape("interactions.0.linear.weight", 1)
    (skip,) = weights.shape("interactions.0.skip_tp.weight", 1)
    lmax = numel // channels**2 - 1
    numbers = _numbers(weights, atomic_numbers, count)
    scale, atomref = _units(weights, numbers)
    num_radial, *radial_channels = _radial_channels(weights)
    p = int(_number(weights, "radial_embedding.cutoff_fn.p"))
    return {
        "irreps_hidden": hidden,
        "lmax": lmax,
        "num_layers": num_layers,
        "correlation": correlation,
        "num_radial": num_radial,
        "cutoff": _number(weights, "r_max"),
        "radial_channels": radial_channels,
        "readout_channels": _readout_channels(weights, num_layers, channels),
        "residual_first": lmax > 0 and skip == channels**2 * count,
        "zbl": _has_repulsion(weights, p),
        "envelope_exponent": p,
        "species": numbers,
        "scale": scale,
        "atomref": atomref,
    }


def _number(weights: Placement, name: str) -> float:
    """One number, which is taken."""
    value = weights.tensors.get(name)
    if value is None or value.numel() != 1:
        raise ValueError(f"{name!r} of MACE is one number, and it is missing here")
    weights.ignore([name])
    return float(value)


def _numbers(
    weights: Placement, given: Sequence[int] | None, count: int
) -> tuple[int, ...]:
    """The atomic numbers of the species, in order."""
    found = weights.tensors.get("atomic_numbers")
    weights.ignore(["atomic_numbers"])
    if found is None and given is None:
        raise ValueError(
            "this state_dict does not hold atomic_numbers; pass them in the order of "
            "the model's"
        )
    told = None if found is None else tuple(found.tolist())
    numbers = tuple(told if given is None else given)  # type: ignore[arg-type]
    if len(numbers) != count or (told is not None and told != numbers):
        raise ValueError(
            f"got atomic_numbers={numbers}, but the state_dict of MACE has {count} "
            f"species{'' if told is None else f', {told}'}"
        )
    return numbers


def _units(weights: Placement, numbers: tuple[int, ...]) -> tuple[float, Tensor]:
    """The scale of energies, and what each atom adds: its own energy and a shift."""
    name = "atomic_energies_fn.atomic_energies"
    if name not in weights:
        raise ValueError(f"{name!r} is missing: this is no state_dict of MACE")
    energies = weights.tensors[name].double().cpu()
    weights.ignore([name])
    units = {}
    for unit, default in (("scale", 1.0), ("shift", 0.0)):
        name = f"scale_shift.{unit}"
        value = weights.tensors.get(name, torch.tensor(default))
        weights.ignore([name])
        if value.numel() != 1:
            raise ValueError(f"{name}: a MACE with several heads cannot be read")
        units[unit] = float(value)
    if energies.numel() != len(numbers):
        raise ValueError(
            f"atomic_energies has shape {tuple(energies.shape)} for {len(numbers)} "
            "species: a MACE with several heads cannot be read"
        )
    atomref = torch.zeros(max(numbers) + 1, dtype=torch.float64)
    atomref[list(numbers)] = energies.flatten() + units["shift"]
    return units["scale"], atomref


def _radial_channels(weights: Placement) -> tuple[int, ...]:
    """Number of radial functions, and hidden widths of the radial networks."""
    widths: list[int] = []
    stem = "interactions.0.conv_tp_weights.layer"
    while f"{stem}{len(widths)}.weight" in weights:
        widths.append(weights.shape(f"{stem}{len(widths)}.weight", 2)[0])
    if not widths:
        weights.shape(f"{stem}0.weight", 2)
    return tuple(widths)


def _readout_channels(
    weights: Placement, num_layers: int, channels: int
) -> tuple[int, ...]:
    name = f"readouts.{num_layers - 1}.linear_1.weight"
    (numel,) = weights.shape(name, 1)
    (width,) = weights.shape(name.replace("linear_1", "linear_2"), 1)
    if numel != channels * width:
        raise ValueError(f"{name}: a MACE with several heads cannot be read")
    return (width,)


def _has_repulsion(weights: Placement, p: int) -> bool:
    """Whether there is pair repulsion, with the constants that are known here."""
    stem = _REPULSION
    names = [name for name in weights.tensors if name.startswith(stem)]
    weights.ignore(names)
    expected: dict[str, Any] = {
        f"{stem}p": float(p),
        f"{stem}c": [0.1818, 0.5099, 0.2802, 0.02817],
        f"{stem}a_exp": 0.3,
        f"{stem}a_prefactor": 0.4543,
        f"{stem}covalent_radii": [0.2, *COVALENT_RADII],
    }
    for name in names:
        if name not in expected:
            raise ValueError(f"{name}: a pair repulsion of this kind cannot be read")
        like = torch.tensor(expected[name], dtype=torch.float64).flatten()
        found = weights.tensors[name].double().cpu().flatten()[: len(like)]
        if not torch.allclose(found, like, rtol=1e-5, atol=1e-6):
            raise ValueError(
                f"{name}: pair repulsion with other constants than ZBL's cannot be read"
            )
    return bool(names)
