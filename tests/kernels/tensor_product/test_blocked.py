"""The blocked tensor product computes what the reference specifies."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.kernels.tensor_product.blocked import BlockedTensorProduct
from pyg_equivariant.kernels.tensor_product.reference import tensor_product
from pyg_equivariant.o3 import Irreps, Path, TensorProductPaths
from pyg_equivariant.testing import random_tensor_product

SHAPES = {
    "shared weights": ((4,), (4,), ()),
    "weights per sample": ((4,), (4,), (4,)),
    "one second input": ((4,), (), ()),
    "one first input": ((), (4,), (4,)),
    "broadcast": ((2, 1), (1, 3), (2, 3)),
    "weights alone in a batch": ((), (), (4,)),
    "empty batch": ((0,), (0,), ()),
    "no batch": ((), (), ()),
}


def inputs(product: TensorProductPaths, shapes: str) -> list[Tensor]:
    dims = (product.irreps_in1.dim, product.irreps_in2.dim, product.weight_numel)
    return [
        torch.randn(*batch, dim, dtype=torch.float64, requires_grad=True)
        for batch, dim in zip(SHAPES[shapes], dims, strict=True)
    ]


def direction(like: Tensor) -> Tensor:
    """Random numbers that are the same for any strides."""
    return torch.randn(like.shape, dtype=like.dtype)


def everything(function, arguments: list[Tensor]) -> list[Tensor]:
    """Value, and first and second derivatives along fixed random directions."""
    torch.manual_seed(1)
    value = function(*arguments)
    results = [value]
    for _ in range(2):
        scalar = (results[0] * direction(results[0])).sum()
        for each in results[1:]:
            scalar = scalar + (each * direction(each)).sum()
        scalar = scalar + sum(0 * x.sum() for x in arguments)  # depends on all, always
        results += torch.autograd.grad(
            scalar, arguments, create_graph=True, materialize_grads=True
        )
    return results


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_reference(seed: int, shapes: str) -> None:
    product = random_tensor_product(torch.Generator().manual_seed(seed))
    compute = BlockedTensorProduct(product)
    arguments = inputs(product, shapes)

    def reference(x1: Tensor, x2: Tensor, weight: Tensor) -> Tensor:
        return tensor_product(product, x1, x2, weight)

    def blocked(x1: Tensor, x2: Tensor, weight: Tensor) -> Tensor:
        return compute(x1, x2, weight, compute.constants)

    expected = everything(reference, arguments)
    found = everything(blocked, arguments)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "product",
    [
        TensorProductPaths.fully_connected("2x0e+2x1o", "0e+2x1o", "2x1o+0e"),
        TensorProductPaths.depthwise("2x1o+2e", "0e+1o", keep="0e+1o"),
        TensorProductPaths.elementwise("2x1o", "2x1o", has_weight=True),
    ],
    ids=["uvw", "uvu", "uuu"],
)
def test_derivatives_at_generic_and_at_zero_features(
    product: TensorProductPaths,
) -> None:
    compute = BlockedTensorProduct(product)
    x1, x2, weight = inputs(product, "weights per sample")
    with torch.no_grad():
        x1[0], x2[1], weight[2] = 0, 0, 0
    arguments = (x1, x2, weight)

    def function(x1: Tensor, x2: Tensor, weight: Tensor) -> Tensor:
        return compute(x1, x2, weight, compute.constants)

    assert gradcheck(function, arguments)
    assert gradgradcheck(function, arguments)


@pytest.mark.parametrize("shapes", ["shared weights", "broadcast", "no batch"])
def test_paths_without_weights_need_none(shapes: str) -> None:
    product = TensorProductPaths.elementwise("2x1o+0e", "2x1o+0e")
    compute = BlockedTensorProduct(product)
    x1, x2, _ = inputs(product, shapes)
    found = compute(x1, x2, None, compute.constants)
    torch.testing.assert_close(found, tensor_product(product, x1, x2))


def test_weights_are_needed_where_paths_carry_them() -> None:
    compute = BlockedTensorProduct(
        TensorProductPaths.fully_connected("2x0e", "0e", "0e")
    )
    with pytest.raises(ValueError, match=r"expected weights \(..., 2\)"):
        compute(torch.zeros(2), torch.zeros(1), None, compute.constants)


def test_weighted_and_plain_paths_into_one_block() -> None:
    paths = (Path(0, 0, 0, "uvu", False), Path(1, 0, 0, "uvw"), Path(0, 1, 0, "uvu"))
    product = TensorProductPaths(
        Irreps("2x0e+3x0e"), Irreps("0e+2x0e"), Irreps("2x0e"), paths
    )
    compute = BlockedTensorProduct(product)
    x1, x2, weight = inputs(product, "weights per sample")
    found = compute(x1, x2, weight, compute.constants)
    torch.testing.assert_close(found, tensor_product(product, x1, x2, weight))


def test_constants_stay_small_for_many_channels() -> None:
    many = "64x0e+64x1o+64x2e"
    compute = BlockedTensorProduct(TensorProductPaths.fully_connected(many, many, many))
    assert sum(constant.numel() for constant in compute.constants) < 2000
