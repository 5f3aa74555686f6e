from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.interop import regroup_weights
from pyg_equivariant.interop.e3nn import (
    features_from_e3nn,
    features_to_e3nn,
    linear_from_e3nn,
    linear_to_e3nn,
    tensor_product_from_e3nn,
    tensor_product_to_e3nn,
)
from pyg_equivariant.nn.conv.tfn_conv import TFNConv
from pyg_equivariant.nn.linear import Linear
from pyg_equivariant.nn.tensor_product import TensorProduct
from pyg_equivariant.o3 import spherical_harmonics_reference as spherical_harmonics

Check = Callable[[Tensor, Tensor], None]


def test_features_turn_over_and_back(generator: torch.Generator) -> None:
    irreps = o3.Irreps("3x0e+2x1o+0x2e+4x2e+1x1o")
    x = torch.arange(2.0 * irreps.dim).view(2, -1)
    y = features_from_e3nn(irreps, x)
    assert torch.equal(features_to_e3nn(str(irreps), y), x)
    # copy u, component m of 4x2e
    for u in range(4):
        for m in range(5):
            assert y[0, 9 + m * 4 + u] == x[0, 9 + u * 5 + m]
    with pytest.raises(ValueError, match=r"have 32 components"):
        features_from_e3nn(irreps, x[:, 1:])
    for function in (features_from_e3nn, features_to_e3nn):
        with pytest.raises(TypeError, match=r"shape \(2, 32\); irreps come before"):
            function(x, irreps)  # type: ignore[arg-type]


def test_golden_tensor_product(reference: Any, assert_equal: Check) -> None:
    weights, data = reference("fctp_e3nn")
    meta = data["meta"]
    irreps = [meta[f"irreps_{name}"] for name in ("in1", "in2", "out")]
    every = [(*path, "uvw", True) for path in meta["instructions"]]
    for instructions in (None, every):
        module = tensor_product_from_e3nn(weights, *irreps, instructions)
        assert not module.training
        x1 = features_from_e3nn(irreps[0], data["input/x1"])
        x2 = features_from_e3nn(irreps[1], data["input/x2"])
        out = features_to_e3nn(irreps[2], module(x1, x2))
        assert_equal(out, data["output/out"])
    assert torch.equal(tensor_product_to_e3nn(module)["weight"], weights["weight"])


def test_golden_linear(reference: Any, assert_equal: Check) -> None:
    weights, data = reference("linear_e3nn")
    irreps = data["meta"]["irreps_in"], data["meta"]["irreps_out"]
    with pytest.warns(UserWarning, match="no path leads to 1x3o"):
        module = linear_from_e3nn(weights, *irreps)
    out = module(features_from_e3nn(irreps[0], data["input/x"]))
    assert_equal(features_to_e3nn(irreps[1], out), data["output/out"])
    back = linear_to_e3nn(module)
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[name], weights[name]) for name in weights)


def _by_path(product: o3.TensorProductPaths, x: Tensor) -> list[Tensor]:
    """The output of every path, in e3nn's order of components."""
    slices = product.irreps_out.slices()
    return [x[..., slices[path.i_out]] for path in product.paths]


def test_golden_convolution(reference: Any, assert_equal: Check) -> None:
    _, data = reference("tfn_e3nn_uvu")
    meta = data["meta"]
    irreps = [meta[f"irreps_{name}"] for name in ("in", "sh", "out")]
    paths = [o3.Path(*path, "uvu") for path in meta["instructions"]]
    source = o3.TensorProductPaths(*irreps, paths)
    conv = TFNConv(
        irreps[0],
        irreps[1],
        o3.Irreps(irreps[2]).regroup(),
        edge_dim=source.weight_numel,
        self_interaction=False,
        radial=torch.nn.Identity(),
    ).double()
    target = conv.tp.product
    x = data["input/x"].requires_grad_()
    pos = data["input/pos"].requires_grad_()
    weight = data["input/weight"].requires_grad_()
    edge_index = data["input/edge_index"]
    sh = spherical_harmonics(
        o3.Irreps(irreps[1]), pos[edge_index[0]] - pos[edge_index[1]]
    )
    assert_equal(sh, data["input/edge_sh"])  # multiplicity 1: both orders are one
    own = regroup_weights(weight, source, target)
    ours = features_from_e3nn(irreps[0], x)
    message = conv.tp(ours[edge_index[0]], sh, own)
    out = conv.propagate(edge_index, x=(ours, ours), edge_sh=sh, weight=own, size=None)
    for name, value in (("message", message), ("out", out)):
        value = features_to_e3nn(target.irreps_out, value)
        assert_equal(
            torch.cat(_by_path(target, value), -1),
            torch.cat(_by_path(source, data[f"output/{name}"]), -1),
        )
    out = torch.cat(_by_path(target, features_to_e3nn(target.irreps_out, out)), -1)
    cotangent = torch.cat(_by_path(source, data["input/cotangent"]), -1)
    found = torch.autograd.grad(
        (out * cotangent).sum(), [x, pos, weight], create_graph=True
    )
    for name, gradient in zip(("x", "pos", "weight"), found, strict=True):
        assert_equal(gradient, data[f"grad/{name}"])
    (second,) = torch.autograd.grad(found[1].square().sum(), pos)
    assert_equal(second, data["grad/second_pos"])


def test_a_linear_map_goes_there_and_back() -> None:
    for bias in (True, False):
        linear = Linear("3x0e+2x1o+1x0e", "2x0e+4x1o", bias=bias).double()
        again = linear_from_e3nn(
            linear_to_e3nn(linear), linear.irreps_in, linear.irreps_out
        )
        x = linear.irreps_in.randn(5, -1, dtype=torch.float64)
        assert torch.equal(again(x), linear(x))
        assert (again.bias is None) == (not bias)


def test_a_tensor_product_goes_there_and_back() -> None:
    product = o3.TensorProductPaths.depthwise("3x0e+2x1o", "2x0e+1x1o", keep="0e+1o")
    module = TensorProduct(product).double()
    again = tensor_product_from_e3nn(
        tensor_product_to_e3nn(module),
        product.irreps_in1,
        product.irreps_in2,
        product.irreps_out,
        [tuple(path) for path in product.paths],
    )
    assert again.product == product
    assert torch.equal(again.weight, module.weight)
    free = TensorProduct(product, internal_weights=False)
    assert tensor_product_to_e3nn(free) == {}


def test_weights_from_outside() -> None:
    product = o3.TensorProductPaths.depthwise("3x0e", "1x0e+1x1o")
    module = tensor_product_from_e3nn(
        {"weight": torch.zeros(0, dtype=torch.float64), "output_mask": torch.ones(12)},
        "3x0e",
        "1x0e+1x1o",
        "3x0e+3x1o",
        [tuple(path) for path in product.paths],
    )
    assert not module.internal_weights
    x = torch.ones(2, 3, dtype=torch.float64), torch.ones(2, 4, dtype=torch.float64)
    assert module(*x, torch.ones(2, 6, dtype=torch.float64)).shape == (2, 12)


@pytest.mark.parametrize(
    ("state_dict", "match"),
    [
        ({"weight": torch.zeros(13)}, r"weight: shape \(13,\), expected \(14,\)"),
        ({"weight": torch.zeros(14), "bias": torch.zeros(3)}, r"expected \(4,\)"),
        ({"weight": torch.zeros(14), "b": torch.zeros(4)}, "without a place: b"),
        ({"bias": torch.zeros(4)}, "'weight' is missing"),
    ],
)
def test_linear_maps_that_do_not_fit(state_dict: dict[str, Tensor], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        linear_from_e3nn(state_dict, "2x0e+2x1o", "4x0e+3x1o")


def test_tensor_products_that_do_not_fit() -> None:
    irreps = "4x0e+3x1o", "1x0e+1x1o", "2x0e"
    with pytest.raises(ValueError, match=r"shape \(13,\), expected \(14,\)"):
        tensor_product_from_e3nn({"weight": torch.zeros(13)}, *irreps)
    with pytest.raises(ValueError, match="without a place: more"):
        tensor_product_from_e3nn(
            {"weight": torch.zeros(14), "more": torch.zeros(1)}, *irreps
        )
    with pytest.raises(ValueError, match="a connection is one of"):
        tensor_product_from_e3nn(
            {"weight": torch.zeros(4)}, *irreps, [(0, 0, 0, "uuw", True)]
        )
