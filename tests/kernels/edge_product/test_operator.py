"""The product of edges and targets equals its specification, with derivatives."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.kernels import EdgeProduct, dispatch
from pyg_equivariant.kernels.c.build import compiler
from pyg_equivariant.kernels.edge_product.operator import edge_product
from pyg_equivariant.kernels.edge_product.reference import edge_product_reference
from pyg_equivariant.kernels.paths import Paths
from pyg_equivariant.kernels.tensor_product.reference import tensor_product
from pyg_equivariant.o3 import Irreps, Path, TensorProductPaths


def joined(in1: str, in2: str, out: str, weighted: bool = True) -> TensorProductPaths:
    """All paths of copies ``u`` with copies ``u``."""
    first, second, third = Irreps(in1), Irreps(in2), Irreps(out)
    paths = [
        Path(i, j, k, "uuu", weighted)
        for k, (_, c) in enumerate(third)
        for i, (_, a) in enumerate(first)
        for j, (_, b) in enumerate(second)
        if c in a * b
    ]
    return TensorProductPaths(
        first, second, third, tuple(paths), path_normalization="none"
    )


PRODUCTS = {
    "scalars": joined("7x0e", "7x0e", "7x0e"),
    "vectors": joined("3x0e+3x1o", "3x0e+3x1o", "3x0e+3x1o+3x1e"),
    "one channel": joined("0e+1o+2e", "0e+1o+2e", "0e+1o+2e"),
    "many channels": joined("17x1o+17x2e", "17x0e+17x1o", "17x1o+17x2o"),
    "vectors of channels": joined("16x0e+16x1o", "16x0e+16x1o", "16x0e+16x1o"),
    "without weights": joined("4x0e+4x1o", "4x0e+4x1o", "4x0e+4x1o", False),
    "degree 4": joined("2x2e+2x3o", "2x4e", "2x1o+2x2e+2x5e"),
    "unreached": joined("3x0e", "3x0e", "3x0e+3x1o"),
}
NODES = 5
GRAPHS = {"none": 0, "one": 1, "few": 13, "many": 700}


def arguments(
    product: TensorProductPaths, edges: int, dtype: torch.dtype = torch.float64
) -> tuple[dict[str, Tensor], Tensor]:
    """``x``, ``y``, ``w`` and ``g``; edges from more nodes than they arrive at."""
    x, y, w, g = Paths.of(product, "uuu").dims
    shapes = {"x": (edges, x), "y": (NODES, y), "w": (w,), "g": (edges, g)}
    given = {a: torch.randn(shape, dtype=dtype) for a, shape in shapes.items()}
    source = torch.randint(2 * NODES, (edges,))
    return given, torch.stack([source, torch.randint(NODES, (edges,))])


@pytest.fixture(autouse=True)
def _kernels_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be built fails, and does not run in plain torch."""
    if compiler() is None:
        pytest.skip("needs a C compiler")

    def fast(fast: Callable[..., object], _: object, *given: object) -> object:
        return fast(*given)

    name = "pyg_equivariant.kernels.edge_product.operator.fast_or_plain"
    monkeypatch.setattr(name, fast)


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_derivative_is_that_of_the_reference(name: str) -> None:
    product = PRODUCTS[name]
    paths = Paths.of(product, "uuu")
    letters = "xywg" if product.weight_numel else "xyg"
    wanted = ["g", letters[:-1].replace("g", "")]
    if name in ("vectors", "without weights"):
        pairs = map("".join, combinations(letters, 2))
        wanted += [*letters, *pairs, letters.replace("x", "")]
    for edges in (13, 700) if name == "vectors" else (13,):
        given, edge_index = arguments(product, edges)
        for outputs in dict.fromkeys(wanted):
            found = edge_product(
                *given.values(), edge_index, paths.text(), outputs, NODES
            )
            rest = paths, given, edge_index, NODES, outputs
            for a, b in zip(found, edge_product_reference(*rest), strict=True):
                assert a.shape == b.shape
                torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("edges", GRAPHS.values(), ids=list(GRAPHS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_is_the_product_with_what_is_gathered(edges: int, dtype: torch.dtype) -> None:
    product = PRODUCTS["vectors of channels"]
    compute = EdgeProduct(product)
    given, edge_index = arguments(product, edges, dtype)
    x, y, w, _ = given.values()
    constants = [constant.to(dtype) for constant in compute.constants]
    found = compute(x, y, w, edge_index, constants)
    assert found.dtype == dtype
    wide = (t.double() for t in (x, y[edge_index[1]], w))
    expected = tensor_product(product, *wide)
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-12, torch.bfloat16: 5e-2}[dtype]
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["vectors", "without weights"])
def test_derivatives_are_right(name: str) -> None:
    product = PRODUCTS[name]
    compute = EdgeProduct(product)
    given, edge_index = arguments(product, 6)
    x, y, w, _ = (t.requires_grad_() for t in given.values())
    inputs = (x, y, w) if product.weight_numel else (x, y)

    def function(*inputs: Tensor) -> Tensor:
        x, y, *w = inputs
        return compute(x, y, *(w or [None]), edge_index, compute.constants)

    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


def test_plain_torch_serves_where_there_is_no_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    product = PRODUCTS["vectors"]
    compute = EdgeProduct(product)
    given, edge_index = arguments(product, 40)
    x, y, w, _ = given.values()
    expected = compute(x, y, w, edge_index, compute.constants)
    monkeypatch.setattr(dispatch, "has_c", lambda: False)
    found = compute(x, y, w, edge_index, compute.constants)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_bad_input_is_named() -> None:
    product = PRODUCTS["vectors"]
    compute = EdgeProduct(product)
    given, edge_index = arguments(product, 6)
    x, y, w, _ = given.values()
    constants = compute.constants
    with pytest.raises(ValueError, match=r"x \(6, 12\), got \(5, 12\); edge_index"):
        compute(x[1:], y, w, edge_index, constants)
    with pytest.raises(ValueError, match=r"y \(5, 12\), got \(5, 11\)"):
        compute(x, y[:, 1:], w, edge_index, constants)
    with pytest.raises(ValueError, match=r"weight \(15,\), got none"):
        compute(x, y, None, edge_index, constants)
    with pytest.raises(IndexError, match="target nodes"):
        compute(x, y[:1], w, edge_index, constants)
    with pytest.raises(TypeError, match="real"):
        compute(x.long(), y, w, edge_index, constants)
