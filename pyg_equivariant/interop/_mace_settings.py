"""What the state of a MACE model tells of it, and what cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps, clebsch_gordan

from ._mace_constants import basis_of, has_repulsion, transform_of
from ._placement import Placement
from ._signs import sign_before_e3nn_05
from .mace_contraction import contraction_sizes

_CONSTANTS = re.compile(
    r"(.*\.)?(output_mask|_compiled_main.*|weights_(\d+|max)_zeroed)|num_interactions"
)
_COUPLING = re.compile(r"interactions\.\d+\.conv_tp\..*_w3j_(\d+)_(\d+)_(\d+)")
_REFUSED = {
    r"interactions\.\d+\.(linear_res|source_embedding|alpha|beta).*": (
        "non-linear interaction blocks"
    ),
    r"interactions\.\d+\.(linear_down|skip_linear).*": "attention blocks",
    r"interactions\.\d+\.(conv_tp_weights|density_fn)\.(net|\d+)\..*": (
        "radial networks with biases or layer norms"
    ),
    r"products\.\d+\.symmetric_contractions\.weight": (
        "the layout of cuEquivariance (mace_cueq_to_e3nn brings it back)"
    ),
    r"radial_embedding\.bessel_fn\.n": (
        "Chebyshev polynomials, which have no derivatives in torch,"
    ),
    r"readouts\.\d+\.linear_mid\..*": "readouts with biases",
    r".*lora_[AB]\..*": "LoRA weights that were not merged",
    r"(joint_embedding|embedding_readout)\..*": "embeddings of charge, spin and others",
    r"(les|fukui|dipole|polarizability).*": "long-range or dipole terms",
}


def refuse_unknown(weights: Placement) -> None:
    """Say what is not known here."""
    for name in weights.tensors:
        for pattern, what in _REFUSED.items():
            if re.fullmatch(pattern, name):
                raise ValueError(f"{name}: a MACE with {what} cannot be read")


def check_signs(weights: Placement) -> None:
    """Refuse products whose couplings have other signs, where the state shows them."""
    for name, value in weights.tensors.items():
        match = _COUPLING.fullmatch(name)
        if match is None:
            continue
        l1, l2, l3 = map(int, match.groups())
        found = value.double().cpu()
        expected = clebsch_gordan(l1, l2, l3, dtype=torch.float64)
        expected = expected * sign_before_e3nn_05(l1, l2, l3)
        if found.shape == expected.shape and torch.allclose(
            -found, expected, atol=1e-5
        ):
            raise ValueError(
                f"{name} has another sign than in e3nn 0.4.4, which MACE pins: its "
                "weights are of another version and cannot be read"
            )


def leave_aside(weights: Placement) -> None:
    """Pass over what carries nothing."""
    empty = (name for name, t in weights.tensors.items() if not t.numel())
    constant = (name for name in weights.tensors if _CONSTANTS.fullmatch(name))
    weights.ignore([*empty, *constant])


def read_settings(
    weights: Placement,
    hidden: Irreps,
    atomic_numbers: Sequence[int] | None,
    interaction_first: str | None,
) -> dict[str, Any]:
    """Arguments of :class:`~pyg_equivariant.nn.MACE`, from names, shapes and buffers.

    Args:
        weights: of the authors' model.
        hidden: irreps of an atom, which the shapes do not tell.
        atomic_numbers: those of the species, if no buffer tells.
        interaction_first: block of the first layer, if no shape tells.

    Raises:
        ValueError: naming what is missing, contradicts another or cannot be read.
    """
    num_layers = weights.count("interactions.")
    stem = "products.0.symmetric_contractions."
    count = contraction_sizes(weights, stem)[1]
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
    residual = skip == channels**2 * count
    if not lmax:
        residual = "Residual" in (interaction_first or "")
    _check_linear_up(weights, hidden, num_layers)
    numbers = _numbers(weights, atomic_numbers, count)
    scale, atomref = _units(weights, numbers)
    num_radial, *radial_channels = _radial_channels(weights)
    p = int(_number(weights, "radial_embedding.cutoff_fn.p"))
    return {
        "irreps_hidden": hidden,
        "lmax": lmax,
        "num_layers": num_layers,
        "correlation": _by_layer(
            contraction_sizes(weights, stem.replace("0", str(t)))[0]
            for t in range(num_layers)
        ),
        "num_radial": num_radial,
        "cutoff": _number(weights, "r_max"),
        "radial_channels": radial_channels,
        "readout_channels": _readout_channels(weights, num_layers, channels),
        "residual_first": residual,
        "zbl": has_repulsion(weights, p),
        "density": _by_layer(
            f"interactions.{t}.density_fn.layer0.weight" in weights
            for t in range(num_layers)
        ),
        "distance_transform": transform_of(weights),
        "radial_basis": basis_of(weights),
        "envelope_exponent": p,
        "species": numbers,
        "scale": scale,
        "atomref": atomref,
    }


def first_block(found: dict[str, Any]) -> str:
    """The authors' name of the first layer's block."""
    density = found["density"]
    if isinstance(density, tuple):
        density = density[0]
    residual = "Residual" if found["residual_first"] else ""
    return f"RealAgnostic{'Density' if density else ''}{residual}InteractionBlock"


def _by_layer(values: Iterable[Any]) -> Any:
    """One value if all layers have the same, else one of each."""
    values = tuple(values)
    return values[0] if len(set(values)) == 1 else values


def _check_linear_up(weights: Placement, hidden: Irreps, num_layers: int) -> None:
    """Refuse other irreps on the edges than those of the atoms."""
    for t in range(num_layers):
        irreps = hidden if t else hidden.filter(keep="0e")
        name = f"interactions.{t}.linear_up.weight"
        found = weights.tensors.get(name)
        if found is not None and found.numel() != sum(mul**2 for mul, _ in irreps):
            raise ValueError(
                f"{name} has {found.numel()} numbers, but maps {irreps} to itself: a "
                "MACE with edge_irreps cannot be read, nor one of other hidden_irreps"
            )


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
    if f"readouts.{num_layers - 1}.linear.weight" in weights:
        return ()
    name = f"readouts.{num_layers - 1}.linear_1.weight"
    (numel,) = weights.shape(name, 1)
    (width,) = weights.shape(name.replace("linear_1", "linear_2"), 1)
    if numel != channels * width:
        raise ValueError(f"{name}: a MACE with several heads cannot be read")
    return (width,)
