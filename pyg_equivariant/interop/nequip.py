"""NequIP, from its authors' code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.models.nequip import NequIP

from ._nequip_forms import find_reader
from ._placement import Placement, build, replace_constants
from ._signs import sign_before_e3nn_05
from ._versions import numbers_of, was_trained


def nequip_from_reference(
    state_dict: Mapping[str, Tensor],
    *,
    r_max: float,
    l_max: int,
    species: Sequence[int],
    avg_num_neighbors: float | None,
    parity: bool = True,
    num_features: int | Sequence[int] | None = None,
    polynomial_cutoff_p: int = 6,
    bessel_trainable: bool | None = None,
    num_layers: int | None = None,
    version: str | None = None,
    e3nn_version: str = "0.5",
) -> NequIP:
    r"""A :class:`~pyg_equivariant.nn.NequIP` with the weights of its authors' code.

    For the code of `"E(3)-equivariant graph neural networks for data-efficient and
    accurate interatomic potentials" <https://arxiv.org/abs/2101.03164>`_ in `its
    repository <https://github.com/mir-group/nequip>`_, in two forms that the names tell
    apart:

    - ``type_embed.*``: version 0.16 or later (``NequIPGNNModel``).
    - ``chemical_embedding.*``: version 0.5 or 0.6, the published network.

    Scales and shifts of the species become ``scale`` and ``atomref``; features are in
    this library's order, and the activations have e3nn's constants. What is learned
    besides, such as a ZBL term, has no place here and is named.

    Args:
        state_dict: of the authors' module.
        r_max: the reference's cutoff.
        l_max: the reference's.
        species: the atomic numbers of its ``type_names``, in their order.
        avg_num_neighbors: the reference's, ``None`` for no normalization. One for each
            type is not known here.
        parity: the reference's.
        num_features: the reference's, one number or one for each degree (default: as
            many of every degree as there are scalars).
        polynomial_cutoff_p: the reference's.
        bessel_trainable: whether to train the Bessel functions further (default: if
            their frequencies are not those of the start).
        num_layers: the reference's; told by the ``state_dict``, and compared with it if
            given.
        version: of the authors' package that made the weights, if known. Weights of
            0.7 to 0.15, whose irreps have another order, are refused: load them there
            and save them with 0.16.
        e3nn_version: that the weights were trained with. Before 0.5 the couplings of
            some degrees, such as 1, 2 and 2, had the other sign.

    Raises:
        TypeError: if ``avg_num_neighbors`` is not one number.
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the weights.

    Example:
        >>> from pyg_equivariant.nn import NequIP
        >>> sizes = {"type_embed.embed_module": (2, 4)}
        >>> sizes["bessel_encode.bessel"] = (1, 8)
        >>> sizes["layer0_convnet.conv.linear_1"] = (16,)
        >>> sizes["layer0_convnet.conv.edge_mlp.mlp.0"] = (8, 6)
        >>> sizes["layer0_convnet.conv.edge_mlp.mlp.2"] = (6, 4)
        >>> sizes["layer0_convnet.conv.linear_2"] = (16,)
        >>> sizes["per_atom_energy_readout.mlp_module.mlp.0"] = (4, 1)
        >>> state_dict = {f"{k}.weight": torch.randn(v) for k, v in sizes.items()}
        >>> bessel = state_dict.pop("bessel_encode.bessel.weight")
        >>> state_dict["bessel_encode.bessel_weights"] = bessel
        >>> nequip_from_reference(
        ...     state_dict, r_max=5.0, l_max=1, species=(1, 8), avg_num_neighbors=9.5
        ... )
        NequIP(4x0e+4x0o+4x1e+4x1o, num_layers=1, num_radial=8, cutoff=5.0)
    """
    if avg_num_neighbors is not None and isinstance(avg_num_neighbors, Mapping):
        raise TypeError(
            "avg_num_neighbors is one number or None here, got one for each type: "
            f"{avg_num_neighbors}"
        )
    weights = Placement(state_dict, "the authors' NequIP")
    reader = find_reader(weights, species)
    _check_version(version, reader.published)
    weights.agree(num_layers=(num_layers, reader.num_layers))
    reader.check_cutoff(r_max)
    frequency = reader.frequency()
    if bessel_trainable is None:
        bessel_trainable = was_trained(frequency)
    scale, atomref = reader.units()
    model = build(
        reader.like,
        NequIP,
        reader.scalars if num_features is None else num_features,
        l_max,
        reader.num_layers,
        len(frequency),
        float(r_max),
        parity,
        radial_channels=reader.radial_channels(),
        readout_channels=reader.readout_channels(),
        embedding_channels=reader.vector,
        envelope_exponent=polynomial_cutoff_p,
        trainable_radial=bessel_trainable,
        avg_num_neighbors=avg_num_neighbors or 1.0,
        published=reader.published,
        e3nn_constants=True,
        species=tuple(species),
        scale=1.0 if scale is None else scale,
        atomref=atomref,
    )
    basis: Any = model.edges.basis
    if bessel_trainable:
        weights.fill(basis.frequency, frequency, "bessel_weights")
    else:
        replace_constants(basis, {"frequency": frequency.cpu().double()})
    model = weights.finish(model, reader.names(model))
    if numbers_of(e3nn_version) < (0, 5):
        _turn_signs(model)
    return model


def _check_version(version: str | None, published: bool) -> None:
    """Refuse a version whose weights have another order, or other names."""
    if version is None:
        return
    numbers = numbers_of(version)
    if (0, 7) <= numbers < (0, 16):
        raise ValueError(
            f"nequip {version} orders irreps by parity before degree; its weights do "
            "not say so, and would be taken for others: load them there, and save them "
            "with nequip 0.16 or later"
        )
    if (numbers < (0, 7)) != published:
        found = "0.6 or earlier" if published else "0.16 or later"
        raise ValueError(
            f"got version={version}, but the names in this state_dict are those of "
            f"nequip {found}"
        )


@torch.no_grad()
def _turn_signs(model: NequIP) -> None:
    """Give the weights of a path the sign that its couplings had in e3nn 0.4."""
    for conv in model.convs:
        radial: Any = conv.radial
        product = conv.tp.product
        for path, part in zip(product.paths, product.weight_slices, strict=True):
            degrees = [block.ir.l for block in product.blocks(path)]
            radial.weights[-1][:, part] *= sign_before_e3nn_05(*degrees)
