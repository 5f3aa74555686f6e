"""SEGNN, from its authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.conv.segnn_conv import SEGNNConv
from pyg_equivariant.nn.mlp import MLP
from pyg_equivariant.nn.models.heads import Head, ScalarHead
from pyg_equivariant.nn.models.segnn import SEGNN
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ._placement import build, within
from ._steerable import SteerablePlacement, check_gate
from .e3nn import as_irreps

_LAYER = {
    "phi_m.linears.0": "message_layer_1",
    "phi_m.linears.1": "message_layer_2",
    "phi_x.linears.0": "update_layer_1",
    "phi_x.linears.1": "update_layer_2",
}
_LINEAR_LAYER = {"phi_m.linears.0": "message_layer"}
_ENDS = {
    "embedding": "embedding_layer",
    "norms.{}": "layers.{}.feature_norm",
    "pre_pool.linears.0": "pre_pool1",
    "pre_pool.linears.1": "pre_pool2",
    "head.post.linears.0": "post_pool1",
    "head.post.linears.1": "post_pool2",
}


def segnn_from_reference(
    state_dict: Mapping[str, Tensor],
    *,
    hidden_irreps: IrrepsLike,
    edge_attr_irreps: IrrepsLike,
    input_irreps: IrrepsLike | None = None,
    output_irreps: IrrepsLike | None = None,
    node_attr_irreps: IrrepsLike | None = None,
    additional_message_irreps: IrrepsLike | None = None,
    pool: str = "avg",
    cutoff: float | None = None,
    normalization: str = "component",
    distance: str = "squared",
    path_normalization: str = "element",
    num_layers: int | None = None,
    norm: str | None = None,
    task: str | None = None,
) -> SEGNN | SEGNNConv:
    r"""A :class:`~pyg_equivariant.nn.SEGNN`, or a layer, with the authors' weights.

    For the code of `"Geometric and Physical Quantities Improve E(3) Equivariant Message
    Passing" <https://arxiv.org/abs/2110.02905>`_ in `its repository
    <https://github.com/RobDHess/Steerable-E3-GNN>`_, with e3nn 0.4 or later. The names
    tell which module it is:

    - ``message_layer_1.*``, ``update_layer_1.*``: one ``SEGNNLayer`` (or
      ``SEConvLayer``), which becomes a :class:`~pyg_equivariant.nn.SEGNNConv`.
    - ``embedding_layer.*``, ``layers.*``: the model ``SEGNN``, or ``SEConv`` with its
      linear or non-linear messages.

    The model that comes back makes the attributes of edges and nodes itself; it is
    called as ``model(x, pos, batch, edge_index)``, with what else the reference was
    given as ``edge_attr`` (invariants after the distance) and ``node_attr`` (added to
    the mean of the edge harmonics). Features are in this library's order, see
    :func:`features_from_e3nn`. The activations have e3nn's constants.

    Args:
        state_dict: of the authors' module.
        hidden_irreps: the reference's, ours or e3nn's, like all irreps here.
        edge_attr_irreps: the reference's: harmonics up to some degree.
        input_irreps: the reference's; not needed for a layer.
        output_irreps: the reference's: scalars, or ``1x1o`` of nodes; not needed for a
            layer.
        node_attr_irreps: the reference's (default: ``edge_attr_irreps``).
        additional_message_irreps: the reference's, scalars; a model must have at least
            one, the distance.
        pool: the reference's, ``"avg"`` or ``"sum"``.
        cutoff: radius within which a model joins atoms if it gets no edges; ``None``
            joins all pairs.
        normalization: of the harmonics in the reference's data: ``"component"`` for
            QM9, ``"integral"`` for the N-body experiments.
        distance: the first of the additional messages: ``"squared"`` for QM9,
            ``"length"`` for the N-body experiments.
        path_normalization: ``"element"``, or ``"path"`` for weights that were trained
            with e3nn 0.3, which scales paths in another way.
        num_layers: the reference's; told by the ``state_dict``, like all that follow,
            and compared with it if given.
        norm: the reference's, ``"instance"`` or ``None``.
        task: the reference's, ``"graph"`` or ``"node"``.

    Raises:
        ValueError: naming what could not be placed, what is missing, or what
            contradicts the shapes of the weights; also where the reference itself is
            not equivariant (hidden irreps that are not sorted, biases on ``0o``,
            vectors of graphs). Batch normalization is not known here.

    Example:
        >>> sizes = {"message_layer_1": (400, 12), "message_layer_2": (192, 12)}
        >>> sizes |= {"update_layer_1": (384, 12), "update_layer_2": (144, 8)}
        >>> state_dict = {}
        >>> for name, (num_weights, num_biases) in sizes.items():
        ...     state_dict[f"{name}.tp.weight"] = torch.randn(num_weights)
        ...     state_dict[f"{name}.biases"] = torch.zeros(num_biases)
        >>> segnn_from_reference(
        ...     state_dict,
        ...     hidden_irreps="8x0e+4x1o",
        ...     edge_attr_irreps="1x0e+1x1o",
        ...     additional_message_irreps="1x0e",
        ... )
        SEGNNConv(8x0e+4x1o -> 8x0e+4x1o, irreps_sh=1x0e+1x1o, irreps_hidden=8x0e+4x1o, edge_dim=1)
    """  # noqa: E501
    hidden, attr = as_irreps(hidden_irreps), as_irreps(edge_attr_irreps)
    ends = [as_irreps(x) for x in (input_irreps, output_irreps) if x is not None]
    weights = SteerablePlacement(
        state_dict, "the authors' SEGNN", path_normalization, [hidden, *ends]
    )
    if node_attr_irreps is not None and as_irreps(node_attr_irreps) != attr:
        raise ValueError(
            "attributes of edges and nodes have the same irreps here, got "
            f"edge_attr_irreps={attr} and node_attr_irreps={node_attr_irreps}"
        )
    check_gate(hidden)
    extra = _scalars("additional_message_irreps", additional_message_irreps)
    if "embedding_layer.tp.weight" not in weights:
        if input_irreps is not None:
            weights.agree(input_irreps=(as_irreps(input_irreps), hidden))
        return _layer(weights, hidden, attr, extra)

    count = weights.count("layers.")
    if input_irreps is None or output_irreps is None:
        raise ValueError(
            "a whole model needs input_irreps and output_irreps besides hidden_irreps, "
            f"got {input_irreps=} and {output_irreps=}"
        )
    if not extra:
        raise ValueError(
            "SEGNN sends the distance along with every message, the reference without "
            "additional_message_irreps does not; convert its layers one by one"
        )
    has_norm = "layers.0.feature_norm.weight" in weights
    of_graphs = "post_pool1.tp.weight" in weights
    weights.agree(
        num_layers=(num_layers, count),
        norm=(norm, "instance" if has_norm else None),
        task=(task, "graph" if of_graphs else "node"),
    )
    head, irreps_pool = _head(as_irreps(output_irreps), hidden, of_graphs, pool)

    names, depth = _configuration(weights, "layers.0.")
    model = build(
        weights.tensors["embedding_layer.tp.weight"],
        SEGNN,
        lmax_attr=_lmax(attr),
        num_layers=count,
        cutoff=cutoff,
        norm="instance" if has_norm else None,
        normalization=normalization,
        distance=distance,
        edge_dim=extra - 1,
        irreps_in=as_irreps(input_irreps),
        irreps_hidden=hidden,
        irreps_pool=irreps_pool,
        head=head,
        e3nn_constants=True,
        **depth,
    )
    return weights.finish(model, _ENDS | within("convs.{}.", "layers.{}.", names))


def _configuration(
    weights: SteerablePlacement, stem: str
) -> tuple[dict[str, str], dict[str, Any]]:
    """Which of the authors' layers this is: its names, and what it is in our terms."""
    if f"{stem}update_layer_1.tp.weight" in weights:
        return _LAYER, {}
    options = {"num_update_layers": 0, "gate": "aggregate"}
    if f"{stem}message_layer.tp.weight" in weights:
        return _LINEAR_LAYER, options | {"num_message_layers": 1}
    weights.shape(f"{stem}message_layer_1.tp.weight", 1)
    return _LAYER, options


def _scalars(name: str, irreps: IrrepsLike | None) -> int:
    """How many scalars there are, and nothing else."""
    irreps = as_irreps(() if irreps is None else irreps)
    if not irreps.is_scalar():
        raise ValueError(f"{name} are scalars (0e) here, got {irreps}")
    return irreps.dim


def _lmax(attr: Irreps) -> int:
    if not attr.num_irreps or attr != Irreps.spherical_harmonics(attr.lmax):
        raise ValueError(
            "attributes are the harmonics up to some degree, as in '1x0e+1x1o+1x2e', "
            f"got edge_attr_irreps={attr}"
        )
    return attr.lmax


def _head(
    out: Irreps, hidden: Irreps, of_graphs: bool, pool: str
) -> tuple[str | Head, Irreps]:
    """The head, and the irreps of atoms that are handed to it."""
    reduce = {"avg": "mean", "sum": "sum"}.get(pool)
    if reduce is None:
        raise ValueError(f"pool is 'avg' or 'sum', got {pool!r}")
    if not of_graphs and out == Irreps("1x1o"):
        return "vector", out
    if not out.is_scalar():
        raise ValueError(f"output_irreps are scalars (0e), or 1x1o of nodes, got {out}")
    identity = torch.nn.Identity()
    if not of_graphs:
        return ScalarHead(identity, None, "node"), out
    width = out.dim * hidden.num_irreps
    post = build(torch.empty(0), MLP, [width, width, out.dim])
    return ScalarHead(identity, post, reduce), Irreps([(width, "0e")])


def _layer(
    weights: SteerablePlacement, hidden: Irreps, attr: Irreps, extra: int
) -> SEGNNConv:
    names, depth = _configuration(weights, "")
    like = weights.tensors[f"{names['phi_m.linears.0']}.tp.weight"]
    irreps = hidden, attr, hidden
    options = {"edge_dim": extra, "e3nn_constants": True, **depth}
    conv = build(like, SEGNNConv, *irreps, **options)
    return weights.finish(conv, names)
