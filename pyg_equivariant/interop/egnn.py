"""EGNN, from its authors' code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from pyg_equivariant.nn.conv.egnn_conv import EGNNConv
from pyg_equivariant.nn.models.egnn import EGNN

from ._placement import Placement, build, within

_LAYER = {
    "phi_e.linears.0": "edge_mlp.0",
    "phi_e.linears.1": "edge_mlp.2",
    "phi_h.linears.0": "node_mlp.0",
    "phi_h.linears.1": "node_mlp.2",
    "phi_x.linears.0": "coord_mlp.0",
    "lin_x": "coord_mlp.2",
    "phi_v.linears.0": "coord_mlp_vel.0",
    "phi_v.linears.1": "coord_mlp_vel.2",
    "gate": "att_mlp.0",
}
_MODEL = within("convs.{}.", "gcl_{}.", _LAYER) | {
    "embedding": "embedding",
    "head.pre.linears.0": "node_dec.0",
    "head.pre.linears.1": "node_dec.2",
    "head.post.linears.0": "graph_dec.0",
    "head.post.linears.1": "graph_dec.2",
}
_CLEAN = _MODEL | {"embedding": "embedding_in", "out": "embedding_out"}


def egnn_from_reference(
    state_dict: Mapping[str, Tensor],
    *,
    tanh: bool = False,
    normalize: bool = False,
    norm_diff: bool = False,
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
        norm_diff: the reference's, of ``models/gcl.py``.
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
    names = _CLEAN if "embedding_in.weight" in weights else _MODEL
    first = "edge_mlp.0.weight" if single else f"{names['embedding']}.weight"
    width = None if single else weights.shape(first, 2)[0]
    sizes = _sizes(weights, "" if single else "gcl_0.", width)
    num_layers = 1 if single else weights.count("gcl_")
    weights.agree(
        attention=(attention, sizes["attention"]),
        hidden_nf=(hidden_nf, sizes["hidden_channels"]),
        in_edge_nf=(in_edge_nf, sizes["edge_dim"]),
        n_layers=(n_layers, num_layers),
    )
    options = sizes | {
        "tanh": tanh,
        "normalize": normalize,
        "norm_diff": norm_diff,
        "pos_aggr": coords_agg,
        "residual": residual,
        "clamp": clamp,
        "act": act_fn,
    }
    model: EGNN | EGNNConv
    if single:
        model = build(weights.tensors[first], EGNNConv, **options)
    else:
        options |= {"num_layers": num_layers, "cutoff": cutoff} | _ends(weights, first)
        if species is not None:
            options |= {"species": tuple(species), "charge_power": charge_power}
            options |= {"in_channels": None}
        model = build(weights.tensors[first], EGNN, **options)
    return weights.finish(model, _LAYER if single else names)


def _sizes(weights: Placement, stem: str, width: int | None) -> dict[str, Any]:
    """What the shapes of one ``E_GCL`` tell."""
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
    return {
        "in_channels": channels,
        "hidden_channels": hidden,
        "out_channels": weights.shape(f"{stem}node_mlp.2.weight", 2)[0],
        "edge_dim": edge_dim,
        "attention": f"{stem}att_mlp.0.weight" in weights,
        "update_pos": f"{stem}coord_mlp.0.weight" in weights,
        "velocity": f"{stem}coord_mlp_vel.0.weight" in weights,
    }


def _ends(weights: Placement, embedding: str) -> dict[str, Any]:
    """What the first and the last layers of a model tell."""
    clean = "embedding_in.weight" in weights
    of_graphs = "graph_dec.0.weight" in weights
    return {
        "in_channels": weights.shape(embedding, 2)[1],
        "out_channels": weights.shape("embedding_out.weight", 2)[0] if clean else None,
        "head": None if clean else "sum" if of_graphs else "pos",
    }
