"""The plain tensor product, against its formula and cases known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pyg_equivariant.kernels.tensor_product.reference import tensor_product
from pyg_equivariant.o3 import (
    Irreps,
    Path,
    TensorProductPaths,
    clebsch_gordan,
    rand_matrix,
    rotate,
)
from pyg_equivariant.testing import random_tensor_product


def randn(*size: int) -> Tensor:
    return torch.randn(*size, dtype=torch.float64)


def loops(
    product: TensorProductPaths, x1: Tensor, x2: Tensor, weight: Tensor
) -> Tensor:
    """The formula of :class:`TensorProduct` for one sample, number by number."""
    out = [x1.new_zeros(ir.dim, mul) for mul, ir in product.irreps_out]
    in1, in2 = product.irreps_in1.slices(), product.irreps_in2.slices()
    for path, part, coefficient in zip(
        product.paths, product.weight_slices, product.coefficients, strict=True
    ):
        (mul1, ir1), (mul2, ir2), (mul, ir) = product.blocks(path)
        c = clebsch_gordan(ir1.l, ir2.l, ir.l, dtype=torch.float64)
        x, y = x1[in1[path.i_in1]], x2[in2[path.i_in2]]
        w = weight[part]
        for u in range(mul1):
            for v in range(mul2):
                z = torch.zeros(ir.dim, dtype=x1.dtype)
                for i in range(ir1.dim):
                    for j in range(ir2.dim):
                        z += c[i, j] * x[i * mul1 + u] * y[j * mul2 + v]
                z *= coefficient
                if path.connection == "uvw":
                    for m in range(mul):
                        out[path.i_out][:, m] += w[(u * mul2 + v) * mul + m] * z
                elif path.connection == "uvu":
                    factor = w[u * mul2 + v] if path.has_weight else 1
                    out[path.i_out][:, u] += factor * z
                elif u == v:
                    out[path.i_out][:, u] += (w[u] if path.has_weight else 1) * z
    return torch.cat([block.flatten() for block in out] or [x1.new_zeros(0)])


@pytest.mark.parametrize("seed", range(15))
def test_it_is_the_formula(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    product = random_tensor_product(generator, lmax=2, max_mul=2)
    x1, x2 = randn(product.irreps_in1.dim), randn(product.irreps_in2.dim)
    weight = randn(product.weight_numel)
    expected = loops(product, x1, x2, weight)
    found = tensor_product(product, x1, x2, weight)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("sign", [1, -1])
def test_it_is_equivariant(seed: int, sign: int, generator: torch.Generator) -> None:
    product = random_tensor_product(torch.Generator().manual_seed(seed), lmax=4)
    R = sign * rand_matrix(generator=generator, dtype=torch.float64)
    x1, x2 = randn(3, product.irreps_in1.dim), randn(3, product.irreps_in2.dim)
    weight = randn(product.weight_numel)
    found = tensor_product(
        product,
        rotate(product.irreps_in1, x1, R),
        rotate(product.irreps_in2, x2, R),
        weight,
    )
    expected = rotate(product.irreps_out, tensor_product(product, x1, x2, weight), R)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_vectors_give_dot_and_cross_product() -> None:
    x, y = randn(5, 3), randn(5, 3)
    dot = TensorProductPaths.elementwise("1o", "1o", keep="0e")
    expected = (x * y).sum(-1, keepdim=True) / math.sqrt(3)
    torch.testing.assert_close(tensor_product(dot, x, y), expected)
    cross = TensorProductPaths.elementwise("1o", "1o", keep="1e")
    expected = torch.linalg.cross(x, y) / math.sqrt(2)
    torch.testing.assert_close(tensor_product(cross, x, y), expected)


def test_scalars_multiply() -> None:
    product = TensorProductPaths.elementwise("4x0e+2x2e", "4x0e+2x0e")
    x, y = randn(5, 14), randn(5, 6)
    gates = torch.cat([y[:, :4], y[:, 4:].repeat(1, 5)], dim=-1)
    torch.testing.assert_close(tensor_product(product, x, y), x * gates)


def test_batch_dimensions_broadcast() -> None:
    product = TensorProductPaths.fully_connected("2x0e+1o", "0e+1o", "3x1o+0e")
    x1, x2, weight = randn(4, 1, 5), randn(3, 4), randn(2, 1, 1, product.weight_numel)
    found = tensor_product(product, x1, x2, weight)
    assert found.shape == (2, 4, 3, 10)
    one = tensor_product(product, x1[2, 0], x2[1], weight[1, 0, 0])
    torch.testing.assert_close(found[1, 2, 1], one)


def test_outputs_without_paths_are_zero_in_the_shape_of_the_batch() -> None:
    product = TensorProductPaths(Irreps("1o"), Irreps("0e"), Irreps("2x0e"), ())
    assert torch.equal(
        tensor_product(product, randn(4, 3), randn(1)),
        torch.zeros(4, 2, dtype=torch.float64),
    )
    nothing = TensorProductPaths(Irreps(), Irreps(), Irreps(), ())
    assert tensor_product(nothing, randn(4, 0), randn(0)).shape == (4, 0)


def test_weights_are_needed_where_paths_carry_them() -> None:
    product = TensorProductPaths(
        Irreps("2x0e"), Irreps("0e"), Irreps("0e"), (Path(0, 0, 0),)
    )
    with pytest.raises(ValueError, match=r"expected weights .*2.*got none"):
        tensor_product(product, randn(2), randn(1))
