"""Networks of particles, from the code of the N-body benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from pyg_equivariant.nn.conv.mpnn_conv import MPNNConv
from pyg_equivariant.nn.conv.radial_field_conv import RadialFieldConv
from pyg_equivariant.nn.particles import (
    LinearMotion,
    ParticleEGNN,
    ParticleModel,
    ParticleMPNN,
    ParticleSE3Transformer,
    RadialField,
)

from ._placement import Placement, build, within
from ._se3 import SE3Placement, Signs
from ._se3_form import find_form
from .egnn import egnn_from_reference

_FIELD = {
    "phi.linears.0": "phi.0",
    "lin_phi": "phi.2",
    "psi.linears.0": "coord_mlp_vel.0",
    "psi.linears.1": "coord_mlp_vel.2",
}
_MESSAGES = {
    "phi_m.linears.0": "edge_mlp.0",
    "phi_m.linears.1": "edge_mlp.2",
    "phi_h.linears.0": "node_mlp.0",
    "phi_h.linears.1": "node_mlp.2",
    "phi_a.linears.0": "att_mlp.0",
    "phi_a.linears.1": "att_mlp.2",
}
_ENDS = {
    "embedding": "embedding.0",
    "decoder.linears.0": "decoder.0",
    "decoder.linears.1": "decoder.2",
}
_NO_SIGNS: Signs = {}
Activation = str | Callable[[Tensor], Tensor]


def particles_from_reference(
    state_dict: Mapping[str, Tensor],
    *,
    act_fn: Activation = "silu",
    recurrent: bool = True,
    tanh: bool = False,
    norm_diff: bool = False,
    coords_agg: str = "mean",
    signs: Signs = _NO_SIGNS,
) -> ParticleModel | RadialFieldConv | MPNNConv:
    r"""A network of particles, or a layer, with the N-body benchmark's weights.

    For ``n_body_system/model.py`` and what it imports in the `repository of EGNN
    <https://github.com/vgsatorras/egnn>`_, which become one of
    :mod:`pyg_equivariant.nn.particles`. The names tell which module it is:

    - ``time``: ``Linear_dynamics``; ``linear.*``: ``Linear``.
    - ``gcl_0.phi.*``: ``RF_vel``; ``phi.*``: its layer ``GCL_rf_vel``.
    - ``decoder.*``: ``GNN``; ``edge_mlp.*``: its layer ``GCL``.
    - ``gcl_0.coord_mlp_vel.*``: ``EGNN_vel``.
    - ``se3.*``: ``OurDynamics``, with attention or without.

    The reference gathers messages at ``edges[0]``; ours arrive at ``edge_index[1]``, so
    ``edge_index`` is the reference's ``edges`` with the rows swapped. Models add the
    squared distance to the product of charges themselves.

    Args:
        state_dict: of the authors' module.
        act_fn: the activation of all networks, by name or as a function.
        recurrent: the reference's, of ``GCL`` and ``EGNN_vel``.
        tanh: the reference's, of ``EGNN_vel``.
        norm_diff: likewise.
        coords_agg: likewise, ``"mean"`` or ``"sum"``.
        signs: of ``OurDynamics``, as in :func:`se3_conv_from_reference`.

    Raises:
        ValueError: naming what could not be placed, what is missing, or what is of
            another shape.

    Example:
        >>> import torch
        >>> model = particles_from_reference({"time": torch.tensor([0.5])})
        >>> model(torch.zeros(1, 3), torch.ones(1, 3), torch.ones(1, 1))
        tensor([[0.5000, 0.5000, 0.5000]], grad_fn=<AddBackward0>)
    """
    if any(name.startswith("se3.") for name in state_dict):
        return _se3_transformer(state_dict, signs)
    weights = Placement(state_dict, "the N-body benchmark")
    if "time" in weights:
        return _linear(weights, "time", mixing=False)
    if "linear.weight" in weights:
        return _linear(weights, "linear.weight", mixing=True)
    for stem in ("", "gcl_0."):
        if f"{stem}phi.0.weight" in weights:
            return _radial_field(weights, stem, act_fn)
    if "gcl_0.coord_mlp_vel.0.weight" in weights:
        options = {"tanh": tanh, "norm_diff": norm_diff, "coords_agg": coords_agg}
        return _egnn(state_dict, act_fn=act_fn, residual=recurrent, **options)
    return _mpnn(weights, act_fn, recurrent)


def _linear(weights: Placement, first: str, mixing: bool) -> LinearMotion:
    model = build(weights.tensors[first], LinearMotion, mixing)
    return weights.finish(model, {"linear": "linear"} if mixing else {"time": "time"})


def _radial_field(
    weights: Placement, stem: str, act: Activation
) -> RadialField | RadialFieldConv:
    first = f"{stem}phi.0.weight"
    hidden, inputs = weights.shape(first, 2)
    like = weights.tensors[first]
    if stem:
        count = weights.count("gcl_")
        model = build(like, RadialField, hidden, count, act)
        return weights.finish(model, within("convs.{}.", "gcl_{}.", _FIELD))
    velocity = "coord_mlp_vel.0.weight" in weights
    conv = build(like, RadialFieldConv, hidden, inputs - 1, velocity, act)
    return weights.finish(conv, _FIELD)


def _mpnn(
    weights: Placement, act: Activation, residual: bool
) -> ParticleMPNN | MPNNConv:
    whole = "decoder.0.weight" in weights
    stem = "gcl_0." if whole else ""
    hidden, edge_in = weights.shape(f"{stem}edge_mlp.0.weight", 2)
    channels = weights.shape(f"{stem}node_mlp.0.weight", 2)[1] - hidden
    options: dict[str, Any] = {"residual": residual, "act": act}
    options["attention"] = f"{stem}att_mlp.0.weight" in weights
    like = weights.tensors[f"{stem}edge_mlp.0.weight"]
    if whole:
        count = weights.count("gcl_")
        model = build(like, ParticleMPNN, hidden, count, **options)
        names = _ENDS | within("convs.{}.", "gcl_{}.", _MESSAGES)
        return weights.finish(model, names)
    out = weights.shape("node_mlp.2.weight", 2)[0]
    sizes = channels, hidden, out, edge_in - 2 * channels
    if min(sizes) < 0:
        raise ValueError(
            f"edge_mlp reads {edge_in} numbers, fewer than twice {channels} features: "
            "this is no state_dict of the authors' GCL"
        )
    return weights.finish(build(like, MPNNConv, *sizes, **options), _MESSAGES)


def _se3_transformer(
    state_dict: Mapping[str, Tensor], signs: Signs
) -> ParticleSE3Transformer:
    inner = {name.removeprefix("se3."): value for name, value in state_dict.items()}
    weights = SE3Placement(inner, signs, "the N-body benchmark")
    form = find_form(weights)
    num_degrees = weights.count(f"{form.blocks}.1.transform.")
    model = build(
        next(iter(inner.values())),
        ParticleSE3Transformer,
        form.hidden(num_degrees)[0].mul,
        num_degrees - 1,
        form.num_layers + (not form.attention),
        form.attention,
        norm_eps=0.0,
    )
    form.fill(model.se3)
    return weights.finish(model, {"scale": "scalar_trick"})


def _egnn(state_dict: Mapping[str, Tensor], **options: Any) -> ParticleEGNN:
    egnn = egnn_from_reference(state_dict, in_edge_nf=2, **options)
    taken = set(ParticleEGNN.__init__.__annotations__) & set(egnn.arguments)
    arguments = {name: egnn.arguments[name] for name in taken}
    model = build(next(egnn.parameters()), ParticleEGNN, **arguments)
    model.egnn.load_state_dict(egnn.state_dict())
    return model
