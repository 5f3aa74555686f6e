from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop import features_from_e3nn
from pyg_equivariant.interop.segnn import segnn_from_reference
from pyg_equivariant.nn.conv.segnn_conv import SEGNNConv
from pyg_equivariant.nn.models.segnn import SEGNN

Check = Callable[[Tensor, Tensor], None]
LAYER = {"hidden_irreps": "8x0e+4x1o", "edge_attr_irreps": "1x0e+1x1o"}
LAYER |= {"additional_message_irreps": "1x0e"}
MODEL = LAYER | {"input_irreps": "5x0e", "output_irreps": "1x0e"}


@pytest.fixture
def layer() -> dict[str, Tensor]:
    """Random weights of one layer under the authors' names, for ``LAYER``."""
    sizes = {"message_layer_1": (400, 12), "message_layer_2": (192, 12)}
    sizes |= {"update_layer_1": (384, 12), "update_layer_2": (144, 8)}
    return _random(sizes)


@pytest.fixture
def model(layer: dict[str, Tensor]) -> dict[str, Tensor]:
    """Random weights of a model of two such layers, for ``MODEL``."""
    sizes = {"embedding_layer": (60, 8), "pre_pool1": (192, 12), "pre_pool2": (144, 12)}
    sizes |= {"post_pool1": (144, 12), "post_pool2": (12, 1)}
    layers = {f"layers.{k}.{name}": v for k in range(2) for name, v in layer.items()}
    return _random(sizes) | layers


def _random(sizes: dict[str, tuple[int, int]]) -> dict[str, Tensor]:
    out = {}
    for name, (num_weights, num_biases) in sizes.items():
        out[f"{name}.tp.weight"] = torch.randn(num_weights, dtype=torch.float64) / 10
        out[f"{name}.biases"] = torch.randn(num_biases, dtype=torch.float64)
    return out


def test_golden_model(reference: Any, assert_equal: Check) -> None:
    weights, data = reference("segnn_qm9_model")
    meta = data["meta"]
    before = {key: value.clone() for key, value in weights.items()}
    model = segnn_from_reference(
        weights,
        input_irreps=meta["irreps_in"],
        hidden_irreps=meta["irreps_hidden"],
        output_irreps="1x0e",
        edge_attr_irreps=meta["irreps_attr"],
        node_attr_irreps=meta["irreps_attr"],
        additional_message_irreps="1x0e",
        num_layers=meta["layers"],
        pool=meta["pool"],
        normalization=meta["sh"],
        distance="squared",
        task="graph",
    )
    assert all(torch.equal(value, before[key]) for key, value in weights.items())
    assert isinstance(model, SEGNN)
    pos = data["input/pos"].requires_grad_()
    out = model(data["input/x"], pos, data["input/batch"], data["input/edge_index"])
    assert_equal(out, data["output/out"])
    assert_equal(torch.autograd.grad(out.sum(), pos)[0], data["grad/pos"])


def test_golden_layer(reference: Any, assert_equal: Check) -> None:
    weights, data = reference("segnn_layer")
    meta = data["meta"]
    hidden = meta["irreps_hidden"]
    conv = segnn_from_reference(
        weights,
        hidden_irreps=hidden,
        edge_attr_irreps=meta["irreps_attr"],
        additional_message_irreps=meta["additional"],
    )
    assert isinstance(conv, SEGNNConv)
    if torch.equal(data["input/x"], data["output/x"]):
        pytest.skip("input/x holds the output: the authors' layer adds in place")
    edges = data["input/edge_index"], data["input/edge_sh"]
    attr = data["input/node_attr"], data["input/edge_attr"]
    x = conv(features_from_e3nn(hidden, data["input/x"]), *edges, *attr)
    assert_equal(x, features_from_e3nn(hidden, data["output/x"]))


def test_models_and_layers_are_told_apart(
    layer: dict[str, Tensor], model: dict[str, Tensor]
) -> None:
    conv = segnn_from_reference(layer, **LAYER)
    network = segnn_from_reference(model, **MODEL, num_layers=2, norm=None)
    assert isinstance(conv, SEGNNConv)
    assert isinstance(network, SEGNN)
    assert not network.training
    assert len(network.convs) == 2
    for a, b in zip(conv.parameters(), network.convs[1].parameters(), strict=True):
        assert torch.equal(a, b)
    assert {p.dtype for p in network.parameters()} == {torch.float64}
    assert sum(p.numel() for p in network.parameters()) == sum(
        value.numel() for value in model.values()
    )


def test_instance_norm_is_found(model: dict[str, Tensor]) -> None:
    for k in range(2):
        model[f"layers.{k}.feature_norm.weight"] = torch.randn(12).double()
        model[f"layers.{k}.feature_norm.bias"] = torch.randn(8).double()
    network = segnn_from_reference(model, **MODEL, norm="instance")
    weight = model["layers.1.feature_norm.weight"]
    assert torch.equal(network.norms[1].weight, weight)
    with pytest.raises(ValueError, match="got norm=batch"):
        segnn_from_reference(model, **MODEL, norm="batch")


def test_the_state_dict_of_the_result_holds_everything(
    model: dict[str, Tensor], small_graph: dict[str, Tensor]
) -> None:
    first = segnn_from_reference(model, **MODEL)
    zeros = {name: torch.zeros_like(value) for name, value in model.items()}
    second = segnn_from_reference(zeros, **MODEL)
    second.load_state_dict(first.state_dict())
    x = torch.randn(9, 5, dtype=torch.float64)
    graph = [small_graph[name] for name in ("pos", "batch", "edge_index")]
    assert torch.equal(first(x, *graph), second(x, *graph))


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("layers.0.message_norm.weight", torch.zeros(12), "message_norm.weight"),
        ("layers.1.update_layer_2.biases", None, "missing: layers.1.update_layer_2"),
        ("layers.1.update_layer_1.tp.weight", torch.zeros(3), r"expected \(384,\)"),
        ("post_pool1.tp.weight", torch.zeros(143), r"expected \(12, 12\)"),
        ("post_pool2.biases", None, "missing: post_pool2.biases"),
        ("pre_pool2.biases", torch.zeros(1), r"shape \(1,\), expected \(12,\)"),
    ],
)
def test_what_does_not_fit_is_named(
    model: dict[str, Tensor], name: str, value: Tensor | None, match: str
) -> None:
    changed = model | {name: value}
    if value is None:
        del changed[name]
    with pytest.raises(ValueError, match=match):
        segnn_from_reference(changed, **MODEL)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"hidden_irreps": "7x0e+4x1o"}, r"shape \(400,\), expected \(345,\)"),
        ({"hidden_irreps": "4x1o+8x0e"}, "wants one block of 0e and then l > 0"),
        ({"edge_attr_irreps": "1x0e+2x1o"}, "attributes are the harmonics up to"),
        ({"node_attr_irreps": "1x0e"}, "edges and nodes have the same irreps"),
        ({"additional_message_irreps": "1x1o"}, "are scalars .0e. here, got 1x1o"),
        ({"additional_message_irreps": None}, "SEGNN sends the distance along"),
        ({"output_irreps": "1x1o"}, "output_irreps are scalars"),
        ({"output_irreps": None}, "a whole model needs input_irreps and output_irreps"),
        ({"pool": "max"}, "pool is 'avg' or 'sum', got 'max'"),
        ({"num_layers": 3}, "num_layers=3, .* num_layers=2"),
        ({"norm": "instance"}, "norm=instance, .* norm=None"),
        ({"task": "node"}, "task=node, .* task=graph"),
    ],
)
def test_hyper_parameters_that_do_not_fit(
    model: dict[str, Tensor], changes: dict[str, Any], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        segnn_from_reference(model, **(MODEL | changes))


def test_a_layer_keeps_its_irreps(layer: dict[str, Tensor]) -> None:
    segnn_from_reference(layer, **LAYER, input_irreps="8x0e+4x1o")
    with pytest.raises(ValueError, match="got input_irreps=5x0e"):
        segnn_from_reference(layer, **LAYER, input_irreps="5x0e")


def test_what_is_no_segnn_is_refused() -> None:
    with pytest.raises(ValueError, match="no state_dict of the authors' SEGNN"):
        segnn_from_reference({"weight": torch.zeros(2)}, **LAYER)
