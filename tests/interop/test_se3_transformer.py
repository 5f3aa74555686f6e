"""SE(3)-Transformers of the authors: their numbers and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop import (
    norm_activation_from_reference,
    norm_mlp_from_reference,
    se3_conv_from_reference,
    se3_transformer_conv_from_reference,
    se3_transformer_from_reference,
)
from pyg_equivariant.nn import EdgeEmbedding, Edges
from pyg_equivariant.o3 import Irreps

Check = Callable[[Tensor, Tensor], None]
Reference = Callable[[str], tuple[dict[str, Tensor], Any]]
CONVS = ["se3t_gconv_skip", "se3t_gconv_tfn"]
ATTENTION = ["se3t_res_cat", "se3t_res_att_add", "se3t_res_sum_xcat"]
INPUTS = ("x", "pos", "edge_attr")


def with_edges(conv: Any, inputs: dict[str, Tensor]) -> Edges:
    """Edges with the authors' harmonics, and their features with the length last."""
    embed = EdgeEmbedding(None, None, None, conv.irreps_sh, "integral").double()
    edges = embed(inputs["pos"], edge_index=inputs["edge_index"])
    length = edges.edge_length.unsqueeze(-1)
    given = [inputs["edge_attr"]] if "edge_attr" in inputs else []
    return edges._replace(radial=torch.cat([*given, length], dim=-1))


def prepared(data: dict[str, Any], irreps: Irreps) -> dict[str, Tensor]:
    """The inputs, leaves that need gradients among them, features in our order."""
    inputs = {k.removeprefix("input/"): v for k, v in data.items() if "input/" in k}
    for name in INPUTS:
        if name in inputs:
            inputs[name].requires_grad_()
    return inputs | {"features": irreps.from_mul_ir(inputs["x"])}


def assert_gradients(
    out: Tensor, inputs: dict[str, Tensor], data: dict[str, Any], check: Check
) -> None:
    given = [name for name in INPUTS if f"grad/{name}" in data]
    assert given
    leaves = [inputs[name] for name in given]
    for name, found in zip(
        given, torch.autograd.grad(out, leaves, inputs["cotangent"]), strict=True
    ):
        check(found, data[f"grad/{name}"])


@pytest.mark.parametrize("name", CONVS)
def test_convolution(name: str, reference: Reference, assert_equal: Check) -> None:
    weights, data = reference(name)
    meta = data["meta"]
    flavor = "TFN" if "TFN" in meta["flavor"] else "skip"
    irreps = Irreps(meta["irreps_in"]), Irreps(meta["irreps_out"])
    options = {k: meta[k] for k in ("edge_dim", "self_interaction", "signs")}
    conv = se3_conv_from_reference(weights, *irreps, flavor=flavor, **options)
    inputs = prepared(data, irreps[0])
    out = conv.on_edges(inputs["features"], with_edges(conv, inputs))
    out = irreps[1].to_mul_ir(out)
    assert_equal(out, data["output/out"])
    assert_gradients(out, inputs, data, assert_equal)


@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name: str, reference: Reference, assert_equal: Check) -> None:
    weights, data = reference(name)
    meta = data["meta"]
    options = ("edge_dim", "div", "n_heads", "skip", "selfint", "x_ij", "signs")
    conv = se3_transformer_conv_from_reference(
        weights,
        meta["irreps_in"],
        meta["irreps_out"],
        **{k: meta[k] for k in options if k in meta},
    )
    inputs = prepared(data, conv.irreps_in)
    edges = with_edges(conv, inputs)
    source, target = edges.edge_index
    x, given = inputs["features"], (edges.edge_sh, edges.edge_attr, edges.edge_vec)
    q = conv.query(x)
    found = conv.attend(x[source], q[target], *given, None, target, len(x))
    assert_equal(conv.irreps_key.to_mul_ir(q), data["output/q"])
    assert_equal(conv.irreps_value.to_mul_ir(found.value), data["output/v"])
    assert_equal(conv.irreps_key.to_mul_ir(found.key), data["output/k"])
    assert_equal(found.logits, data["output/logits"])
    assert_equal(found.alpha, data["output/alpha"])
    out = conv.irreps_out.to_mul_ir(conv.on_edges(x, edges))
    assert_equal(out, data["output/out"])
    assert_gradients(out, inputs, data, assert_equal)


def test_norms(reference: Reference, assert_equal: Check) -> None:
    weights, data = reference("se3t_norms")
    irreps = Irreps(data["meta"]["irreps"])
    for name in sorted({key.partition(".")[0] for key in weights}):
        own = {
            k.removeprefix(f"{name}."): v
            for k, v in weights.items()
            if k.startswith(f"{name}.")
        }
        if name == "bias":
            norm: Any = norm_activation_from_reference(own, irreps)
        else:
            layers = int(name.removeprefix("layers"))
            norm = norm_mlp_from_reference(own, irreps, layers)
        out = norm(irreps.from_mul_ir(data["input/x"]))
        assert_equal(irreps.to_mul_ir(out), data[f"output/{name}"])


def test_network_for_qm9(reference: Reference, assert_equal: Check) -> None:
    weights, data = reference("se3t_qm9_model")
    meta = data["meta"]
    options = ("num_degrees", "edge_dim", "div", "n_heads", "pooling", "signs")
    model = se3_transformer_from_reference(
        weights,
        Irreps([(meta["atom_feature_size"], "0e")]),
        **{k: meta[k] for k in options},
    )
    assert model.num_layers == meta["num_layers"]
    given = "batch", "edge_index", "edge_attr"
    inputs = {k: data[f"input/{k}"] for k in given if f"input/{k}" in data}
    z, pos = data["input/x"], data["input/pos"].requires_grad_()
    out = model(z, pos, **inputs)
    assert_equal(out, data["output/out"])
    (grad,) = torch.autograd.grad(out.sum(), pos)
    assert_equal(grad, data["grad/pos"])
    harmonics: Any = model.edges.spherical_harmonics
    harmonics.register_forward_hook(lambda *given: given[-1].detach())
    (grad,) = torch.autograd.grad(model(z, pos, **inputs).sum(), pos)
    assert_equal(grad, data["grad/pos_basis_detached"])


def test_network_for_particles(reference: Reference, assert_equal: Check) -> None:
    weights, data = reference("se3t_nbody_model")
    meta = data["meta"]
    options = ("num_degrees", "edge_dim", "div", "n_heads", "x_ij", "signs")
    model = se3_transformer_from_reference(
        weights,
        "1x1e",
        selfint=(meta["si_m"], meta["si_e"]),
        **{k: meta[k] for k in options},
    )
    given = "pos", "batch", "edge_index", "edge_attr"
    inputs = {k: data[f"input/{k}"] for k in given if f"input/{k}" in data}
    features = model(data["input/vel"], **inputs)
    assert_equal(features.vec.mT.contiguous(), data["output/out"])
