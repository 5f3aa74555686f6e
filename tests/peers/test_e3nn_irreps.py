"""Irreps and the descriptions of tensor products against e3nn's."""

from __future__ import annotations

import math

import pytest
import torch

from pyg_equivariant.o3 import Irrep, Irreps, TensorProductPaths
from pyg_equivariant.testing import random_irreps, random_tensor_product

o3 = pytest.importorskip("e3nn.o3")

MANY = [
    random_irreps(torch.Generator().manual_seed(s), max_blocks=7) for s in range(200)
]


@pytest.mark.parametrize("irreps", MANY, ids=str)
def test_irreps(irreps: Irreps) -> None:
    theirs = o3.Irreps(str(irreps))
    assert str(irreps) == str(theirs)
    assert list(map(tuple, irreps)) == [(mul, Irrep(str(ir))) for mul, ir in theirs]
    assert (irreps.dim, irreps.num_irreps) == (theirs.dim, theirs.num_irreps)
    assert irreps.ls == theirs.ls
    assert irreps.slices() == theirs.slices()
    assert str(irreps.simplify()) == str(theirs.simplify())
    assert str(irreps.regroup()) == str(theirs.regroup())
    kept = theirs.remove_zero_multiplicities()
    assert str(irreps.remove_zero_multiplicities()) == str(kept)
    ours, their_order = irreps.sort(), theirs.sort()
    assert str(ours.irreps) == str(their_order.irreps)
    assert (ours.p, ours.inv) == (tuple(their_order.p), tuple(their_order.inv))
    for chosen in (["0e", "1o"], ["2e"]):
        assert str(irreps.filter(keep=chosen)) == str(theirs.filter(keep=chosen))
        assert str(irreps.filter(drop=chosen)) == str(theirs.filter(drop=chosen))
    for ir in ("0e", "1o", "3e"):
        assert irreps.count(ir) == theirs.count(ir)
        assert (ir in irreps) == (ir in kept)  # e3nn finds it in an empty block, too
    if irreps.ls:
        assert irreps.lmax == theirs.lmax


def test_irreps_of_harmonics() -> None:
    for lmax in range(6):
        for p in (1, -1):
            theirs = o3.Irreps.spherical_harmonics(lmax, p)
            assert str(Irreps.spherical_harmonics(lmax, p)) == str(theirs)


def test_products_of_irreps() -> None:
    names = [f"{l}{p}" for l in range(5) for p in "oe"]
    for a in names:
        for b in names:
            theirs = [str(ir) for ir in o3.Irrep(a) * o3.Irrep(b)]
            assert list(map(str, Irrep(a) * Irrep(b))) == theirs


@pytest.mark.parametrize("irrep_normalization", ["component", "norm"])
@pytest.mark.parametrize("path_normalization", ["element", "path"])
@pytest.mark.parametrize("seed", range(40))
def test_coefficients_and_weights(
    seed: int, irrep_normalization: str, path_normalization: str
) -> None:
    product = random_tensor_product(
        torch.Generator().manual_seed(seed),
        irrep_normalization,
        path_normalization,
        empty=False,
    )
    theirs = o3.TensorProduct(
        str(product.irreps_in1),
        str(product.irreps_in2),
        str(product.irreps_out),
        list(product.paths),
        irrep_normalization=irrep_normalization,
        path_normalization=path_normalization,
        compile_left_right=False,
        compile_right=False,
        internal_weights=False,
        shared_weights=False,
    )
    assert product.weight_numel == theirs.weight_numel
    for ours, path, instruction in zip(
        product.coefficients, product.paths, theirs.instructions, strict=True
    ):
        assert math.isclose(ours, instruction.path_weight, rel_tol=1e-12)
        if path.has_weight:
            assert product.weight_shape(path) == tuple(instruction.path_shape)


def test_the_output_of_elementwise_products() -> None:
    arguments = ("4x1o+2x2e", "4x1o+2x1e")
    theirs = o3.ElementwiseTensorProduct(*arguments, ["0e", "1e"])
    ours = TensorProductPaths.elementwise(*arguments, keep="0e+1e")
    assert str(ours.irreps_out) == str(theirs.irreps_out)
