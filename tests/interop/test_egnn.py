"""The authors' EGNN, as formulas on its state_dict, and its golden files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop.egnn import egnn_from_reference
from pyg_equivariant.nn.conv.egnn_conv import EGNNConv
from pyg_equivariant.nn.models.egnn import EGNN

Check = Callable[[Tensor, Tensor], None]
Weights = dict[str, Tensor]


def _network(weights: Weights, name: str, x: Tensor, act: Any) -> Tensor:
    """Linear, activation, linear: ``name.0`` and ``name.2``."""
    x = act(x @ weights[f"{name}.0.weight"].T + weights[f"{name}.0.bias"])
    return x @ weights[f"{name}.2.weight"].T + weights.get(f"{name}.2.bias", 0.0)


def _reference_layer(
    weights: Weights,
    stem: str,
    h: Tensor,
    pos: Tensor,
    edge_index: Tensor,
    edge_attr: Tensor | None,
    vel: Tensor | None = None,
    tanh: bool = False,
    normalize: bool = False,
    coords_agg: str = "mean",
    residual: bool = True,
    act: Any = torch.nn.functional.silu,
) -> tuple[Tensor, Tensor]:
    """One E_GCL, whose messages arrive at the target."""
    source, target = edge_index
    diff = pos[target] - pos[source]
    square = diff.square().sum(-1, keepdim=True)
    inputs = [h[target], h[source], square]
    inputs += [] if edge_attr is None else [edge_attr]
    m = act(_network(weights, f"{stem}edge_mlp", torch.cat(inputs, -1), act))
    if f"{stem}att_mlp.0.weight" in weights:
        gate = m @ weights[f"{stem}att_mlp.0.weight"].T
        m = m * (gate + weights[f"{stem}att_mlp.0.bias"]).sigmoid()
    if f"{stem}coord_mlp.0.weight" in weights:
        if normalize:
            diff = diff / (square.sqrt().detach() + 1e-8)
        scale = _network(weights, f"{stem}coord_mlp", m, act)
        moved = diff * (scale.tanh() if tanh else scale)
        total = torch.zeros_like(pos).index_add(0, target, moved)
        if coords_agg == "mean":
            count = torch.zeros_like(pos[:, :1])
            count = count.index_add(0, target, torch.ones_like(square))
            total = total / count.clamp(min=1)
        pos = pos + total
    if vel is not None:
        pos = pos + _network(weights, f"{stem}coord_mlp_vel", h, act) * vel
    gathered = torch.zeros(len(h), m.shape[-1], dtype=m.dtype).index_add(0, target, m)
    out = _network(weights, f"{stem}node_mlp", torch.cat([h, gathered], -1), act)
    return (h + out if residual else out), pos


def _linear(name: str, inputs: int, outputs: int, bias: bool = True) -> Weights:
    out = {f"{name}.weight": torch.randn(outputs, inputs, dtype=torch.float64)}
    if bias:
        out[f"{name}.bias"] = torch.randn(outputs, dtype=torch.float64)
    return {key: value / 2 for key, value in out.items()}


def _layer(
    stem: str = "",
    channels: int = 4,
    hidden: int = 6,
    edge_dim: int = 2,
    out: int | None = None,
    attention: bool = False,
    update_pos: bool = True,
    velocity: bool = False,
) -> Weights:
    """Random weights under the names of the authors' code."""
    weights = _linear(f"{stem}edge_mlp.0", 2 * channels + 1 + edge_dim, hidden)
    weights |= _linear(f"{stem}edge_mlp.2", hidden, hidden)
    weights |= _linear(f"{stem}node_mlp.0", channels + hidden, hidden)
    weights |= _linear(f"{stem}node_mlp.2", hidden, channels if out is None else out)
    if update_pos:
        weights |= _linear(f"{stem}coord_mlp.0", hidden, hidden)
        weights |= _linear(f"{stem}coord_mlp.2", hidden, 1, bias=False)
    if attention:
        weights |= _linear(f"{stem}att_mlp.0", hidden, 1)
    if velocity:
        weights |= _linear(f"{stem}coord_mlp_vel.0", channels, hidden)
        weights |= _linear(f"{stem}coord_mlp_vel.2", hidden, 1)
    return weights


@pytest.fixture
def inputs(small_graph: dict[str, Tensor]) -> dict[str, Tensor]:
    num_edges = small_graph["edge_index"].shape[1]
    return small_graph | {
        "x": torch.randn(9, 4, dtype=torch.float64),
        "edge_attr": torch.randn(num_edges, 2, dtype=torch.float64),
        "vel": torch.randn(9, 3, dtype=torch.float64),
    }


def _check_with_gradients(
    ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...], pos: Tensor, check: Check
) -> None:
    totals = []
    for a, b in zip(ours, theirs, strict=True):
        check(a, b)
        cotangent = torch.randn_like(b)
        totals.append(((a * cotangent).sum(), (b * cotangent).sum()))
    a, b = (sum(pair) for pair in zip(*totals, strict=True))
    check(torch.autograd.grad(a, pos)[0], torch.autograd.grad(b, pos)[0])


@pytest.mark.parametrize("name", ["egnn_layer", "egnn_layer_attention_tanh_normalize"])
def test_golden_layers(name: str, reference: Any, assert_equal: Check) -> None:
    weights, data = reference(name)
    meta = data["meta"]
    options = {k: meta[k] for k in ("attention", "tanh", "normalize") if k in meta}
    before = {key: value.clone() for key, value in weights.items()}
    conv = egnn_from_reference(weights, **options)
    assert all(torch.equal(value, before[key]) for key, value in weights.items())
    assert isinstance(conv, EGNNConv)
    assert (conv.in_channels, conv.hidden_channels) == (meta["F"], meta["hidden"])
    pos = data["input/pos"].requires_grad_()
    x, new = conv(
        data["input/x"], pos, data["input/edge_index"], data["input/edge_attr"]
    )
    assert_equal(x, data["output/x"])
    assert_equal(new, data["output/pos"])
    total = (x * data["input/cotangent_x"]).sum()
    total = total + (new * data["input/cotangent_pos"]).sum()
    assert_equal(torch.autograd.grad(total, pos)[0], data["grad/pos"])


def test_golden_nbody(reference: Any, assert_equal: Check) -> None:
    weights, data = reference("egnn_nbody")
    meta = data["meta"]
    model = egnn_from_reference(
        weights, hidden_nf=meta["F"], n_layers=meta["layers"], act_fn="silu"
    )
    assert isinstance(model, EGNN)
    assert model.velocity
    new = model(
        data["input/x"],
        data["input/pos"],
        edge_index=data["input/edge_index"],
        vel=data["input/vel"],
        edge_attr=data["input/edge_attr"],
    )
    assert_equal(new, data["output/pos"])
    # far from where the authors' code would clip
    assert (new - data["input/pos"]).abs().max() < 100


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tanh": True, "coords_agg": "sum"},
        {"normalize": True, "residual": False},
        {"act_fn": "relu"},
        {"act_fn": torch.nn.LeakyReLU(0.2)},
    ],
)
@pytest.mark.parametrize("edge_dim", [0, 2])
def test_layers(
    edge_dim: int,
    options: dict[str, Any],
    attention: bool,
    inputs: dict[str, Tensor],
    assert_equal: Check,
) -> None:
    weights = _layer(edge_dim=edge_dim, attention=attention)
    edge_attr = inputs["edge_attr"] if edge_dim else None
    conv = egnn_from_reference(weights, attention=attention, **options)
    ours = conv(inputs["x"], inputs["pos"], inputs["edge_index"], edge_attr)
    act = options.get("act_fn", torch.nn.functional.silu)
    kwargs = {key: value for key, value in options.items() if key != "act_fn"}
    theirs = _reference_layer(
        weights,
        "",
        inputs["x"],
        inputs["pos"],
        inputs["edge_index"],
        edge_attr,
        act=torch.relu if act == "relu" else act,
        **kwargs,
    )
    _check_with_gradients(ours, theirs, inputs["pos"], assert_equal)


def test_layers_that_change_the_width(inputs: dict[str, Tensor]) -> None:
    weights = _layer(out=5)
    conv = egnn_from_reference(weights, residual=False)
    edges = inputs["edge_index"], inputs["edge_attr"]
    assert conv(inputs["x"], inputs["pos"], *edges)[0].shape == (9, 5)
    with pytest.raises(ValueError, match="a residual needs equal sizes"):
        egnn_from_reference(weights)


@pytest.mark.parametrize("velocity", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_models_of_the_nbody_experiment(
    velocity: bool, residual: bool, inputs: dict[str, Tensor], assert_equal: Check
) -> None:
    weights = _linear("embedding", 4, 6)
    for k in range(3):
        weights |= _layer(f"gcl_{k}.", channels=6, velocity=velocity)
    model = egnn_from_reference(weights, residual=residual, n_layers=3, in_edge_nf=2)
    vel = inputs["vel"] if velocity else None
    edges = inputs["edge_index"], inputs["edge_attr"]
    ours = model(
        inputs["x"], inputs["pos"], None, edges[0], vel=vel, edge_attr=edges[1]
    )
    h = inputs["x"] @ weights["embedding.weight"].T + weights["embedding.bias"]
    pos = inputs["pos"]
    for k in range(3):
        h, pos = _reference_layer(
            weights, f"gcl_{k}.", h, pos, *edges, vel=vel, residual=residual
        )
    _check_with_gradients((ours,), (pos,), inputs["pos"], assert_equal)


@pytest.mark.parametrize("attention", [False, True])
def test_the_general_model(
    attention: bool, inputs: dict[str, Tensor], assert_equal: Check
) -> None:
    weights = _linear("embedding_in", 4, 6) | _linear("embedding_out", 6, 3)
    for k in range(2):
        weights |= _layer(f"gcl_{k}.", channels=6, attention=attention)
    model = egnn_from_reference(weights, tanh=True)
    edges = inputs["edge_index"], inputs["edge_attr"]
    ours = model(inputs["x"], inputs["pos"], edge_index=edges[0], edge_attr=edges[1])
    h = inputs["x"] @ weights["embedding_in.weight"].T + weights["embedding_in.bias"]
    pos = inputs["pos"]
    for k in range(2):
        h, pos = _reference_layer(weights, f"gcl_{k}.", h, pos, *edges, tanh=True)
    h = h @ weights["embedding_out.weight"].T + weights["embedding_out.bias"]
    theirs = h, pos
    _check_with_gradients((ours.x, ours.pos), theirs, inputs["pos"], assert_equal)


def _qm9(in_channels: int) -> Weights:
    weights = _linear("embedding", in_channels, 6)
    for k in range(2):
        weights |= _layer(
            f"gcl_{k}.", channels=6, edge_dim=0, attention=True, update_pos=False
        )
    for name in ("node_dec.0", "node_dec.2", "graph_dec.0"):
        weights |= _linear(name, 6, 6)
    return weights | _linear("graph_dec.2", 6, 1)


def test_the_model_of_qm9(inputs: dict[str, Tensor], assert_equal: Check) -> None:
    weights, silu = _qm9(4), torch.nn.functional.silu
    model = egnn_from_reference(weights, attention=True)
    ours = model(inputs["x"], inputs["pos"], inputs["batch"], inputs["edge_index"])
    h = inputs["x"] @ weights["embedding.weight"].T + weights["embedding.bias"]
    for k in range(2):
        edges = inputs["edge_index"], None
        h, _ = _reference_layer(weights, f"gcl_{k}.", h, inputs["pos"], *edges)
    h = _network(weights, "node_dec", h, silu)
    h = torch.stack([h[inputs["batch"] == b].sum(0) for b in range(2)])
    theirs = _network(weights, "graph_dec", h, silu)
    _check_with_gradients((ours,), (theirs,), inputs["pos"], assert_equal)


def test_atomic_numbers_in_place_of_their_one_hot_features(
    inputs: dict[str, Tensor],
) -> None:
    weights, species = _qm9(15), (1, 6, 7, 8, 9)
    by_number = egnn_from_reference(weights, species=species)
    by_features = egnn_from_reference(weights)
    z = torch.tensor([1, 6, 7, 8, 9, 1, 1, 8, 6])
    one_hot = (z[:, None] == torch.tensor(species)).double()
    powers = (z[:, None].double() / 9) ** torch.arange(3)
    x = (one_hot[:, :, None] * powers[:, None, :]).flatten(1)
    graph = inputs["pos"], inputs["batch"], inputs["edge_index"]
    torch.testing.assert_close(
        by_number(z, *graph), by_features(x, *graph), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("bn.weight", torch.zeros(4), "without a place: bn.weight"),
        ("coord_mlp.2.bias", torch.zeros(1), "without a place: coord_mlp.2.bias"),
        ("node_mlp.2.bias", None, "missing: node_mlp.2.bias"),
        ("coord_mlp.2.weight", torch.zeros(2, 6), r"expected \(1, 6\)"),
        ("edge_mlp.2.weight", torch.zeros(6, 7), r"expected \(6, 6\)"),
        ("edge_mlp.0.weight", torch.zeros(6, 7), "reads 7 numbers, fewer than twice 4"),
        ("node_mlp.0.weight", None, "'node_mlp.0.weight' is missing"),
    ],
)
def test_what_does_not_fit_is_named(
    name: str, value: Tensor | None, match: str
) -> None:
    weights = _layer() | {name: value}
    if value is None:
        del weights[name]
    with pytest.raises(ValueError, match=match):
        egnn_from_reference(weights)


def test_node_attributes_are_refused() -> None:
    weights = _linear("embedding", 4, 6) | _layer("gcl_0.", channels=6)
    weights |= _linear("gcl_0.node_mlp.0", 16, 6)
    with pytest.raises(ValueError, match="the rest are node attributes"):
        egnn_from_reference(weights)


@pytest.mark.parametrize(
    "kwargs",
    [{"attention": True}, {"hidden_nf": 7}, {"in_edge_nf": 0}, {"n_layers": 2}],
)
def test_hyper_parameters_that_contradict_are_refused(kwargs: dict[str, Any]) -> None:
    name = next(iter(kwargs))
    with pytest.raises(ValueError, match=f"got {name}="):
        egnn_from_reference(_layer(), **kwargs)


def test_what_is_no_egnn_is_refused() -> None:
    with pytest.raises(ValueError, match="no state_dict of the authors' EGNN"):
        egnn_from_reference({"weight": torch.zeros(2)})
