"""The kernel of a tensor product computes what the reference specifies."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.kernels import TensorProductKernel
from pyg_equivariant.kernels.fully_connected import operator
from pyg_equivariant.kernels.tensor_product.reference import tensor_product
from pyg_equivariant.o3 import TensorProductPaths

IRREPS = "3x0e+2x1o", "0e+1o"
PRODUCTS = {
    "uvw": TensorProductPaths.fully_connected(*IRREPS, "2x0e+3x1o"),
    "uvu": TensorProductPaths.depthwise(*IRREPS),
    "no weights": TensorProductPaths.elementwise("3x0e+2x1o", "3x0e+2x1o"),
    "nothing": TensorProductPaths.fully_connected("3x0e", "0e", "0x0e"),
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ran: an entry for every call of the one operation."""
    heard: list[str] = []
    original = operator.product_of_rows

    def counted(*arguments) -> Tensor:
        heard.append("one operation")
        return original(*arguments)

    monkeypatch.setattr(operator, "product_of_rows", counted)
    return heard


def inputs(product: TensorProductPaths, rows: int = 6) -> list[Tensor]:
    dims = product.irreps_in1.dim, product.irreps_in2.dim
    weight = torch.randn(product.weight_numel, dtype=torch.float64)
    return [*(torch.randn(rows, d, dtype=torch.float64) for d in dims), weight]


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("weights", ["shared", "of every row"])
def test_is_the_reference(name: str, weights: str, calls: list[str]) -> None:
    product = PRODUCTS[name]
    compute = TensorProductKernel(product)
    x1, x2, weight = inputs(product)
    if weights != "shared":
        weight = weight * torch.rand(6, 1, dtype=torch.float64)
    found = compute(x1, x2, weight, compute.constants)
    expected = tensor_product(product, x1, x2, weight)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert bool(calls) == (name == "uvw" and weights == "shared")


def test_torch_func_sees_through(calls: list[str]) -> None:
    product = PRODUCTS["uvw"]
    compute = TensorProductKernel(product)
    x1, x2, weight = inputs(product)
    found = torch.func.vmap(lambda w: compute(x1, x2, w, compute.constants))(
        torch.stack([weight, 2 * weight])
    )
    assert calls == []
    once = compute(x1, x2, weight, compute.constants)
    torch.testing.assert_close(found, torch.stack([once, 2 * once]))
