"""Cormorant, from its authors' code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pyg_equivariant.nn.conv.cormorant_conv import CormorantConv
from pyg_equivariant.nn.models.cormorant import Cormorant

from ._placement import Names, Placement, build

_LEVEL = "cormorant_cg.{}_levels.{}.cat_mix.mix_reps.weights."
Numbers = float | Sequence[float]


def cormorant_from_reference(
    state_dict: Mapping[str, Tensor],
    *,
    species: Sequence[int],
    charge_power: int = 2,
    charge_scale: float = 9.0,
    cutoff_type: Sequence[str] = ("learn",),
    hard_cut_rad: Numbers = 1.73,
    soft_cut_rad: Numbers = 1.73,
    soft_cut_width: Numbers = 0.2,
) -> Cormorant:
    r"""A :class:`~pyg_equivariant.nn.Cormorant` with the weights of its authors' code.

    For ``CormorantQM9`` and ``CormorantMD17`` of `"Cormorant: Covariant Molecular
    Neural Networks" <https://arxiv.org/abs/1906.04015>`_ in `its repository
    <https://github.com/risilab/cormorant>`_. Features there are :math:`V_l\, i^l`
    times ours, with :math:`V_l` from real harmonics to the complex ones, and scalars of
    edges :math:`(-i)^l` times ours; the weights take up these phases, exactly.

    Args:
        state_dict: of the authors' module.
        species: the atomic numbers of their one-hot vectors, in their order.
        charge_power: the reference's.
        charge_scale: the reference's, the largest atomic number of the data.
        cutoff_type: the reference's.
        hard_cut_rad: the reference's, one number or one for each level.
        soft_cut_rad: likewise; read where it is not learned, as in the input.
        soft_cut_width: likewise.

    Raises:
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the weights.

    Example:
        >>> from pyg_equivariant.nn import Cormorant
        >>> sizes = {"rad_funcs.rad_funcs.0.scales": (1, 1, 1, 4)}
        >>> sizes["rad_funcs.rad_funcs.0.phases"] = (1, 1, 1, 4)
        >>> sizes["input_func_atom.lin.weight"] = 6, 2
        >>> sizes["input_func_atom.lin.bias"] = (6,)
        >>> sizes["cormorant_cg.edge_levels.0.cat_mix.mix_reps.weights.0"] = 3, 5, 2
        >>> sizes["cormorant_cg.atom_levels.0.cat_mix.mix_reps.weights.0"] = 3, 9, 2
        >>> sizes["cormorant_cg.edge_levels.0.mask_layer.soft_cut_rad"] = 1, 1, 1, 3
        >>> sizes["cormorant_cg.edge_levels.0.mask_layer.soft_cut_width"] = 1, 1, 1, 3
        >>> sizes["output_layer_atom.lin.weight"] = 1, 12
        >>> sizes["output_layer_atom.lin.bias"] = (1,)
        >>> state_dict = {name: torch.rand(size) for name, size in sizes.items()}
        >>> cormorant_from_reference(state_dict, species=(1, 8), charge_power=0)
        Cormorant(6x0e, num_layers=1, cutoff=None)
    """
    weights = Placement(state_dict, "the authors' Cormorant")
    num_layers = weights.count("cormorant_cg.atom_levels.")
    channels, lmax, lmax_sh = _sizes(weights, num_layers)
    waves = weights.shape("rad_funcs.rad_funcs.0.scales", 4)[-1]
    last = weights.shape(_LEVEL.format("edge", 0) + str(lmax_sh[0]), 3)[1]
    radial = last - (channels[0] if lmax_sh[0] == 0 else 0)
    model = build(
        weights.tensors["rad_funcs.rad_funcs.0.scales"],
        Cormorant,
        channels,
        lmax,
        lmax_sh,
        num_layers,
        num_frequencies=waves // 2 - 1,
        max_power=2 * radial // waves - 1,
        num_input_layers=weights.count("input_func_atom.mlps."),
        linear_output="output_layer_atom.lin.weight" in weights,
        mask=tuple(cutoff_type),
        soft_cutoff=soft_cut_rad,
        soft_width=soft_cut_width,
        hard_cutoff=hard_cut_rad,
        species=tuple(species),
        charge_power=charge_power,
        max_charge=charge_scale,
    )
    return weights.finish(model, cormorant_names(model))


def _sizes(
    weights: Placement, num_layers: int
) -> tuple[list[int], list[int], list[int]]:
    """Channels of the input and of each level, largest degrees of both kinds."""
    channels, lmax, lmax_sh = [], [], []
    for k in range(num_layers):
        edge, node = _LEVEL.format("edge", k), _LEVEL.format("atom", k)
        channels.append(weights.shape(f"{edge}0", 3)[0])
        lmax_sh.append(weights.count(edge) - 1)
        lmax.append(weights.count(node) - 1)
    channels.append(weights.shape(f"{_LEVEL.format('atom', num_layers - 1)}0", 3)[0])
    return channels, lmax, lmax_sh


def cormorant_names(model: Cormorant) -> Names:
    """Where the authors' code keeps each parameter, and how ours follows from it."""

    def edge(k: int, l: int, weight: Tensor) -> Tensor:
        conv = model.convs[k]
        return _turned_edges(conv, l, weight)

    def node(k: int, l: int, weight: Tensor) -> Tensor:
        conv = model.convs[k]
        return _turned_nodes(conv, l, weight)

    def invariants(weight: Tensor) -> Tensor:
        return weight * _signs_of_squares(model).to(weight)

    return {
        "bases.{}.scales": ("rad_funcs.rad_funcs.{}.scales", _flat),
        "bases.{}.phases": ("rad_funcs.rad_funcs.{}.phases", _flat),
        "input.layers.{}.basis.scales": ("input_func_atom.rad_filts.{}.scales", _flat),
        "input.layers.{}.basis.phases": ("input_func_atom.rad_filts.{}.phases", _flat),
        "input.layers.{}.filter": "input_func_atom.rad_filts.{}.linear.0",
        "input.layers.{}.mlp.linears.{}": "input_func_atom.mlps.{}.linear.{}",
        "input.linear": "input_func_atom.lin",
        "convs.{}.radius": (
            "cormorant_cg.edge_levels.{}.mask_layer.soft_cut_rad",
            _flat,
        ),
        "convs.{}.width": (
            "cormorant_cg.edge_levels.{}.mask_layer.soft_cut_width",
            _flat,
        ),
        "convs.{}.edge_mix.weights.{}": (_LEVEL.format("edge", "{}") + "{}", edge),
        "convs.{}.node_mix.weights.{}": (_LEVEL.format("atom", "{}") + "{}", node),
        "head.pre.linears.0.weight": (
            "output_layer_atom.mlp1.linear.0.weight",
            invariants,
        ),
        "head.pre.linears.0.bias": "output_layer_atom.mlp1.linear.0.bias",
        "head.pre.linears.1": "output_layer_atom.mlp1.linear.1",
        "head.post.linears.{}": "output_layer_atom.mlp2.linear.{}",
        "head.post.weight": ("output_layer_atom.lin.weight", invariants),
        "head.post.bias": "output_layer_atom.lin.bias",
    }


def _flat(*numbers_and_value: Tensor) -> Tensor:
    return numbers_and_value[-1].flatten()


def _turned_edges(conv: CormorantConv, l: int, weight: Tensor) -> Tensor:
    """Scalars of edges, i^l times theirs: of inner products and radial functions."""
    mix = conv.edge_mix
    state, dots, radial = weight.split(mix.sizes[l], dim=1)
    if dots.shape[1]:
        signs = (-1.0) ** torch.arange(mix.dot_degrees).to(weight)
        dots = dots * signs.repeat_interleave(mix.channels).unsqueeze(-1)
    return torch.cat([state, _turn(dots, l), _turn(radial, l)], dim=1)


def _turn(weight: Tensor, quarters: int) -> Tensor:
    """Complex numbers (..., 2) times a power of i."""
    for _ in range(quarters % 4):
        re, im = weight.unbind(-1)
        weight = torch.stack([-im, re], dim=-1)
    return weight


def _turned_nodes(conv: CormorantConv, l: int, weight: Tensor) -> Tensor:
    """Our products at edges have the sender before the edge."""
    signs = [(-1.0) ** sum(d) for d in conv.edge_degrees if d.l == l]
    factor = torch.ones(weight.shape[1]).to(weight)
    factor[: len(signs) * conv.in_channels] = (
        torch.tensor(signs).to(weight).repeat_interleave(conv.in_channels)
    )
    return weight * factor.unsqueeze(-1)


def _signs_of_squares(model: Cormorant) -> Tensor:
    """Theirs of degree l are (-1)^l times ours; those of absolute values are equal."""
    levels = []
    for conv in model.convs:
        levels.append(conv.irreps_out)
    signs = [1.0] * sum(irreps[0].mul for irreps in levels)
    for l in range(max(irreps.lmax for irreps in levels) + 1):
        for irreps in levels:
            if l < len(irreps):
                signs += [(-1.0) ** l, 1.0] * (irreps[l].mul // 2)
    return torch.tensor(signs)
