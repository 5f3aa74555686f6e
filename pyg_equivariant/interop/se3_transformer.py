"""The SE(3)-Transformer, from its authors' code."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from pyg_equivariant.nn.conv.se3_conv import SE3Conv
from pyg_equivariant.nn.conv.se3_transformer_conv import SE3TransformerConv
from pyg_equivariant.nn.models.se3_transformer import SE3Transformer
from pyg_equivariant.nn.norm_activation import NormActivation
from pyg_equivariant.nn.norm_mlp import NormMLP
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ._placement import build
from ._se3 import SE3Placement, Signs, harmonics
from ._se3_form import find_form
from .e3nn import as_irreps

_SOURCE = "the authors' SE(3)-Transformer"


def se3_transformer_from_reference(
    state_dict: Mapping[str, Tensor],
    irreps_in: IrrepsLike,
    *,
    signs: Signs,
    num_degrees: int = 4,
    edge_dim: int = 0,
    div: float = 4,
    n_heads: int = 1,
    pooling: str = "avg",
    selfint: tuple[str, str] = ("1x1", "att"),
    x_ij: str | None = None,
    num_nlayers: int = 0,
    cutoff: float | None = None,
) -> SE3Transformer:
    """A :class:`~pyg_equivariant.nn.SE3Transformer` with its authors' weights.

    Of the code of `"SE(3)-Transformers: 3D Roto-Translation Equivariant Attention
    Networks" <https://arxiv.org/abs/2006.10503>`_ in `its repository
    <https://github.com/FabianFuchsML/se3-transformer-public>`_: the network for QM9,
    with attention or without it, and that for the N-body problem, whose vectors are in
    ``features.vec`` (``head=None``). The names tell which. Edges are given, with their
    features as ``edge_attr``; forces go through harmonics and distances.

    Args:
        state_dict: of the authors' module.
        irreps_in: what atoms begin with, as even irreps: ``"6x0e"`` for QM9, ``"1x1e"``
            for the velocities of the N-body problem.
        signs: as in :func:`se3_conv_from_reference`.
        num_degrees: the network's.
        edge_dim: the network's.
        div: the network's.
        n_heads: the network's.
        pooling: the network's, ``"avg"`` or ``"max"``.
        selfint: the N-body network's, in its middle and at its end.
        x_ij: the N-body network's.
        num_nlayers: the network's without attention.
        cutoff: of edges that are not given; ``None`` joins all pairs.

    Raises:
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the weights.
    """
    weights = SE3Placement(state_dict, signs, _SOURCE)
    form = find_form(weights)
    if pooling not in ("avg", "max"):
        raise ValueError(f"pooling is 'avg' or 'max', got {pooling!r}")
    hidden = form.hidden(num_degrees)
    attends = form.last_attends
    model = build(
        _any(state_dict),
        SE3Transformer,
        num_layers=form.num_layers,
        num_heads=n_heads,
        div=div,
        cutoff=cutoff,
        attention=form.attention,
        self_interaction=mixing(selfint[0]) if form.attention else "linear",
        x_ij=x_ij,
        norm="bias" if form.biases else "layer",
        norm_layers=num_nlayers,
        norm_eps=0.0,
        last=mixing(selfint[1]) if attends else "convolution",
        edge_dim=edge_dim,
        irreps_in=_even(irreps_in),
        irreps_hidden=hidden,
        irreps_pool="2x1e" if attends else form.pooled(hidden),
        head={"avg": "mean", "max": "max"}[pooling] if form.head else None,
    )
    form.fill(model)
    return weights.finish(model, form.names())


def se3_conv_from_reference(
    state_dict: Mapping[str, Tensor],
    irreps_in: IrrepsLike,
    irreps_out: IrrepsLike,
    *,
    signs: Signs,
    edge_dim: int = 0,
    self_interaction: bool = True,
    flavor: str = "skip",
) -> SE3Conv:
    """A :class:`~pyg_equivariant.nn.SE3Conv` from a ``GConvSE3``.

    Of the code of `"SE(3)-Transformers: 3D Roto-Translation Equivariant Attention
    Networks" <https://arxiv.org/abs/2006.10503>`_. It takes harmonics of normalization
    ``"integral"``, and as ``edge_attr`` the features of edges with the distance last.

    Args:
        state_dict: of the authors' module.
        irreps_in: the module's degrees and channels, as even irreps: ``"8x0e+8x1e"``.
        irreps_out: likewise.
        signs: for every ``"l_in,l_out,J"`` the sign of the intertwiner that the
            authors' code finds numerically, beside
            :func:`~pyg_equivariant.o3.clebsch_gordan` of ``(l_out, l_in, J)``; 1 for
            those that are left out.
        edge_dim: the module's, without the distance.
        self_interaction: the module's.
        flavor: the module's, ``"skip"`` or ``"TFN"``.

    Raises:
        ValueError: naming what could not be placed, or what is missing.

    Example:
        >>> import torch
        >>> sizes = {"0.weight": (32, 1), "3.weight": (32, 32), "6.weight": (8, 32)}
        >>> sizes |= {f"{k}.bias": (32,) for k in ("0", "1.bn", "3", "4.bn")}
        >>> sizes |= {"1.bn.weight": (32,), "4.bn.weight": (32,), "6.bias": (8,)}
        >>> net = "kernel_unary.(0,0).rp.net."
        >>> state_dict = {net + k: torch.randn(v) for k, v in sizes.items()}
        >>> state_dict["kernel_self.0"] = torch.randn(1, 2, 4)
        >>> se3_conv_from_reference(state_dict, "4x0e", "2x0e", signs={"0,0,0": 1})
        SE3Conv(4x0e -> 2x0e, irreps_sh=1x0e, edge_dim=1)
    """
    irreps_in, irreps_out = _even(irreps_in), _even(irreps_out)
    if flavor not in ("skip", "TFN"):
        raise ValueError(f"flavor is 'skip' or 'TFN', got {flavor!r}")
    weights = SE3Placement(state_dict, signs, "GConvSE3")
    module = build(
        _any(state_dict),
        SE3Conv,
        irreps_in,
        harmonics(irreps_in, irreps_out),
        irreps_out,
        edge_dim + 1,
        self_interaction=flavor.lower() if self_interaction else None,
    )
    weights.conv("", module)
    return weights.finish(module, {})


def se3_transformer_conv_from_reference(
    state_dict: Mapping[str, Tensor],
    irreps_in: IrrepsLike,
    irreps_out: IrrepsLike,
    *,
    signs: Signs,
    edge_dim: int = 0,
    div: float = 4,
    n_heads: int = 1,
    skip: str | None = "cat",
    selfint: str = "1x1",
    x_ij: str | None = None,
) -> SE3TransformerConv:
    """A :class:`~pyg_equivariant.nn.SE3TransformerConv` from a ``GSE3Res``.

    Args:
        state_dict: of the authors' module.
        irreps_in: as in :func:`se3_conv_from_reference`.
        irreps_out: likewise.
        signs: likewise.
        edge_dim: likewise.
        div: the module's.
        n_heads: the module's.
        skip: the module's, ``"cat"``, ``"sum"`` or ``None``.
        selfint: the module's, ``"1x1"`` or ``"att"``.
        x_ij: the module's, ``"cat"``, ``"add"`` or ``None``.

    Raises:
        ValueError: naming what could not be placed, or what is missing.
    """
    irreps_in, irreps_out = _even(irreps_in), _even(irreps_out)
    weights = SE3Placement(state_dict, signs, "GSE3Res")
    module = build(
        _any(state_dict),
        SE3TransformerConv,
        irreps_in,
        harmonics(irreps_in if x_ij is None else irreps_in + "1x1e", irreps_out),
        irreps_out,
        edge_dim + 1,
        num_heads=n_heads,
        div=div,
        skip=skip,
        self_interaction=mixing(selfint) if skip == "cat" else "linear",
        x_ij=x_ij,
    )
    weights.attention("", module)
    return weights.finish(module, {})


def norm_mlp_from_reference(
    state_dict: Mapping[str, Tensor], irreps: IrrepsLike, num_layers: int = 0
) -> NormMLP:
    """A :class:`~pyg_equivariant.nn.NormMLP` from a ``GNormSE3`` with ReLU.

    Args:
        state_dict: of the authors' module.
        irreps: as in :func:`se3_conv_from_reference`.
        num_layers: the module's.

    Raises:
        ValueError: naming what could not be placed, or what is missing.

    Example:
        >>> import torch
        >>> parts = {"weight": torch.ones(4), "bias": torch.zeros(4)}
        >>> state_dict = {f"transform.0.0.bn.{k}": v for k, v in parts.items()}
        >>> norm_mlp_from_reference(state_dict, "4x0e")
        NormMLP(4x0e, num_layers=0)
    """
    weights = SE3Placement(state_dict, {}, "GNormSE3")
    module = build(_any(state_dict), NormMLP, _even(irreps), num_layers, eps=0.0)
    weights.norm("", module)
    return weights.finish(module, {})


def norm_activation_from_reference(
    state_dict: Mapping[str, Tensor], irreps: IrrepsLike
) -> NormActivation:
    """A :class:`~pyg_equivariant.nn.NormActivation` from a ``GNormBias`` with ReLU.

    Args:
        state_dict: of the authors' module.
        irreps: as in :func:`se3_conv_from_reference`.

    Raises:
        ValueError: naming what could not be placed, or what is missing.

    Example:
        >>> import torch
        >>> norm_activation_from_reference({"bias.0": torch.ones(1, 4)}, "4x0e")
        NormActivation(4x0e, act=relu)
    """
    weights = SE3Placement(state_dict, {}, "GNormBias")
    like, irreps = _any(state_dict), _even(irreps)
    module = build(like, NormActivation, irreps, "relu", eps=0.0, scalars=True)
    weights.norm("", module)
    return weights.finish(module, {})


def mixing(selfint: str) -> str:
    """The authors' name of a self-interaction, as it is called here."""
    names = {"1x1": "linear", "att": "attentive"}
    if selfint not in names:
        raise ValueError(f"selfint is '1x1' or 'att', got {selfint!r}")
    return names[selfint]


def _even(irreps: IrrepsLike) -> Irreps:
    """Irreps of rotations, each degree once."""
    irreps = as_irreps(irreps)
    degrees = [ir.l for _, ir in irreps]
    if any(ir.p != 1 for _, ir in irreps) or len(set(degrees)) < len(degrees):
        raise ValueError(
            "the authors' degrees are even irreps here, each once, such as "
            f"8x0e+8x1e+8x2e; got {irreps}"
        )
    return irreps


def _any(state_dict: Mapping[str, Tensor]) -> Tensor:
    """A tensor whose dtype and device are those of all."""
    for value in state_dict.values():
        return value
    raise ValueError(f"the state_dict of {_SOURCE} is empty")
