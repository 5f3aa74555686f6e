"""MACE, from its authors' code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from pyg_equivariant import o3
from pyg_equivariant.nn.conv.mace_conv import MACEConv
from pyg_equivariant.nn.mlp import RadialMLP
from pyg_equivariant.nn.models.mace import MACE
from pyg_equivariant.o3 import IrrepsLike

from ._mace_constants import place_constants
from ._mace_object import settings_of
from ._mace_plain import plain_state
from ._mace_settings import (
    check_signs,
    first_block,
    leave_aside,
    read_settings,
    refuse_unknown,
)
from ._placement import Change, Placement, build
from ._signs import sign_before_e3nn_05
from ._weights import regroup_weights
from .e3nn import as_irreps
from .mace_contraction import place_contraction

_Names = dict[str, str | tuple[str, Change]]


def mace_from_reference(
    state_dict: Mapping[str, Tensor] | Module,
    *,
    hidden_irreps: IrrepsLike | None = None,
    avg_num_neighbors: float | None = None,
    atomic_numbers: Sequence[int] | None = None,
    apply_cutoff: bool | None = None,
    head: str | int | None = None,
    heads: Sequence[str] | None = None,
    max_ell: int | None = None,
    correlation: int | Sequence[int] | None = None,
    num_interactions: int | None = None,
    interaction_first: str | None = None,
    r_max: float | None = None,
) -> MACE:
    r"""A :class:`~pyg_equivariant.nn.MACE` with the weights of the authors' code.

    Of `"MACE: Higher Order Equivariant Message Passing Neural Networks for Fast and
    Accurate Force Fields" <https://arxiv.org/abs/2206.07697>`_ in `its repository
    <https://github.com/ACEsuit/mace>`_: the classes ``MACE`` and ``ScaleShiftMACE`` of
    the blocks ``RealAgnosticInteractionBlock`` and
    ``RealAgnosticResidualInteractionBlock`` and of both with ``Density``; with Bessel
    functions or Gaussians, of the distance or of its Agnesi or soft transform; with or
    without pair repulsion, reduced couplings (``use_reduced_cg``) and more than one
    head, of which one is read. These are the settings of MACE-MP-0, MACE-MPA-0,
    MACE-OMAT-0, MACE-MATPES-0 and MACE-OFF23. Their published files hold the pickled
    object: ``torch.load`` brings it back where the authors' package is installed, and
    this function reads it.

    The authors' couplings have the signs of e3nn 0.4.4, and their edges point the other
    way: both are taken into the weights, so that the model that comes back is one of
    this library. Energies of isolated atoms and the shift of each atom become its
    ``atomref``. A product without species, and readouts of the last layer alone, come
    back as equal weights of all species and as zeros.

    Args:
        state_dict: of the authors' model; or the model itself, which tells all that
            follows but ``head``.
        hidden_irreps: the reference's, ours or e3nn's.
        avg_num_neighbors: the reference's; not needed if all blocks have densities.
        atomic_numbers: the reference's (default: the buffer of that name).
        apply_cutoff: the reference's (default: ``True``).
        head: which of several heads to read, its name or its number.
        heads: the reference's, their names in order.
        max_ell: the reference's; told by the ``state_dict``, like all that follow, and
            compared with it if given.
        correlation: the reference's, of all layers or of each.
        num_interactions: the reference's.
        interaction_first: name of the block of the first layer.
        r_max: the reference's cutoff.

    Raises:
        TypeError: if ``hidden_irreps`` or ``avg_num_neighbors`` is missing.
        ValueError: naming what could not be placed, what is missing, what contradicts
            the shapes of the weights or the model, or what is not known here: Chebyshev
            polynomials, non-linear blocks, ``edge_irreps``, ``use_so3``, readouts with
            biases, embeddings of charge and spin, cuEquivariance's layout, and other
            models of the package.

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
    given: dict[str, Any] = {"hidden_irreps": hidden_irreps}
    given["heads"] = None if heads is None else tuple(heads)
    given |= {"avg_num_neighbors": avg_num_neighbors, "apply_cutoff": apply_cutoff}
    given |= {"interaction_first": interaction_first}
    state_dict, given = _opened(state_dict, given)
    weights = Placement(state_dict, "MACE")
    refuse_unknown(weights)
    check_signs(weights)
    hidden, names = as_irreps(given["hidden_irreps"]), given["heads"] or ()
    state = plain_state(weights.tensors, hidden, _number(head, names), names)
    weights = Placement(state, "MACE")
    leave_aside(weights)
    found = read_settings(weights, hidden, atomic_numbers, given["interaction_first"])
    weights.agree(
        max_ell=(max_ell, found["lmax"]),
        correlation=(_same(correlation), found["correlation"]),
        num_interactions=(num_interactions, found["num_layers"]),
        interaction_first=(given["interaction_first"], first_block(found)),
        r_max=(r_max, found["cutoff"]),
    )
    like = weights.tensors["interactions.0.linear.weight"]
    if given["apply_cutoff"] is False:
        found["envelope"] = "weights"
    found["avg_num_neighbors"] = _neighbors(given["avg_num_neighbors"], found)
    model = build(like, MACE, e3nn_constants=True, **found)
    place_constants(weights, model)
    table: _Names = {}
    for t, conv in enumerate(model.convs):
        table |= interaction_names(conv, f"convs.{t}.", f"interactions.{t}.")
        table[f"convs.{t}.mix_out.weight"] = f"products.{t}.linear.weight"
        stem = f"products.{t}.symmetric_contractions."
        place_contraction(weights, stem, conv.product)
    return weights.finish(model, table | _ends(weights, model))


def _opened(
    reference: Mapping[str, Tensor] | Module, given: dict[str, Any]
) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    """The state of a model, and what was given, completed by what the model tells."""
    if isinstance(reference, Module):
        told = settings_of(reference)
        for name, value in given.items():
            value = (
                str(as_irreps(value)) if name == "hidden_irreps" and value else value
            )
            if value is not None and value != told[name]:
                raise ValueError(
                    f"got {name}={value}, but this {type(reference).__name__} has "
                    f"{name}={told[name]}; leave it out"
                )
        return reference.state_dict(), told
    if given["hidden_irreps"] is None:
        raise TypeError(
            "hidden_irreps is missing: a state_dict does not tell it; pass the "
            "reference's, or the model itself"
        )
    return reference, given


def _number(head: str | int | None, names: tuple[str, ...]) -> int | None:
    """The number of a head."""
    if not isinstance(head, str):
        return head
    if head not in names:
        raise ValueError(f"got head={head!r}, this MACE has {names}")
    return names.index(head)


def _same(correlation: int | Sequence[int] | None) -> int | tuple[int, ...] | None:
    """One number if all layers have the same."""
    if not isinstance(correlation, Sequence):
        return correlation
    return correlation[0] if len(set(correlation)) == 1 else tuple(correlation)


def _neighbors(given: float | None, found: dict[str, Any]) -> float:
    density = found["density"]
    if given is not None:
        return given
    if density is True:
        return 1.0  # has no effect
    raise TypeError(
        "avg_num_neighbors is missing: a state_dict does not tell it; pass the "
        "reference's, or the model itself"
    )


def interaction_names(conv: MACEConv, own: str, theirs: str) -> _Names:
    """Where the weights of an interaction block stand, and how they change."""
    names: _Names = {
        f"{own}mix_in.weight": f"{theirs}linear_up.weight",
        f"{own}mix.weight": f"{theirs}linear.weight",
        f"{own}skip.weight": (f"{theirs}skip_tp.weight", partial(_by_species, conv)),
    }
    if conv.density:
        names[f"{own}rho.weights.0"] = f"{theirs}density_fn.layer0.weight"
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


def _ends(weights: Placement, model: MACE) -> _Names:
    """The embedding, and the readouts of all layers."""
    assert model.species is not None
    count, channels = len(model.species.species), model.irreps_hidden.count("0e")

    def embedded(weight: Tensor) -> Tensor:
        return weight.reshape(count, -1) / math.sqrt(count)

    def column(weight: Tensor) -> Tensor:
        return weight.reshape(-1, 1)

    def matrix(weight: Tensor) -> Tensor:
        return weight.reshape(channels, -1)

    own, theirs = "head.pre.layers.", "readouts."
    names: _Names = {}
    for t in range(model.num_layers):
        name = f"{theirs}{t}.linear"
        if t < model.num_layers - 1 or f"{name}.weight" in weights:
            names[f"{own}{t}.weights.0"] = f"{name}.weight", column
        else:
            names[f"{own}{t}.weights.0"] = f"{name}_1.weight", matrix
            names[f"{own}{t}.weights.1"] = f"{name}_2.weight", column
    names["embedding.weight"] = "node_embedding.linear.weight", embedded
    return names
