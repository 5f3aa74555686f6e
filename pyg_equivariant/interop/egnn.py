"""EGNN, from its authors' code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from pyg_equivariant.nn.conv.egnn_conv import EGNNConv
from pyg_equivariant.nn.models.egnn import EGNN
from pyg_equivariant.nn.models.heads import ScalarHead

from ._placement import Placement, build


class _Layer(NamedTuple):
    """What the shapes of one ``E_GCL`` tell."""

    in_channels: int
    hidden_channels: int
    out_channels: int
    edge_dim: int
    attention: bool
    update_pos: bool
    velocity: bool


def egnn_from_reference(
    state_dict: Mapping[str, Tensor],
    *,
    tanh: bool = False,
    normalize: bool = False,
    coords_agg: str = "mean",
    residual: bool = True,
    clamp: float | None = None,
    act_fn: str | Callable[[Tensor], Tensor] = "silu",
    cutoff: float | None = None,
    species: tuple[int, ...] | None = None,
    charge_power: int = 2,
    attention: bool | None = None,
    hidden_nf: int | None = None,
    in_edge_nf: int | None = None,
    n_layers: int | None = None,
) -> EGNN | EGNNConv:
    r"""An :class:`~pyg_equivariant.nn.EGNN`, or a layer, with the authors' weights.

    For the code of `"E(n) Equivariant Graph Neural Networks"
    <https://arxiv.org/abs/2102.09844>`_ in `its repository
    <https://github.com/vgsatorras/egnn>`_. The names tell which module it is:

    - ``edge_mlp.*``, ``node_mlp.*``: one layer, ``E_GCL`` or ``E_GCL_vel``, which
      becomes an :class:`~pyg_equivariant.nn.EGNNConv`.
    - ``embedding_in.*``, ``embedding_out.*``: ``EGNN`` of ``models/egnn_clean``. The
      model that comes back has no head and gives
      :class:`~pyg_equivariant.nn.models.Features`: ``x`` is the reference's first
      result, ``pos`` its second.
    - ``embedding.*``, ``gcl_0.coord_mlp.*``: a model of the N-body experiment, which
      gives positions, with velocities if there is ``gcl_0.coord_mlp_vel.*``.
    - ``embedding.*``, ``node_dec.*``, ``graph_dec.*``: the model of QM9, which gives
      one number for every graph.

    The reference gathers messages at ``edges[0]``; ours arrive at ``edge_index[1]``, so
    ``edge_index`` is the reference's ``edges`` with the rows swapped. The code of the
    experiments clips displacements at 100 component by component, to guard against
    explosions; that breaks equivariance and is left out.

    Args:
        state_dict: of the authors' module.
        tanh: the reference's.
        normalize: the reference's, of ``egnn_clean``.
        coords_agg: the reference's, ``"mean"`` or ``"sum"``.
        residual: the reference's, called ``recurrent`` in ``models/gcl.py``.
        clamp: the largest length of a displacement, see
            :class:`~pyg_equivariant.nn.EGNNConv`; ``None`` for any.
        act_fn: the activation of all networks, by name or as a function.
        cutoff: radius within which a model joins atoms if it gets no edges; ``None``
            joins all pairs.
        species: atomic numbers behind the one-hot input, in its order, for a model that
            is called with atomic numbers; ``None`` for one that is called with
            features.
        charge_power: highest power of the charge in the input, with ``species``.
        attention: the reference's; told by the ``state_dict``, like all that follow,
            and compared with it if given.
        hidden_nf: the reference's.
        in_edge_nf: the reference's, called ``edges_in_d`` in layers.
        n_layers: the reference's.

    Returns:
        The model or layer in evaluation mode, in the dtype and on the device of the
        weights.

    Raises:
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the shapes of the weights. Node attributes besides the features
            are not known here.

    Example:
        >>> import torch
        >>> sizes = {"edge_mlp.0": (8, 9), "edge_mlp.2": (8, 8), "coord_mlp.0": (8, 8)}
        >>> sizes |= {"node_mlp.0": (8, 12), "node_mlp.2": (4, 8)}
        >>> state_dict = {"coord_mlp.2.weight": torch.randn(1, 8)}
        >>> for name, size in sizes.items():
        ...     state_dict[f"{name}.weight"] = torch.randn(size)
        ...     state_dict[f"{name}.bias"] = torch.zeros(size[0])
        >>> egnn_from_reference(state_dict)
        EGNNConv(4, 8, 4, edge_dim=0)
    """
    weights = Placement(state_dict, "the authors' EGNN")
    single = "edge_mlp.0.weight" in weights
    stem = "" if single else "gcl_0."
    layer = _layer(weights, stem, None if single else _width(weights))
    num_layers = 1 if single else weights.count("gcl_")
    weights.agree(
        attention=(attention, layer.attention),
        hidden_nf=(hidden_nf, layer.hidden_channels),
        in_edge_nf=(in_edge_nf, layer.edge_dim),
        n_layers=(n_layers, num_layers),
    )
    options: dict[str, Any] = {
        "tanh": tanh,
        "normalize": normalize,
        "pos_aggr": coords_agg,
        "residual": residual,
        "clamp": clamp,
        "act": act_fn,
    }
    model: EGNN | EGNNConv
    if single:
        like = weights.tensors["edge_mlp.0.weight"]
        model = build(lambda: EGNNConv(**layer._asdict(), **options), like)
        _place_layer(weights, "", model)
    else:
        options |= {"cutoff": cutoff, "num_layers": num_layers}
        if species is not None:
            options |= {"species": tuple(species), "charge_power": charge_power}
        model = _model(weights, layer, species is None, options)
    weights.finish(model)
    return model


def _width(weights: Placement) -> int:
    """The number of features between the layers of a model."""
    embedding = "embedding_in" if "embedding_in.weight" in weights else "embedding"
    return weights.shape(f"{embedding}.weight", 2)[0]


def _layer(weights: Placement, stem: str, width: int | None) -> _Layer:
    hidden, edge_in = weights.shape(f"{stem}edge_mlp.0.weight", 2)
    node_in = weights.shape(f"{stem}node_mlp.0.weight", 2)[1]
    channels = node_in - hidden if width is None else width
    if node_in != channels + hidden:
        raise ValueError(
            f"{stem}node_mlp reads {node_in} numbers, of which {channels} are features "
            f"and {hidden} messages: the rest are node attributes (node_attr), which "
            "are not supported; use a reference with node_attr=0"
        )
    edge_dim = edge_in - 2 * channels - 1
    if edge_dim < 0:
        raise ValueError(
            f"{stem}edge_mlp reads {edge_in} numbers, fewer than twice {channels} "
            "features and a distance: this is no state_dict of the authors' E_GCL"
        )
    return _Layer(
        channels,
        hidden,
        weights.shape(f"{stem}node_mlp.2.weight", 2)[0],
        edge_dim,
        attention=f"{stem}att_mlp.0.weight" in weights,
        update_pos=f"{stem}coord_mlp.0.weight" in weights,
        velocity=f"{stem}coord_mlp_vel.0.weight" in weights,
    )


def _model(
    weights: Placement, layer: _Layer, takes_features: bool, options: dict[str, Any]
) -> EGNN:
    hidden = layer.hidden_channels
    clean = "embedding_in.weight" in weights
    embedding = "embedding_in" if clean else "embedding"
    of_graphs = "graph_dec.0.weight" in weights
    options |= {"head": None if clean else "sum" if of_graphs else "pos"}
    if takes_features:
        options |= {"in_channels": weights.shape(f"{embedding}.weight", 2)[1]}
    if clean:
        options |= {"out_channels": weights.shape("embedding_out.weight", 2)[0]}

    def make() -> EGNN:
        return EGNN(
            hidden,
            attention=layer.attention,
            update_pos=layer.update_pos,
            velocity=layer.velocity,
            edge_dim=layer.edge_dim,
            **options,
        )

    model = build(make, weights.tensors[f"{embedding}.weight"])
    weights.linear(embedding, model.embedding)
    for k, conv in enumerate(model.convs):
        _place_layer(weights, f"gcl_{k}.", conv)
    if model.out is not None:
        weights.linear("embedding_out", model.out)
    if isinstance(model.head, ScalarHead):
        head: Any = model.head
        weights.mlp(["node_dec.0", "node_dec.2"], head.pre)
        weights.mlp(["graph_dec.0", "graph_dec.2"], head.post)
    return model


def _place_layer(weights: Placement, stem: str, conv: Any) -> None:
    weights.mlp([f"{stem}edge_mlp.0", f"{stem}edge_mlp.2"], conv.phi_e)
    weights.mlp([f"{stem}node_mlp.0", f"{stem}node_mlp.2"], conv.phi_h)
    if conv.phi_x is not None:
        weights.mlp([f"{stem}coord_mlp.0"], conv.phi_x)
        weights.linear(f"{stem}coord_mlp.2", conv.lin_x)
    if conv.phi_v is not None:
        weights.mlp([f"{stem}coord_mlp_vel.0", f"{stem}coord_mlp_vel.2"], conv.phi_v)
    if conv.gate is not None:
        weights.linear(f"{stem}att_mlp.0", conv.gate)
