"""Where the tensors of the authors' SEGNN go."""

from __future__ import annotations

from typing import Any

from pyg_equivariant.nn.mlp import MLP
from pyg_equivariant.nn.models.heads import ScalarHead
from pyg_equivariant.nn.models.segnn import SEGNN
from pyg_equivariant.o3 import Irreps

from ._steerable import SteerablePlacement, gate_irreps


def configuration(weights: SteerablePlacement, stem: str) -> dict[str, Any]:
    """Which of the authors' layers this is, in terms of ours."""
    if f"{stem}update_layer_1.tp.weight" in weights:
        return {}
    linear = f"{stem}message_layer.tp.weight" in weights
    if not linear:
        weights.shape(f"{stem}message_layer_1.tp.weight", 1)
    return {
        "num_message_layers": 1 if linear else 2,
        "num_update_layers": 0,
        "gate": "aggregate",
    }


def place_layer(weights: SteerablePlacement, stem: str, conv: Any) -> None:
    """Fill a convolution from the ``SEGNNLayer`` or ``SEConvLayer`` at ``stem``."""
    hidden, attr = conv.irreps_in, conv.irreps_sh
    extra = Irreps([(conv.edge_dim, "0e")])
    message_in = (hidden + hidden + extra).simplify()
    inner = gate_irreps(hidden)
    linears = conv.phi_m.linears
    if conv.num_message_layers == 1:
        weights.steerable(f"{stem}message_layer.", linears[0], message_in, attr, inner)
    else:
        name = f"{stem}message_layer_1."
        weights.steerable(name, linears[0], message_in, attr, inner)
        weights.steerable(f"{stem}message_layer_2.", linears[1], hidden, attr, inner)
    if conv.phi_x is not None:
        update_in = (hidden + hidden).simplify()
        linears = conv.phi_x.linears
        weights.steerable(f"{stem}update_layer_1.", linears[0], update_in, attr, inner)
        weights.steerable(f"{stem}update_layer_2.", linears[1], hidden, attr, hidden)


def place_model(weights: SteerablePlacement, model: SEGNN) -> None:
    """Fill a network from ``SEGNN`` or ``SEConv``."""
    hidden, attr = model.irreps_hidden, model.irreps_sh
    weights.steerable(
        "embedding_layer.", model.embedding, model.irreps_in, attr, hidden
    )
    for k, conv in enumerate(model.convs):
        place_layer(weights, f"layers.{k}.", conv)
    norms: Any = model.norms
    for k, norm in enumerate(norms):
        weights.place(f"layers.{k}.feature_norm.weight", norm.weight)
        weights.place(f"layers.{k}.feature_norm.bias", norm.bias)
    pre_pool: Any = model.pre_pool
    first, second = pre_pool.linears
    weights.steerable("pre_pool1.", first, hidden, attr, gate_irreps(hidden))
    weights.steerable("pre_pool2.", second, hidden, attr, model.irreps_pool)
    head: Any = model.head
    if isinstance(head, ScalarHead) and isinstance(head.post, MLP):
        linears: Any = head.post.linears
        for k, linear in enumerate(linears):
            name = f"post_pool{k + 1}"
            weight = weights.take(f"{name}.tp.weight")
            if weight is not None and weight.numel() == linear.weight.numel():
                weight = weight.view(linear.in_features, linear.out_features).T
            weights.fill(linear.weight, weight, f"{name}.tp.weight")
            weights.place(f"{name}.biases", linear.bias)
