"""Equivariant bilinear maps with learned weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.kernels.tensor_product.reference import tensor_product
from pyg_equivariant.nn import FullyConnectedTensorProduct, TensorProduct
from pyg_equivariant.testing import (
    assert_equivariant,
    random_irreps,
    random_tensor_product,
)


def quiet(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A float64 module; random irreps need not reach one another."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs).double()


@pytest.mark.parametrize("seed", range(25))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    product = random_tensor_product(generator, lmax=4)
    module = quiet(TensorProduct, product)
    assert_equivariant(module, generator=generator)


@pytest.mark.parametrize("seed", range(15))
def test_equivariance_of_all_paths_with_weights_per_sample(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = [random_irreps(generator, max_blocks=3) for _ in range(3)]
    module = quiet(FullyConnectedTensorProduct, *irreps, internal_weights=False)
    x1, x2 = (each.randn(5, -1, dtype=torch.float64) for each in irreps[:2])
    weight = torch.randn(5, module.weight_numel, dtype=torch.float64)
    assert_equivariant(
        module,
        irreps_in=[module.irreps_in1, module.irreps_in2, None],
        inputs=[x1, x2, weight],
    )


def test_there_are_no_other_equivariant_maps(generator: torch.Generator) -> None:
    irreps = [o3.Irreps(each) for each in ("2x0e+1x1o", "0e+1o", "0e+1o+1e+1x2e")]
    conditions = []
    for sign in (1, -1, 1):
        R = sign * o3.rand_matrix(generator=generator, dtype=torch.float64)
        D1, D2, D = (
            o3.rotate(each, torch.eye(each.dim, dtype=torch.float64), R).mT.contiguous()
            for each in irreps
        )
        both = torch.kron(D1, D2)
        one = torch.eye(irreps[2].dim, dtype=torch.float64)
        unit = torch.eye(both.shape[0], dtype=torch.float64)
        conditions.append(torch.kron(D, unit) - torch.kron(one, both.mT.contiguous()))
    rank = torch.linalg.matrix_rank(torch.cat(conditions), tol=1e-8)
    module = FullyConnectedTensorProduct(*irreps)
    free = irreps[0].dim * irreps[1].dim * irreps[2].dim - rank
    assert free == module.weight_numel == 8


@pytest.mark.parametrize("seed", range(5))
def test_it_computes_the_reference(seed: int) -> None:
    product = random_tensor_product(torch.Generator().manual_seed(seed))
    module = quiet(TensorProduct, product)
    x1 = product.irreps_in1.randn(4, -1, dtype=torch.float64)
    x2 = product.irreps_in2.randn(4, -1, dtype=torch.float64)
    expected = tensor_product(product, x1, x2, module.weight)
    torch.testing.assert_close(module(x1, x2), expected, rtol=1e-12, atol=1e-12)


def test_golden_fully_connected(golden: Callable[[str], dict[str, Any]]) -> None:
    data = golden("fctp_e3nn")
    meta = data["meta"]
    names = ("irreps_in1", "irreps_in2", "irreps_out")
    module = quiet(FullyConnectedTensorProduct, *(meta[name] for name in names))
    assert [path[:3] for path in module.product.paths] == meta["instructions"]
    with torch.no_grad():
        module.weight.copy_(data["weight/weight"])
    x1 = module.irreps_in1.from_mul_ir(data["input/x1"])
    x2 = module.irreps_in2.from_mul_ir(data["input/x2"])
    found = module.irreps_out.to_mul_ir(module(x1, x2))
    torch.testing.assert_close(found, data["output/out"], rtol=1e-10, atol=1e-10)


def test_golden_depthwise_on_a_graph_with_derivatives(
    golden: Callable[[str], dict[str, Any]],
) -> None:
    data = golden("tfn_e3nn_uvu")
    meta = data["meta"]
    product = o3.TensorProductPaths(
        o3.Irreps(meta["irreps_in"]),
        o3.Irreps(meta["irreps_sh"]),
        o3.Irreps(meta["irreps_out"]),
        tuple(o3.Path(*path, "uvu") for path in meta["instructions"]),
    )
    torch.testing.assert_close(product.coefficients, tuple(meta["path_coefficients"]))
    module = quiet(TensorProduct, product, internal_weights=False)
    x, pos, weight = (
        data[f"input/{name}"].requires_grad_() for name in ("x", "pos", "weight")
    )
    source, target = data["input/edge_index"]
    edge_sh = o3.spherical_harmonics_reference(
        product.irreps_in2, pos[source] - pos[target]
    )
    features = product.irreps_in1.from_mul_ir(x)
    message = product.irreps_out.to_mul_ir(module(features[source], edge_sh, weight))
    out = torch.zeros_like(data["output/out"]).index_add(0, target, message)

    # First and second derivatives
    inputs = (x, pos, weight)
    scalar = (out * data["input/cotangent"]).sum()
    first = torch.autograd.grad(scalar, inputs, create_graph=True)
    (second,) = torch.autograd.grad(first[1].square().sum(), pos)
    for found, name in [
        (edge_sh, "input/edge_sh"),
        (message, "output/message"),
        (out, "output/out"),
        (first[0], "grad/x"),
        (first[1], "grad/pos"),
        (first[2], "grad/weight"),
        (second, "grad/second_pos"),
    ]:
        scale = data[name].abs().max()
        torch.testing.assert_close(
            found / scale, data[name] / scale, rtol=0, atol=1e-10
        )


@pytest.mark.parametrize("internal", [True, False])
def test_derivatives(internal: bool, check_derivatives: Callable[..., None]) -> None:
    module = FullyConnectedTensorProduct(
        "2x0e+1x1o", "1x0e+1x1o", "1x0e+2x1o+1x2e", internal_weights=internal
    ).double()
    x1 = module.irreps_in1.randn(3, -1, dtype=torch.float64)
    x2 = module.irreps_in2.randn(3, -1, dtype=torch.float64)
    x1[0], x2[1] = 0, 0
    weight = torch.randn(3, module.weight_numel, dtype=torch.float64)
    check_derivatives(module, x1, x2, *([] if internal else [weight]))


def test_both_inputs_are_checked() -> None:
    module = FullyConnectedTensorProduct("2x0e", "1o", "1o")
    x, y = torch.randn(3, 2), torch.randn(3, 3)
    with pytest.raises(ValueError, match="x1 holds features of 2x0e: expected 2"):
        module(y, y)
    with pytest.raises(ValueError, match="x2 holds features of 1x1o: expected 3"):
        module(x, x)
    with pytest.raises(TypeError, match=r"x2 .*torch\.float64"):
        module(x, y.double())


def test_weights_are_given_once() -> None:
    module = FullyConnectedTensorProduct("2x0e", "0e", "0e")
    x, y = torch.randn(3, 2), torch.randn(3, 1)
    with pytest.raises(ValueError, match="internal_weights=False to pass them"):
        module(x, y, torch.randn(2))
    module = FullyConnectedTensorProduct("2x0e", "0e", "0e", internal_weights=False)
    for weight, got in [(None, "none"), (torch.randn(3), r"shape \(3,\)")]:
        with pytest.raises(ValueError, match=rf"\(2,\) or \(..., 2\), got {got}"):
            module(x, y, weight)
    with pytest.raises(TypeError, match=r"weight is torch.float64"):
        module(x, y, torch.randn(2, dtype=torch.float64))


def test_a_product_without_weights_needs_none() -> None:
    product = o3.TensorProductPaths.elementwise("3x1o", "3x1o", keep="0e")
    module = TensorProduct(product, internal_weights=False)
    x = torch.randn(4, 9)
    expected = x.view(4, 3, 3).square().sum(1) / 3**0.5
    torch.testing.assert_close(module(x, x), expected)


def test_unreached_outputs_are_zero_and_named() -> None:
    with pytest.warns(UserWarning, match="no path leads to 2x1e in irreps_out") as log:
        module = FullyConnectedTensorProduct("4x0e", "1x1o", "2x1e+3x1o+0x2e")
    assert log[0].filename == __file__
    y = module(torch.randn(7, 4), torch.randn(7, 3))
    assert torch.equal(y[:, :6], torch.zeros(7, 6))
    assert (y[:, 6:] != 0).all()


def test_a_product_that_reaches_nothing_is_zero() -> None:
    module = quiet(FullyConnectedTensorProduct, "2x0e", "0e", "2x1o")
    x: Tensor = torch.randn(4, 2, dtype=torch.float64)
    assert torch.equal(module(x, x[:, :1]), torch.zeros(4, 6, dtype=torch.float64))


def test_repr_and_the_printed_paths() -> None:
    module = FullyConnectedTensorProduct("8x0e+4x1o", "1x0e+1x1o", "8x0e+4x1o")
    assert repr(module) == (
        "FullyConnectedTensorProduct(8x0e+4x1o * 1x0e+1x1o -> 8x0e+4x1o, 4 paths, "
        "144 weights)"
    )
    assert "4x1o * 1x1o -> 8x0e  uvw" in str(module.product)
