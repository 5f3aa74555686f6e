"""Modules with e3nn's weights give e3nn's numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import (
    Dropout,
    FullyConnectedTensorProduct,
    Gate,
    Linear,
    NormActivation,
    TensorProduct,
)
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import random_irreps, random_tensor_product

e3nn = pytest.importorskip("e3nn")
o3 = pytest.importorskip("e3nn.o3")
nn = pytest.importorskip("e3nn.nn")

SEEDS = range(200)


@pytest.fixture(autouse=True)
def _e3nn_in_float64() -> Iterator[None]:
    """Its constants follow torch's default dtype; and it takes its time to optimise."""
    dtype, options = torch.get_default_dtype(), e3nn.get_optimization_defaults()
    torch.set_default_dtype(torch.float64)
    e3nn.set_optimization_defaults(optimize_einsums=False, jit_script_fx=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # random irreps need not reach one another
        yield
    torch.set_default_dtype(dtype)
    e3nn.set_optimization_defaults(**options)


def assert_same(ours: Tensor, theirs: Tensor, irreps_out: Irreps) -> None:
    found = irreps_out.to_mul_ir(ours)
    torch.testing.assert_close(found, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_fully_connected_tensor_product(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = [random_irreps(generator, max_blocks=3, max_mul=2) for _ in range(3)]
    normalization = ("component", "norm")[seed % 2]
    path_normalization = ("element", "path")[seed // 2 % 2]
    theirs = o3.FullyConnectedTensorProduct(
        *map(str, irreps), normalization, path_normalization
    )
    ours = FullyConnectedTensorProduct(
        *irreps,
        irrep_normalization=normalization,
        path_normalization=path_normalization,
    )
    with torch.no_grad():
        ours.weight.copy_(theirs.weight)
    x1, x2 = (each.randn(4, -1) for each in irreps[:2])
    expected = theirs(irreps[0].to_mul_ir(x1), irreps[1].to_mul_ir(x2))
    assert_same(ours(x1, x2), expected, irreps[2])


@pytest.mark.parametrize("seed", range(60))
def test_tensor_product_of_all_connections_with_weights_per_sample(seed: int) -> None:
    product = random_tensor_product(
        torch.Generator().manual_seed(seed), max_mul=2, empty=False
    )
    names = [str(each) for each in (product.irreps_in1, product.irreps_in2)]
    theirs = o3.TensorProduct(
        *names,
        str(product.irreps_out),
        list(product.paths),
        internal_weights=False,
        shared_weights=False,
    )
    ours = TensorProduct(product, internal_weights=False)
    x1, x2 = product.irreps_in1.randn(4, -1), product.irreps_in2.randn(4, -1)
    weight = torch.randn(4, product.weight_numel)
    expected = theirs(
        product.irreps_in1.to_mul_ir(x1), product.irreps_in2.to_mul_ir(x2), weight
    )
    assert_same(ours(x1, x2, weight), expected, product.irreps_out)


@pytest.mark.parametrize("seed", SEEDS)
def test_linear(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps_in, irreps_out = (random_irreps(generator, lmax=2) for _ in range(2))
    irreps_in = irreps_in + "1x0e"  # e3nn fails on a bias where no input is a scalar
    theirs = o3.Linear(str(irreps_in), str(irreps_out), biases=True)
    ours = Linear(irreps_in, irreps_out)
    with torch.no_grad():
        ours.weight.copy_(theirs.weight)
        if ours.bias is not None:
            theirs.bias.normal_()
            ours.bias.copy_(theirs.bias)
    x = irreps_in.randn(4, -1)
    assert_same(ours(x), theirs(irreps_in.to_mul_ir(x)), irreps_out)


@pytest.mark.parametrize("seed", range(100))
def test_gate(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scalars = random_irreps(generator, lmax=0, empty=False)
    gated = random_irreps(generator, max_blocks=2, empty=False)
    odd = int(torch.randint(gated.num_irreps + 1, (), generator=generator))
    blocks = [(odd, "0o"), (gated.num_irreps - odd, "0e")]
    gates = Irreps([(mul, ir) for mul, ir in blocks if mul])
    acts = {"0e": torch.nn.functional.silu, "0o": torch.tanh}
    act_scalars = [acts[str(ir)] for _, ir in scalars]
    acts = {"0e": torch.sigmoid, "0o": torch.tanh}
    act_gates = [acts[str(ir)] for _, ir in gates]
    theirs = nn.Gate(str(scalars), act_scalars, str(gates), act_gates, str(gated))
    ours = Gate(scalars, act_scalars, gates, act_gates, gated, e3nn_constants=True)
    assert str(ours.irreps_in) == str(theirs.irreps_in)
    assert str(ours.irreps_out.simplify()) == str(theirs.irreps_out.simplify())
    x = ours.irreps_in.randn(4, -1)
    assert_same(ours(x), theirs(ours.irreps_in.to_mul_ir(x)), ours.irreps_out)


@pytest.mark.parametrize("seed", range(30))
def test_norm_activation_away_from_zero(seed: int) -> None:
    """e3nn's treats ``0e`` by its length, too, and cuts lengths off at epsilon."""
    generator = torch.Generator().manual_seed(seed)
    drawn = random_irreps(generator, max_blocks=6, empty=False)
    irreps = Irreps([(mul, ir) for mul, ir in drawn if not ir.is_scalar()])
    if not irreps:
        pytest.skip("scalars only")
    theirs = nn.NormActivation(o3.Irreps(str(irreps)), torch.tanh, bias=True)
    ours = NormActivation(irreps, "tanh", eps=1e-30)
    with torch.no_grad():
        theirs.biases.normal_()
        ours.bias.copy_(theirs.biases)
    x = irreps.randn(4, -1)
    assert_same(ours(x), theirs(irreps.to_mul_ir(x)), irreps)


def test_dropout_scales_alike() -> None:
    irreps = Irreps("20x0e+20x1o")
    theirs, ours = nn.Dropout(str(irreps), p=0.25), Dropout(irreps, p=0.25)
    x = torch.ones(10, irreps.dim)
    assert set(theirs(x).unique().tolist()) == set(ours(x).unique().tolist())
