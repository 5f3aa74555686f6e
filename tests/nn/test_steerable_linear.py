"""The linear layer of steerable MLPs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

from pyg_equivariant.kernels.tensor_product.reference import tensor_product
from pyg_equivariant.nn import Linear, SteerableLinear
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant, random_irreps


def quiet(*args: Any, **kwargs: Any) -> SteerableLinear:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SteerableLinear(*args, **kwargs).double()


@pytest.mark.parametrize("seed", range(25))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = [random_irreps(generator, max_blocks=3) for _ in range(3)]
    assert_equivariant(quiet(*irreps), generator=generator)


def test_golden(golden: Callable[[str], dict[str, Any]]) -> None:
    data = golden("segnn_o3tensorproduct")
    meta = data["meta"]
    names = ("irreps_in", "irreps_attr", "irreps_out")
    module = SteerableLinear(*(meta[name] for name in names)).double()
    with torch.no_grad():
        module.weight.copy_(data["weight/tp.weight"])
        module.bias.copy_(data["weight/biases"])
    x = module.irreps_in.from_mul_ir(data["input/x"])
    attr = module.irreps_attr.from_mul_ir(data["input/attr"])
    found = module.irreps_out.to_mul_ir(module(x, attr))
    torch.testing.assert_close(found, data["output/out"], rtol=1e-10, atol=1e-10)


def test_it_is_the_tensor_product_without_the_fan_in() -> None:
    module = quiet("2x0e+1x1o", "1x0e+2x1o", "3x1o+2x0e")
    x = module.irreps_in.randn(4, -1, dtype=torch.float64)
    attr = module.irreps_attr.randn(4, -1, dtype=torch.float64)
    expected = tensor_product(module.tp.product, x, attr, module.weight)
    expected[:, 9:] += module.bias
    torch.testing.assert_close(module(x, attr), expected)
    bare = module(x, attr, add_bias=False)
    torch.testing.assert_close(module.add_bias(bare), expected)
    assert torch.equal(bare[:, :9], module(x, attr)[:, :9])
    for path, c in zip(
        module.tp.product.paths, module.tp.product.coefficients, strict=True
    ):
        assert math.isclose(c, math.sqrt(module.irreps_out[path.i_out].ir.dim))


def test_weights_start_uniform_within_the_fan_in() -> None:
    module = SteerableLinear("6x0e+4x1o", "1x0e+1x1o", "300x0e+300x1o")
    for path, part in zip(
        module.tp.product.paths, module.tp.product.weight_slices, strict=True
    ):
        bound = 1 / math.sqrt(10)
        weights = module.weight[part].detach()
        assert weights.abs().max() <= bound
        assert weights.abs().max() > 0.95 * bound
        assert abs(float(weights.mean())) < 0.1 * bound
        assert path.i_out in (0, 1)
    assert 0.9 / math.sqrt(10) < module.bias.detach().abs().max() <= 1 / math.sqrt(10)


def test_the_trivial_attribute_gives_a_plain_linear_layer() -> None:
    module = quiet("3x0e+2x1o", "0e", "4x0e+2x1o")
    x = module.irreps_in.randn(4, -1, dtype=torch.float64)
    linear = Linear(module.irreps_in, module.irreps_out).double()
    with torch.no_grad():
        linear.weight[:12] = module.weight[:12] * math.sqrt(3)
        linear.weight[12:] = module.weight[12:] * math.sqrt(2)
        linear.bias.copy_(module.bias)
    torch.testing.assert_close(module(x), linear(x))
    torch.testing.assert_close(module(x, torch.ones(4, 1, dtype=x.dtype)), linear(x))


def test_only_the_trivial_attribute_may_be_left_out() -> None:
    for attr in ("2x0e", "0e+1o", "0o"):
        with pytest.raises(ValueError, match="only an attribute 1x0e may be left out"):
            quiet("2x0e", attr, "2x0e+2x0o")(torch.zeros(1, 2, dtype=torch.float64))


def test_unreached_outputs_are_zero_and_named() -> None:
    with pytest.warns(UserWarning, match=r"no path leads to 2x2e\+3x0e") as log:
        module = SteerableLinear("2x1o", "1x0e", "2x2e+2x1o+3x0e+0x3o")
    assert log[0].filename == __file__
    y = module(torch.randn(5, 6))
    zeros = torch.cat([y[:, :10], y[:, 16:]], dim=-1)
    assert torch.equal(zeros, torch.zeros_like(zeros))
    assert y.isfinite().all()


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    module = quiet("2x0e+1x1o", "1x0e+1x1o", "2x0e+1x1o+1x2e")
    x = module.irreps_in.randn(3, -1, dtype=torch.float64)
    attr = module.irreps_attr.randn(3, -1, dtype=torch.float64)
    x[0], attr[1] = 0, 0
    check_derivatives(module, x, attr)


def test_without_bias() -> None:
    module = SteerableLinear("2x0e", "0e", Irreps("2x0e"), bias=False)
    assert module.bias is None
    assert torch.equal(module(torch.zeros(3, 2)), torch.zeros(3, 2))


def test_repr() -> None:
    assert repr(SteerableLinear("8x0e+4x1o", "1x0e+1x1o", "16x0e+4x1o")) == (
        "SteerableLinear(8x0e+4x1o, attributes 1x0e+1x1o -> 16x0e+4x1o, 256 parameters)"
    )
