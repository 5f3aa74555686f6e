"""MACE, from its authors' code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.nn.conv.mace_conv import MACEConv
from pyg_equivariant.nn.mlp import RadialMLP
from pyg_equivariant.nn.models.mace import MACE
from pyg_equivariant.o3 import IrrepsLike

from ._mace_settings import read_settings, refuse_unknown
from ._placement import Change, Placement, build, replace_constants
from ._signs import sign_before_e3nn_05
from ._weights import regroup_weights
from .e3nn import as_irreps
from .mace_contraction import place_contraction

_Names = dict[str, str | tuple[str, Change]]


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
    refuse_unknown(weights, apply_cutoff)
    found = read_settings(weights, as_irreps(hidden_irreps), atomic_numbers)
    kind = "Residual" if found["residual_first"] else ""
    weights.agree(
        max_ell=(max_ell, found["lmax"]),
        correlation=(correlation, found["correlation"]),
        num_interactions=(num_interactions, found["num_layers"]),
        interaction_first=(interaction_first, f"RealAgnostic{kind}InteractionBlock"),
        r_max=(r_max, found["cutoff"]),
    )
    like = weights.tensors["interactions.0.linear.weight"]
    given = {"avg_num_neighbors": avg_num_neighbors, "e3nn_constants": True}
    model = build(like, MACE, **given, **found)
    _place_basis(weights, model)
    names: _Names = {}
    for t, conv in enumerate(model.convs):
        assert isinstance(conv, MACEConv)
        names |= interaction_names(conv, f"convs.{t}.", f"interactions.{t}.")
        names[f"convs.{t}.mix_out.weight"] = f"products.{t}.linear.weight"
        stem = f"products.{t}.symmetric_contractions."
        place_contraction(weights, stem, conv.product)
    return weights.finish(model, names | _ends(model))


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


def _place_basis(weights: Placement, model: MACE) -> None:
    """The frequencies, with the rounding that they have there."""
    stem = "radial_embedding.bessel_fn."
    name = f"{stem}bessel_weights"
    if name not in weights:
        raise ValueError(f"{name!r} is missing: only Bessel functions are known here")
    assert model.cutoff is not None
    frequency = weights.tensors[name].double().cpu() * model.cutoff
    others = f"{stem}r_max", f"{stem}prefactor", "radial_embedding.cutoff_fn.r_max"
    weights.ignore([name, *others])
    prefactor = weights.tensors.get(f"{stem}prefactor")
    expected = math.sqrt(2 / model.cutoff)
    if prefactor is not None and abs(float(prefactor) / expected - 1) > 1e-5:
        raise ValueError(f"{stem}prefactor is {float(prefactor)}, not {expected}")
    replace_constants(model.edges.basis, {"frequency": frequency})


def _ends(model: MACE) -> _Names:
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
    last = model.num_layers - 1
    names: _Names = {
        f"{own}{t}.weights.0": (f"{theirs}{t}.linear.weight", column)
        for t in range(last)
    }
    names[f"{own}{last}.weights.0"] = f"{theirs}{last}.linear_1.weight", matrix
    names[f"{own}{last}.weights.1"] = f"{theirs}{last}.linear_2.weight", column
    names["embedding.weight"] = "node_embedding.linear.weight", embedded
    return names
