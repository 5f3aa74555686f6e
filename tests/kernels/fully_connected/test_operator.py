"""The fully connected product of rows equals its specification, with derivatives."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.kernels import dispatch
from pyg_equivariant.kernels.environment import said
from pyg_equivariant.kernels.fully_connected.operator import (
    fully_connected,
    product_of_rows,
)
from pyg_equivariant.kernels.fully_connected.reference import fully_connected_reference
from pyg_equivariant.kernels.paths import Paths
from pyg_equivariant.kernels.tensor_product import reference
from pyg_equivariant.o3 import Irreps, TensorProductPaths

HARMONICS = Irreps.spherical_harmonics(2)
full = TensorProductPaths.fully_connected
PRODUCTS = {
    "scalars": full("7x0e", "0e", "3x0e"),
    "vectors": full("3x0e+3x1o", "0e+1o", "5x0e+2x1o"),
    "one channel": full("0e+1o+2e", HARMONICS, "0e+1o+2e"),
    "unequal channels": full("33x0e+5x1o+1x1e+0x2e", HARMONICS, "17x0e+6x1o+1x2o"),
    "degree 5": full("2x2e+3x5o", "3o+4e", "2x1o+5x5e+2e"),
    "blocks twice": full("3x0e+4x1o+2x0e+1x1o", HARMONICS, "2x0e+3x1o+4x0e"),
    "unreached": full("3x0e", "0e", "2x0e+2x1o"),
}
ROWS = (0, 1, 5, 40, 700)


def multiply(product: TensorProductPaths) -> Callable[..., Tensor]:
    """The product as a function of ``x``, ``y`` and ``w``; without plain torch."""
    return partial(product_of_rows, paths=Paths.of(product, "uvw").text())


def arguments(
    product: TensorProductPaths, rows: int, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """``x``, ``y``, ``w`` and ``g``."""
    x, y, w, g = Paths.of(product, "uvw").dims
    shapes = (rows, x), (rows, y), (w,), (rows, g)
    return [torch.randn(shape, dtype=dtype) for shape in shapes]


def assert_same(found: list[Tensor], expected: list[Tensor], rtol: float) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        scale = max(1.0, float(b.abs().max())) if b.numel() else 1.0
        torch.testing.assert_close(a, b, rtol=0, atol=rtol * scale)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("wanted", ["x", "y", "w", "g", "xy", "yw", "xywg"])
@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_the_operator_is_its_reference(
    product: TensorProductPaths, wanted: str, rows: int
) -> None:
    tensors = dict(zip("xywg", arguments(product, rows), strict=True))
    paths = Paths.of(product, "uvw")
    expected = fully_connected_reference(paths, tensors, rows, wanted)
    if len(wanted) == 1:
        tensors[wanted] = None
    found = fully_connected(*tensors.values(), paths.text(), wanted, rows)
    assert_same(found, expected, 1e-12)


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_is_the_tensor_product(product: TensorProductPaths) -> None:
    x, y, w, _ = arguments(product, 9)
    expected = reference.tensor_product(product, x, y, w)
    assert_same([multiply(product)(x, y, w)], [expected], 1e-12)


@pytest.mark.parametrize("mul", [1, 3, 7, 33, 128])
def test_single_precision_and_channels(mul: int) -> None:
    product = full(f"{mul}x0e+{mul}x1o", HARMONICS, f"{mul}x0e+{mul}x2e")
    paths = Paths.of(product, "uvw")
    tensors = dict(zip("xywg", arguments(product, 50, torch.float32), strict=True))
    wide = {name: t.double() for name, t in tensors.items()}
    expected = fully_connected_reference(paths, wide, 50, "xywg")
    found = fully_connected(*tensors.values(), paths.text(), "xywg", 50)
    assert_same([t.double() for t in found], expected, 1e-5)


def test_bfloat16_is_summed_in_float32() -> None:
    product = PRODUCTS["unequal channels"]
    x, y, w, _ = (t.bfloat16() for t in arguments(product, 20))
    found = multiply(product)(x, y, w)
    expected = multiply(product)(x.float(), y.float(), w.float())
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected.bfloat16())


def test_derivatives_of_two_orders() -> None:
    product = PRODUCTS["vectors"]
    compute = multiply(product)
    x, y, w, _ = (t.requires_grad_() for t in arguments(product, 3))
    assert gradcheck(compute, (x, y, w))
    assert gradgradcheck(compute, (x, y, w))


def test_rows_that_are_not_contiguous_or_broadcast() -> None:
    product = PRODUCTS["vectors"]
    compute = multiply(product)
    x, y, w, _ = arguments(product, 12)
    expected = compute(x, y, w)
    wide = torch.randn(12, 2 * x.shape[1], dtype=x.dtype)
    wide[:, ::2] = x
    assert_same([compute(wide[:, ::2], y.T.contiguous().T, w)], [expected], 1e-15)
    folded = compute(x.view(3, 4, -1), y.view(3, 4, -1), w)
    assert_same([folded], [expected.view(3, 4, -1)], 1e-15)
    alone = compute(x.view(3, 4, -1), y[0], w)
    same = compute(x, y[:1].expand(12, -1), w)
    assert_same([alone.flatten(0, 1)], [same], 1e-15)
    assert_same([compute(x[0], y[0], w)], [expected[0]], 1e-15)


def test_equal_bit_by_bit_for_any_number_of_threads() -> None:
    product = PRODUCTS["unequal channels"]
    paths = Paths.of(product, "uvw").text()
    tensors = arguments(product, 3000, torch.float32)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3, 1):
            torch.set_num_threads(count)
            results.append(fully_connected(*tensors, paths, "xywg", 3000))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


def test_without_a_compiler_plain_torch_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    product = PRODUCTS["vectors"]
    x, y, w, _ = arguments(product, 4)
    expected = multiply(product)(x, y, w)
    monkeypatch.setattr(dispatch, "compiler", lambda: None)
    monkeypatch.setattr(dispatch, "_built_ahead", lambda: False)
    said.clear()
    try:
        compute = multiply(product)
        with pytest.warns(UserWarning, match="no C compiler"):
            found = compute(x, y, w)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compute(x, y, w)
    finally:
        said.clear()
    assert_same([found], [expected], 1e-12)


def test_operator_passes_the_checks_of_torch() -> None:
    paths = Paths.of(PRODUCTS["vectors"], "uvw").text()
    x, y, w, _ = (t.requires_grad_() for t in arguments(PRODUCTS["vectors"], 3))
    torch.library.opcheck(
        torch.ops.pyg_equivariant.fully_connected.default,
        (x, y, w, None, paths, "g", 3),
    )
