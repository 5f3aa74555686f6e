"""Allegro, from its authors' code."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from pyg_equivariant.nn.conv.allegro_conv import AllegroConv
from pyg_equivariant.nn.models.allegro import Allegro

from ._allegro_forms import AllegroReader, find_reader
from ._placement import Placement, build, replace_constants
from ._signs import sign_before_e3nn_05
from ._versions import numbers_of, was_trained

_PARITY = {"o3_full": True, "o3_restricted": False, "so3": None}


def allegro_from_reference(
    state_dict: Mapping[str, Tensor] | Module,
    *,
    r_max: float,
    l_max: int,
    species: Sequence[int],
    avg_num_neighbors: float | Sequence[float] | None,
    parity: bool | str = True,
    linear: Collection[str] | None = None,
    latent_resnet: bool = True,
    polynomial_cutoff_p: int = 6,
    bessel_trainable: bool | None = None,
    num_layers: int | None = None,
    version: str | None = None,
    e3nn_version: str = "0.5",
) -> Allegro:
    r"""An :class:`~pyg_equivariant.nn.Allegro` with the weights of its authors' code.

    For the code of `"Learning local equivariant representations for large-scale
    atomistic dynamics" <https://arxiv.org/abs/2204.05249>`_ in `its repository
    <https://github.com/mir-group/allegro>`_, in two forms that the names tell apart:

    - ``allegro.first_layer_env_embed_projection.*``: version 0.4 or later
      (``AllegroModel`` with ``TwoBodyBesselScalarEmbed``).
    - ``allegro.final_latent.*``: version 0.2, the published network.

    Scales and shifts of the species become ``scale`` and ``atomref``; features are in
    this library's order, and the published activations have e3nn's constants. What is
    learned besides, such as a ZBL term or scales of pairs of species, has no place here
    and is named.

    Args:
        state_dict: of the authors' module, or the module.
        r_max: the reference's cutoff.
        l_max: the reference's.
        species: the atomic numbers of its ``type_names``, in their order.
        avg_num_neighbors: the reference's, ``None`` for no normalization; one for each
            type in the order of ``species``, or one for all.
        parity: the reference's, ``True`` or ``False``, or in version 0.2
            ``"o3_full"``, ``"o3_restricted"`` or ``"so3"``.
        linear: the networks whose ``nonlinearity`` is ``None`` there, see
            :class:`~pyg_equivariant.nn.Allegro` (default: told by the ``state_dict``;
            of version 0.2, whose names do not tell, ``"weights"`` and ``"readout"``).
        latent_resnet: the reference's, of version 0.2.
        polynomial_cutoff_p: the reference's.
        bessel_trainable: whether to train the Bessel functions further (default: if
            their frequencies are not those of the start).
        num_layers: the reference's; told by the ``state_dict``, and compared with it if
            given.
        version: of the authors' package that made the weights, if known. Weights of
            0.3, which are neither form, are refused.
        e3nn_version: that the weights were trained with. Before 0.5 the couplings of
            some degrees, such as 1, 2 and 2, had the other sign.

    Raises:
        TypeError: if ``avg_num_neighbors`` is a mapping: give its numbers in the order
            of ``species``.
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the weights.

    Example:
        >>> from pyg_equivariant.nn import Allegro
        >>> sizes = {"allegro.first_layer_env_embed_projection.mlp.0": (8, 8 + 6)}
        >>> sizes["radial_chemical_embed.type_embed.center_embed"] = (2, 4)
        >>> sizes["radial_chemical_embed.type_embed.neighbor_embed"] = (2, 4)
        >>> sizes["radial_chemical_embed.type_embed.basis_linear.mlp.0"] = (8, 8)
        >>> sizes["scalar_embed_mlp.mlp_module.mlp.0"] = (8, 8)
        >>> sizes["tensor_embed.env_embed_linear.mlp.0"] = (8, 6)
        >>> sizes["allegro.latents.0.mlp.0"] = (8 + 3, 8)
        >>> sizes["edge_readout.mlp_module.mlp.0"] = (16, 1)
        >>> state_dict = {f"{k}.weight": torch.randn(v) for k, v in sizes.items()}
        >>> state_dict["allegro.tps.0.weights"] = torch.randn(3, 2)
        >>> bessel = torch.arange(1.0, 9.0).unsqueeze(0)
        >>> state_dict["radial_chemical_embed.bessel_encode.bessel_weights"] = bessel
        >>> allegro_from_reference(
        ...     state_dict, r_max=5.0, l_max=1, species=(1, 8), avg_num_neighbors=9.5
        ... )
        Allegro(8, tensor_channels=3, lmax=1, num_layers=1, cutoff=5.0)
    """
    if isinstance(avg_num_neighbors, Mapping):
        raise TypeError(
            "avg_num_neighbors is one number, or one for each of species in their "
            f"order, got a mapping: {avg_num_neighbors}"
        )
    if isinstance(state_dict, Module):
        state_dict = state_dict.state_dict()
    weights = Placement(state_dict, "the authors' Allegro")
    reader = find_reader(weights, species, l_max)
    _check_version(version, reader.published)
    reader.check(r_max, avg_num_neighbors, num_layers)
    frequency = reader.frequency()
    if bessel_trainable is None:
        bessel_trainable = was_trained(frequency)
    scale, atomref = reader.units()
    sizes = reader.sizes
    if not latent_resnet:
        sizes = {**sizes, "residual": None}
    model = build(
        reader.like,
        Allegro,
        lmax=l_max,
        num_radial=len(frequency),
        cutoff=float(r_max),
        parity=_parity(parity, reader.published),
        linear=_linear(reader) if linear is None else tuple(linear),
        envelope_exponent=polynomial_cutoff_p,
        trainable_radial=bessel_trainable,
        avg_num_neighbors=avg_num_neighbors or 1.0,
        published=reader.published,
        e3nn_constants=True,
        species=tuple(species),
        scale=1.0 if scale is None else scale,
        atomref=atomref,
        **sizes,
    )
    _place_basis(weights, reader, model, frequency)
    model = weights.finish(model, reader.names(model))
    if numbers_of(e3nn_version) < (0, 5):
        _turn_signs(model)
    return model


def _linear(reader: AllegroReader) -> tuple[str, ...] | None:
    """Networks without activations, as the names tell; ``None`` where they do not."""
    return None if reader.linear is None else tuple(sorted(reader.linear))


def _parity(parity: bool | str, published: bool) -> bool | None:
    """What our network calls it."""
    if isinstance(parity, bool):
        return parity
    if parity not in _PARITY or not published:
        kinds = f"one of {', '.join(_PARITY)}" if published else "True or False"
        raise ValueError(f"parity of this version is {kinds}, got {parity!r}")
    return _PARITY[parity]


def _check_version(version: str | None, published: bool) -> None:
    """Refuse a version whose network is neither form, or of other names."""
    if version is None:
        return
    numbers = numbers_of(version)
    if numbers == (0, 3):
        raise ValueError(
            f"allegro {version} is a network between the two that are known here, with "
            "another residual and environments without the edge itself; its weights "
            "do not fit: train them anew with 0.4 or later"
        )
    if (numbers < (0, 3)) != published:
        found = "0.2" if published else "0.4 or later"
        raise ValueError(
            f"got version={version}, but the names in this state_dict are those of "
            f"allegro {found}"
        )


def _place_basis(
    weights: Placement, reader: AllegroReader, model: Allegro, frequency: Tensor
) -> None:
    """The frequencies, and the constants of functions that are normalized."""
    basis: Any = model.edges.basis
    if reader.published:
        replace_constants(basis, reader.constants())
        basis = basis.bessel
    if basis.trainable:
        weights.fill(basis.frequency, frequency, "bessel_weights")
    else:
        replace_constants(basis, {"frequency": frequency.cpu().double()})


@torch.no_grad()
def _turn_signs(model: Allegro) -> None:
    """Give the weights of a path the sign that its couplings had in e3nn 0.4."""
    for conv in model.convs:
        product = conv.product.product
        for n, path in enumerate(product.paths):
            degrees = [block.ir.l for block in product.blocks(path)]
            sign = sign_before_e3nn_05(*degrees)
            if conv.weight is not None:
                conv.weight[n] *= sign
            else:
                _turn(conv, n, sign)


def _turn(conv: AllegroConv, path: int, sign: int) -> None:
    """The block of a linear map that takes one path."""
    assert conv.mix is not None
    start = path * conv.channels**2
    conv.mix.weight[start : start + conv.channels**2] *= sign
