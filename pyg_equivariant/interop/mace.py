"""MACE, from its authors' code."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.nn.conv.mace_conv import MACEConv
from pyg_equivariant.nn.mlp import RadialMLP
from pyg_equivariant.nn.models.mace import MACE
from pyg_equivariant.nn.zbl import COVALENT_RADII
from pyg_equivariant.o3 import IrrepsLike

from ._placement import Change, Placement, build, replace_constants
from ._signs import sign_before_e3nn_05
from ._weights import regroup_weights
from .e3nn import as_irreps
from .mace_contraction import contraction_sizes, place_contraction

_Names = dict[str, str | tuple[str, Change]]
_CONSTANTS = re.compile(r"(.*\.)?(output_mask|_compiled_main.*)|num_interactions")
_BESSEL = "radial_embedding.bessel_fn."
_CUTOFF = "radial_embedding.cutoff_fn."
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


def mace_from_reference(
    state_dict: Mapping[str, Tensor],
    *,
    hidden_irreps: IrrepsLike,
    avg_num_neighbors: float,
    atomic_numbers: Sequence[int] | None = None,
    apply_cutoff: bool = True,
    max_ell: int | None = None,
    correlation: int | None = None,
    num_interactions: int | None = None,
    interaction_first: str | None = None,
    r_max: float | None = None,
) -> MACE:
    r"""A :class:`~pyg_equivariant.nn.MACE` with the weights of the authors' code.

    Of `"MACE: Higher Order Equivariant Message Passing Neural Networks for Fast and
    Accurate Force Fields" <https://arxiv.org/abs/2206.07697>`_ in `its repository
    <https://github.com/ACEsuit/mace>`_: the classes ``MACE`` and ``ScaleShiftMACE`` of
    the blocks ``RealAgnosticInteractionBlock`` (in the first layer) and
    ``RealAgnosticResidualInteractionBlock``, with Bessel functions, a polynomial cutoff
    and one head; with or without pair repulsion. Its couplings have the signs of e3nn
    0.4.4, and its edges point the other way: both are taken into the weights, so that
    the model that comes back is one of this library. Energies of isolated atoms and the
    shift of each atom become its ``atomref``.

    Args:
        state_dict: of the authors' model.
        hidden_irreps: the reference's, ours or e3nn's.
        avg_num_neighbors: the reference's.
        atomic_numbers: the reference's (default: the buffer of that name).
        apply_cutoff: the reference's; only ``True`` is known here.
        max_ell: the reference's; told by the ``state_dict``, like all that follow, and
            compared with it if given.
        correlation: the reference's, of all layers.
        num_interactions: the reference's.
        interaction_first: name of the block of the first layer.
        r_max: the reference's cutoff.

    Raises:
        ValueError: naming what could not be placed, what is missing, what contradicts
            the shapes of the weights, or what is not known here: density-normalized
            blocks, distance transforms, several heads, reduced couplings and others of
            foundation models.

    Example:
        >>> import torch
        >>> contraction = "products.0.symmetric_contractions.contractions.0.weights"
        >>> sizes = {"node_embedding.linear": (8,), "products.0.linear": (16,)}
        >>> sizes |= {"interactions.0.linear_up": (16,), "interactions.0.linear": (32,)}
        >>> sizes |= {"interactions.0.conv_tp_weights.layer0": (6, 8)}
        >>> sizes |= {"interactions.0.skip_tp": (64,)}
        >>> sizes |= {"readouts.0.linear_1": (64,), "readouts.0.linear_2": (16,)}
        >>> state_dict = {f"{k}.weight": torch.randn(v) for k, v in sizes.items()}
        >>> state_dict[f"{contraction}_max"] = torch.randn(2, 2, 4)
        >>> state_dict[f"{contraction}.0"] = torch.randn(2, 1, 4)
        >>> roots = torch.arange(1, 7) * torch.pi / 5
        >>> state_dict["radial_embedding.bessel_fn.bessel_weights"] = roots
        >>> state_dict["radial_embedding.cutoff_fn.p"] = torch.tensor(5)
        >>> state_dict["atomic_energies_fn.atomic_energies"] = torch.zeros(2)
        >>> state_dict["r_max"] = torch.tensor(5.0)
        >>> mace_from_reference(
        ...     state_dict,
        ...     hidden_irreps="4x0e",
        ...     avg_num_neighbors=12.0,
        ...     atomic_numbers=(1, 8),
        ... )
        MACE(4x0e, lmax=1, correlation=2, num_layers=1, cutoff=5.0)
    """
    weights = Placement(state_dict, "MACE")
    _refuse(weights, apply_cutoff)
    hidden = as_irreps(hidden_irreps)
    num_layers = weights.count("interactions.")
    stem = "products.0.symmetric_contractions."
    degree, count = contraction_sizes(weights, stem)
    (numel,) = weights.shape("interactions.0.linear.weight", 1)
    (skip,) = weights.shape("interactions.0.skip_tp.weight", 1)
    channels = weights.shape(f"{stem}contractions.0.weights_max", 3)[2]
    if hidden.count("0e") != channels:
        raise ValueError(
            f"got hidden_irreps={hidden}, but the state_dict of MACE has {channels} "
            "channels"
        )
    lmax = numel // channels**2 - 1
    residual = lmax > 0 and skip == channels**2 * count
    cutoff = float(weights.tensors[_shaped(weights, "r_max")])
    weights.agree(
        max_ell=(max_ell, lmax),
        correlation=(correlation, degree),
        num_interactions=(num_interactions, num_layers),
        interaction_first=(interaction_first, _block(residual)),
        r_max=(r_max, cutoff),
    )
    numbers = _numbers(weights, atomic_numbers, count)
    scale, atomref = _units(weights, numbers)
    radial = _radial_channels(weights)
    p = int(weights.tensors[_shaped(weights, f"{_CUTOFF}p")])
    repulsion = _repulsion(weights, p)
    model = build(
        weights.tensors["interactions.0.linear.weight"],
        MACE,
        irreps_hidden=hidden,
        lmax=lmax,
        num_layers=num_layers,
        correlation=degree,
        num_radial=radial[0],
        cutoff=cutoff,
        radial_channels=radial[1:],
        readout_channels=_readout_channels(weights, num_layers, channels),
        residual_first=residual,
        zbl=repulsion,
        envelope_exponent=p,
        avg_num_neighbors=avg_num_neighbors,
        e3nn_constants=True,
        species=numbers,
        scale=scale,
        atomref=atomref,
    )
    _place_basis(weights, model, cutoff)
    names: _Names = {}
    for t, conv in enumerate(model.convs):
        assert isinstance(conv, MACEConv)
        names |= interaction_names(conv, f"convs.{t}.", f"interactions.{t}.")
        names[f"convs.{t}.mix_out.weight"] = f"products.{t}.linear.weight"
        stem = f"products.{t}.symmetric_contractions."
        place_contraction(weights, stem, conv.product)
    return weights.finish(model, names | _ends(num_layers, count, channels))


def interaction_names(conv: MACEConv, own: str, theirs: str) -> _Names:
    """Where the weights of an interaction block stand, and how they change."""
    names: _Names = {
        f"{own}mix_in.weight": f"{theirs}linear_up.weight",
        f"{own}mix.weight": f"{theirs}linear.weight",
        f"{own}skip.weight": (f"{theirs}skip_tp.weight", partial(_by_species, conv)),
    }
    assert isinstance(conv.radial, RadialMLP)
    last = len(conv.radial.weights) - 1
    for k in range(last + 1):
        name = f"{theirs}conv_tp_weights.layer{k}.weight"
        change = partial(_by_path, conv)
        names[f"{own}radial.weights.{k}"] = name if k < last else (name, change)
    return names


def _by_path(conv: MACEConv, weight: Tensor) -> Tensor:
    """Columns in our order, with our signs and our direction of the edges."""
    product = conv.tp.product
    paths = sorted(product.paths, key=lambda path: path.i_out)
    irreps = product.irreps_in1, product.irreps_in2, product.irreps_out
    source = o3.TensorProductPaths(*irreps, tuple(paths))
    if weight.shape[-1] != source.weight_numel:
        return weight
    signs = torch.ones_like(weight[0])
    for path, part in zip(source.paths, source.weight_slices, strict=True):
        l1, l2, l3 = (ir.l for _, ir in source.blocks(path))
        signs[part] = sign_before_e3nn_05(l1, l2, l3) * (-1) ** l2
    return regroup_weights(weight * signs, source, product)


def _by_species(conv: MACEConv, weight: Tensor) -> Tensor:
    """A row for every species, of a product with one-hot species."""
    count, skip = conv.num_species, conv.skip
    shapes = [
        (mul_in, mul_out)
        for mul_in, ir_in in skip.irreps_in
        for mul_out, ir_out in skip.irreps_out
        if ir_in == ir_out
    ]
    sizes = [a * count * b for a, b in shapes]
    if weight.shape != (sum(sizes),):
        return weight
    blocks = [
        part.view(a, count, b).transpose(0, 1).flatten(1)
        for part, (a, b) in zip(weight.split(sizes), shapes, strict=True)
    ]
    return torch.cat(blocks, dim=1)


def _refuse(weights: Placement, apply_cutoff: bool) -> None:
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


def _shaped(weights: Placement, name: str) -> str:
    """The name of one number, which is taken."""
    if name not in weights or weights.tensors[name].numel() != 1:
        raise ValueError(f"{name!r} of MACE is one number, and it is missing here")
    weights.ignore([name])
    return name


def _block(residual: bool) -> str:
    kind = "Residual" if residual else ""
    return f"RealAgnostic{kind}InteractionBlock"


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


def _repulsion(weights: Placement, p: int) -> bool:
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


def _place_basis(weights: Placement, model: MACE, cutoff: float) -> None:
    """The frequencies, with the rounding that they have there."""
    name = f"{_BESSEL}bessel_weights"
    if name not in weights:
        raise ValueError(f"{name!r} is missing: only Bessel functions are known here")
    frequency = weights.tensors[name].double().cpu() * cutoff
    weights.ignore([name, f"{_CUTOFF}r_max", f"{_BESSEL}r_max", f"{_BESSEL}prefactor"])
    prefactor = weights.tensors.get(f"{_BESSEL}prefactor")
    expected = math.sqrt(2 / cutoff)
    if prefactor is not None and abs(float(prefactor) / expected - 1) > 1e-5:
        raise ValueError(f"{_BESSEL}prefactor is {float(prefactor)}, not {expected}")
    replace_constants(model.edges.basis, {"frequency": frequency})


def _ends(num_layers: int, count: int, channels: int) -> _Names:
    """The embedding, and the readouts of all layers."""

    def embedded(weight: Tensor) -> Tensor:
        return weight.reshape(count, -1) / math.sqrt(count)

    def column(weight: Tensor) -> Tensor:
        return weight.reshape(-1, 1)

    def matrix(weight: Tensor) -> Tensor:
        return weight.reshape(channels, -1)

    own, theirs = "head.pre.layers.", "readouts."
    names: _Names = {
        f"{own}{t}.weights.0": (f"{theirs}{t}.linear.weight", column)
        for t in range(num_layers - 1)
    }
    last = num_layers - 1
    names[f"{own}{last}.weights.0"] = f"{theirs}{last}.linear_1.weight", matrix
    names[f"{own}{last}.weights.1"] = f"{theirs}{last}.linear_2.weight", column
    names["embedding.weight"] = "node_embedding.linear.weight", embedded
    return names
