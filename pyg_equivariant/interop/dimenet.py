"""DimeNet and DimeNet++, from PyG and DIG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pyg_equivariant.nn.models.dimenet import DimeNet
from pyg_equivariant.nn.models.dimenet_plus_plus import DimeNetPlusPlus

from ._directional import Reader, names_of_dig, names_of_pyg


def dimenet_from_pyg(
    state_dict: Mapping[str, Tensor],
    *,
    cutoff: float = 5.0,
    envelope_exponent: int = 5,
    act: str = "swish",
    num_spherical: int | None = None,
    num_blocks: int | None = None,
) -> DimeNet | DimeNetPlusPlus:
    r"""A DimeNet or DimeNet++ with the weights of PyG's.

    For :class:`torch_geometric.nn.models.DimeNet` and
    :class:`torch_geometric.nn.models.DimeNetPlusPlus`, which the names tell apart,
    and so for the published weights, which PyG loads. The two give the same numbers for
    the same edges, up to rounding.

    Args:
        state_dict: of PyG's model.
        cutoff: the reference's.
        envelope_exponent: the reference's.
        act: the reference's, by name.
        num_spherical: the reference's; told by the ``state_dict``, like all that
            follow, and compared with it if given.
        num_blocks: the reference's.

    Raises:
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the shapes of the weights.

    Example:
        >>> import torch
        >>> from pyg_equivariant.interop import dimenet_from_pyg
        >>> dimenet_from_pyg({"emb.lin.weight": torch.zeros(1)})
        Traceback (most recent call last):
            ...
        ValueError: 'rbf.freq' is missing: this is no state_dict of DimeNet of PyG, which holds emb.lin.weight
    """  # noqa: E501
    plain = not any("lin_down" in name for name in state_dict)
    source = f"DimeNet{'' if plain else '++'} of PyG"
    prefixes = "interaction_blocks.{}.", "", "output_blocks.{}.", "rbf.freq"
    reader = Reader(state_dict, source, *prefixes)
    sizes: dict[str, Any] = reader.sizes("lin_sbf" if plain else "lin_sbf1", "emb.emb")
    given = (num_spherical, sizes["num_spherical"]), (num_blocks, reader.num_layers)
    reader.weights.agree(num_spherical=given[0], num_blocks=given[1])
    if plain:
        sizes["num_bilinear"] = reader.width("lin_sbf")
    else:
        sizes |= _projections(reader)
    settings = act, envelope_exponent, cutoff
    make: type[DimeNet | DimeNetPlusPlus] = DimeNet if plain else DimeNetPlusPlus
    return reader.build(make, names_of_pyg(plain), sizes, settings)


def dimenet_from_dig(
    state_dict: Mapping[str, Tensor],
    *,
    cutoff: float = 5.0,
    envelope_exponent: int = 5,
    act: str = "swish",
    num_spherical: int | None = None,
    num_layers: int | None = None,
) -> DimeNetPlusPlus:
    r"""A :class:`~pyg_equivariant.nn.DimeNetPlusPlus` with the weights of DIG's.

    For ``dig.threedgraph.method.DimeNetPP`` of `Dive into Graphs
    <https://github.com/divelab/DIG>`_, which reads bond angles. Edges beyond the cutoff
    carry nothing here.

    Args:
        state_dict: of DIG's model.
        cutoff: the reference's.
        envelope_exponent: the reference's.
        act: the reference's, by name.
        num_spherical: the reference's; told by the ``state_dict``, like all that
            follow, and compared with it if given.
        num_layers: the reference's.

    Raises:
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the shapes of the weights.

    Example:
        >>> import torch
        >>> from pyg_equivariant.interop import dimenet_from_dig
        >>> dimenet_from_dig({"init_e.lin.weight": torch.zeros(1)})
        Traceback (most recent call last):
            ...
        ValueError: 'emb.dist_emb.freq' is missing: this is no state_dict of DIG's DimeNetPP, which holds init_e.lin.weight
    """  # noqa: E501
    prefixes = "update_es.{}.", "init_v.", "update_vs.{}.", "emb.dist_emb.freq"
    reader = Reader(state_dict, "DIG's DimeNetPP", *prefixes)
    sizes = reader.sizes("lin_sbf1", "init_e.emb") | _projections(reader)
    given = (num_spherical, sizes["num_spherical"]), (num_layers, reader.num_layers)
    reader.weights.agree(num_spherical=given[0], num_layers=given[1])
    sizes |= {"angle": "bond", "up_bias": True}
    settings = act, envelope_exponent, cutoff
    names = names_of_dig(reader.num_layers)
    return reader.build(DimeNetPlusPlus, names, sizes, settings)


def _projections(reader: Reader) -> dict[str, int]:
    return {
        "out_channels": reader.out_channels,
        "int_channels": reader.width("lin_sbf2"),
        "basis_channels": reader.width("lin_sbf1"),
    }
