"""The authors' LieConv, as formulas on its state_dict, and its golden files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import LiftedGraph, lift, neighbor_graph
from pyg_equivariant.interop import lieconv_from_reference
from pyg_equivariant.nn import LieConv, LieResNet
from pyg_equivariant.o3 import quaternion_to_matrix, rand_quaternion, so3_log

Weights = dict[str, Tensor]
Close = Callable[..., None]
SPECIES = (1, 6, 7, 8, 9)


@pytest.fixture
def close() -> Close:
    """Compare to a share of the largest number."""

    def check(found: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
        assert found.shape == expected.shape
        error = (found - expected).abs().max() / expected.abs().max()
        assert error <= tolerance, f"relative error {error:.2e}"

    return check


def rows_of(edges: Tensor, among: Tensor) -> Tensor:
    """Where each of the edges stands among others."""
    places = {(j, i): k for k, (j, i) in enumerate(among.T.tolist())}
    return torch.tensor([places[j, i] for j, i in edges.T.tolist()])


def options_of(meta: dict[str, Any]) -> dict[str, Any]:
    """What a golden file tells besides the weights."""
    names = ("alpha", "liftsamples", "act", "bn", "fill", "k", "num_layers")
    names += ("chin", "chout", "num_species", "charge_scale")
    options = {name: meta[name] for name in names if name in meta}
    return options | {"mean": bool(meta["mean"])}


def test_golden_layer_of_translations(reference: Any, close: Close) -> None:
    weights, data = reference("lieconv_t3_layer")
    conv = lieconv_from_reference(weights, **options_of(data["meta"]))
    assert isinstance(conv, LieConv)
    assert conv.group == "T(3)"
    edge_index, pos, x = data["input/edge_index"], data["input/pos"], data["input/x"]
    pairs = pos[edge_index[1]] - pos[edge_index[0]]
    close(pairs, data["output/pairs"])
    different = edge_index[0] != edge_index[1]
    edge_index, pairs = edge_index[:, different], pairs[different]
    distance = conv.ball.distance(pairs)
    close(distance, data["output/distance"][different])
    assert torch.equal(distance < conv.ball.radius, data["output/in_ball"][different])
    num_graphs = int(data["input/batch"].max()) + 1
    for fuse in (conv.fuse, False):
        conv.fuse = fuse
        close(conv(x, edge_index, pairs), data["output/out"])
    conv.train()
    out = conv(x, edge_index, pairs, num_graphs=num_graphs)
    close(out, data["output/out_train"])
    close(conv.ball.radius.squeeze(), data["output/after_train.r"])
    for n, norm in enumerate(conv.norms):
        stem = f"output/after_train.weightnet.{3 * n + 1}."
        close(norm.running_mean, data[f"{stem}running_mean"])
        close(norm.running_var, data[f"{stem}running_var"])


def _lifted(data: dict[str, Any]) -> LiftedGraph:
    graph = neighbor_graph(data["input/pos"], None, data["input/batch"])
    return lift(graph, data["input/quaternion"])


def test_golden_layer_of_rigid_motions(reference: Any, close: Close) -> None:
    weights, data = reference("lieconv_se3_layer")
    options = options_of(data["meta"])
    lifts = options.pop("liftsamples")
    conv = lieconv_from_reference(weights, **options)
    lifted = _lifted(data)
    assert lifted.num_lifts == lifts
    place = rows_of(lifted.edge_index, data["input/edge_index"])
    close(lifted.logarithm, data["output/pairs"][place], 1e-8)
    distance = conv.ball.distance(lifted.logarithm)
    close(distance, data["output/distance"][place], 1e-8)
    inside = data["output/in_ball"][place]
    assert torch.equal(distance < conv.ball.radius, inside)
    q = data["input/quaternion"].flatten(0, 1)
    close(quaternion_to_matrix(q), data["output/matrix"][:, :3, :3], 1e-8)
    close(so3_log(q), data["output/algebra"][:, :3], 1e-8)
    for fuse in (conv.fuse, False):
        conv.fuse = fuse
        out = conv(data["input/x_lifted"], lifted.edge_index, lifted.logarithm)
        close(out, data["output/out"], 1e-8)


@pytest.mark.parametrize("name", ["lieconv_model_t3", "lieconv_model_se3"])
def test_golden_models(name: str, reference: Any, close: Close) -> None:
    weights, data = reference(name)
    meta = data["meta"]
    options = options_of(meta)
    inputs = {"batch": data["input/batch"]}
    if "input/quaternion" in data:
        inputs["quaternion"] = data["input/quaternion"]
    assert (
        options["liftsamples"]
        == data.get("input/quaternion", torch.ones(1, 1)).shape[1]
    )
    by_features = lieconv_from_reference(weights, **options)
    assert isinstance(by_features, LieResNet)
    expected = data["output/out"].unsqueeze(-1)
    tolerance = 1e-8 if "quaternion" in inputs else 1e-10
    out = by_features(data["input/x"], data["input/pos"], **inputs)
    close(out, expected, tolerance)
    species = SPECIES[: options["num_species"]]
    by_number = lieconv_from_reference(weights, species=species, **options)
    close(by_number(data["input/z"], data["input/pos"], **inputs), expected, tolerance)


def _linear(name: str, inputs: int, outputs: int) -> Weights:
    weight = torch.randn(outputs, inputs, dtype=torch.float64) / 2
    return {f"{name}.weight": weight, f"{name}.bias": weight[:, 0] + 0.1}


def _norm(name: str, channels: int) -> Weights:
    return {
        f"{name}.weight": 1 + 0.3 * torch.randn(channels, dtype=torch.float64),
        f"{name}.bias": 0.3 * torch.randn(channels, dtype=torch.float64),
        f"{name}.running_mean": 0.3 * torch.randn(channels, dtype=torch.float64),
        f"{name}.running_var": 0.5 + torch.rand(channels, dtype=torch.float64),
        f"{name}.num_batches_tracked": torch.tensor(3),
    }


def _layer(stem: str, dim: int, chin: int, chout: int, bn: bool) -> Weights:
    """Random weights under the names of the authors' code."""
    radius = 1.1 if dim == 3 else 2.0  # of which pairs are inside and outside
    weights = {f"{stem}r": torch.tensor(radius, dtype=torch.float64)}
    for n, (a, b) in enumerate(((dim, 7), (7, 6), (6, 5))):
        weights |= _linear(f"{stem}weightnet.{3 * n}.module", a, b)
        weights |= _norm(f"{stem}weightnet.{3 * n + 1}", b) if bn else {}
    return weights | _linear(f"{stem}linear", 5 * chin, chout)


def _model(dim: int, k: int, layers: int, bn: bool) -> Weights:
    weights = _linear("net.0.module", 6, k)
    for n in range(1, layers + 1):
        conv = _layer(f"net.{n}.conv.", dim, k // 4, k // 4, bn)
        weights |= conv
        weights |= {key.replace(".conv.", ".net.5."): v for key, v in conv.items()}
        weights |= _linear(f"net.{n}.net.2.module", k, k // 4)
        weights |= _linear(f"net.{n}.net.8.module", k // 4, k)
        for m, width in ((0, k), (3, k // 4), (6, k // 4)):
            weights |= _norm(f"net.{n}.net.{m}", width) if bn else {}
    weights |= _norm(f"net.{layers + 1}", k) if bn else {}
    return weights | _linear(f"net.{layers + 3}.module", k, 1)


class Reference:
    """The authors' formulas, node by node over all pairs."""

    def __init__(self, weights: Weights, act: Any, mean: bool, alpha: float) -> None:
        self.weights, self.act, self.mean, self.alpha = weights, act, mean, alpha

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name: str, x: Tensor) -> Tensor:
        if f"{name}.weight" not in self.weights:
            return x
        w = {key: self.weights[f"{name}.{key}"] for key in ("weight", "bias")}
        mean, var = (self.weights[f"{name}.running_{key}"] for key in ("mean", "var"))
        return (x - mean) / var.clamp(min=1e-5).sqrt() * w["weight"] + w["bias"]

    def layer(self, stem: str, x: Tensor, pairs: Tensor, same: Tensor) -> Tensor:
        """All pairs ``pairs[i, j]`` of nodes of the same graph."""
        distance = self.alpha * pairs[..., :3].norm(dim=-1)
        if pairs.shape[-1] == 6:
            distance = distance + (1 - self.alpha) * pairs[..., 3:].norm(dim=-1)
        ball = (distance < self.weights[f"{stem}r"]) & same
        for n in range(3):
            pairs = self.linear(f"{stem}weightnet.{3 * n}.module", pairs)
            pairs = self.act(self.norm(f"{stem}weightnet.{3 * n + 1}", pairs))
        total = torch.einsum("ij,ijm,jc->icm", ball.double(), pairs, x).flatten(1)
        out = self.linear(f"{stem}linear", total)
        return out / ball.sum(1, keepdim=True) if self.mean else out

    def model(self, x: Tensor, pairs: Tensor, batch: Tensor) -> Tensor:
        same = batch[:, None] == batch
        x, layers = self.linear("net.0.module", x), 2
        for n in range(1, layers + 1):
            y = self.act(self.norm(f"net.{n}.net.0", x))
            y = self.linear(f"net.{n}.net.2.module", y)
            y = self.act(self.norm(f"net.{n}.net.3", y))
            y = self.layer(f"net.{n}.conv.", y, pairs, same)
            y = self.act(self.norm(f"net.{n}.net.6", y))
            x = x + self.linear(f"net.{n}.net.8.module", y)
        x = self.act(self.norm(f"net.{layers + 1}", x))
        x = self.linear(f"net.{layers + 3}.module", x)
        graphs = [x[batch == b] for b in range(int(batch.max()) + 1)]
        return torch.stack([g.mean(0) if self.mean else g.sum(0) for g in graphs])


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize(("act", "bn"), [("swish", True), ("relu", False)])
@pytest.mark.parametrize("lifts", [0, 1, 3])
def test_models(
    lifts: int, act: str, bn: bool, mean: bool, small_graph: Any, close: Close
) -> None:
    """Of other options than the golden files have, derivatives included."""
    weights = _model(6 if lifts else 3, 8, 2, bn)
    options = {"mean": mean, "act": act, "alpha": 0.4, "liftsamples": max(lifts, 1)}
    model = lieconv_from_reference(weights, species=(1, 6), **options, charge_scale=5.0)
    pos, batch = small_graph["pos"], small_graph["batch"]
    z = torch.tensor([1, 6, 6, 1, 1, 6, 1, 6, 1])
    charge = (z[:, None].double() / 5.0) ** torch.arange(3)
    one_hot = (z[:, None] == torch.tensor([1, 6])).double()
    x = (one_hot[:, :, None] * charge[:, None]).flatten(1)
    given, inputs = x, {}
    pairs = pos[:, None] - pos
    if lifts:
        q = rand_quaternion(9, lifts, dtype=torch.float64)
        inputs, given = {"quaternion": q}, x.repeat_interleave(lifts, 0)
        nodes = batch.repeat_interleave(lifts)
        lifted = lift(neighbor_graph(pos, None, batch), q)
        pairs = pos.new_zeros(len(nodes), len(nodes), 6)
        j, i = lifted.edge_index
        pairs = pairs.index_put((i, j), lifted.logarithm)
    else:
        nodes = batch
    function = torch.nn.functional.silu if act == "swish" else torch.relu
    formulas = Reference(weights, function, mean, 0.4)
    theirs = formulas.model(given, pairs, nodes)
    ours = model(z, pos, batch, **inputs)
    close(ours, theirs)
    a, b = (torch.autograd.grad(y.sin().sum(), pos)[0] for y in (ours, theirs))
    close(a, b)
    assert not torch.allclose(model(z, 1.5 * pos, batch, **inputs), theirs)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("weightnet.1.extra", torch.zeros(4), "without a place: weightnet.1.extra"),
        ("linear.bias", None, "missing: linear.bias"),
        ("weightnet.3.module.weight", torch.zeros(6, 8), r"expected \(6, 7\)"),
        ("weightnet.0.module.weight", torch.zeros(7, 4), "another group than T"),
    ],
)
def test_what_does_not_fit_is_named(
    name: str, value: Tensor | None, match: str
) -> None:
    weights = _layer("", 3, 2, 4, True) | {name: value}
    if value is None:
        del weights[name]
    with pytest.raises(ValueError, match=match):
        lieconv_from_reference(weights)


@pytest.mark.parametrize(
    "wrong", [{"group": "SE(3)"}, {"bn": False}, {"chin": 3}, {"chout": 5}]
)
def test_hyper_parameters_that_contradict_are_refused(wrong: dict[str, Any]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=f"got {name}="):
        lieconv_from_reference(_layer("", 3, 2, 4, True), **wrong)
    with pytest.raises(ValueError, match="got num_layers=3"):
        lieconv_from_reference(_model(3, 8, 2, True), num_layers=3)
