"""SphereNet, from DIG."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from pyg_equivariant.nn.models.spherenet import SphereNet

from ._directional import Reader, names_of_dig


def spherenet_from_dig(
    state_dict: Mapping[str, Tensor],
    *,
    cutoff: float = 5.0,
    envelope_exponent: int = 5,
    act: str = "swish",
    num_spherical: int | None = None,
    num_layers: int | None = None,
) -> SphereNet:
    r"""A :class:`~pyg_equivariant.nn.SphereNet` with the weights of its authors' code.

    For ``dig.threedgraph.method.SphereNet`` of `Dive into Graphs
    <https://github.com/divelab/DIG>`_. Energies agree where its torsions are what they
    are meant to be: there the torsion of a triplet against itself is 0 or 360 degrees
    by rounding, here it is left out.

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
        >>> from pyg_equivariant.interop import spherenet_from_dig
        >>> spherenet_from_dig({"init_e.lin.weight": torch.zeros(1)})
        Traceback (most recent call last):
            ...
        ValueError: 'emb.dist_emb.freq' is missing: this is no state_dict of DIG's SphereNet, which holds init_e.lin.weight
    """  # noqa: E501
    prefixes = "update_es.{}.", "init_v.", "update_vs.{}.", "emb.dist_emb.freq"
    reader = Reader(state_dict, "DIG's SphereNet", *prefixes)
    sizes = reader.sizes("lin_sbf1", "init_e.emb")
    given = (num_spherical, sizes["num_spherical"]), (num_layers, reader.num_layers)
    reader.weights.agree(num_spherical=given[0], num_layers=given[1])
    basis = tuple(reader.width(f"lin_{name}1") for name in ("rbf", "sbf", "t"))
    sizes |= {"basis_channels": basis, "int_channels": reader.width("lin_sbf2")}
    sizes |= {"out_channels": reader.out_channels, "up_bias": True}
    settings = act, envelope_exponent, cutoff
    return reader.build(SphereNet, names_of_dig(reader.num_layers), sizes, settings)
