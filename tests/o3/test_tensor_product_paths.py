"""Tensor products as data: paths, weights and normalization."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import replace
from itertools import product as pairs
from typing import Any

import pytest
import torch

from pyg_equivariant.o3 import Irrep, Irreps, Path, TensorProductPaths
from pyg_equivariant.testing import random_tensor_product


def seeded(seed: int, **arguments: Any) -> TensorProductPaths:
    return random_tensor_product(torch.Generator().manual_seed(seed), **arguments)


def variance(product: TensorProductPaths, o: int) -> float:
    """Mean square of an output block for independent normal inputs and weights.

    Per component for inputs of unit variance (``component``), per copy for inputs of
    unit length (``norm``).
    """
    total = 0.0
    for path, c in zip(product.paths, product.coefficients, strict=True):
        if path.i_out == o:
            (mul1, ir1), (mul2, ir2), (_, ir) = product.blocks(path)
            terms = {"uvw": mul1 * mul2, "uvu": mul2, "uuu": 1}[path.connection]
            norm = product.irrep_normalization == "norm"
            total += c**2 * terms / (ir1.dim * ir2.dim if norm else ir.dim)
    return total


@pytest.mark.parametrize("irrep_normalization", ["component", "norm"])
@pytest.mark.parametrize("path_normalization", ["element", "path"])
@pytest.mark.parametrize("seed", range(20))
def test_outputs_have_unit_variance(
    seed: int, irrep_normalization: str, path_normalization: str
) -> None:
    product = replace(
        seeded(seed, empty=False),
        irrep_normalization=irrep_normalization,
        path_normalization=path_normalization,
    )
    even = tuple(path._replace(path_weight=1.0) for path in product.paths)
    product = replace(product, paths=even)
    for o in {path.i_out for path in even}:
        assert math.isclose(variance(product, o), 1)


def test_path_weights_multiply_variances() -> None:
    def ratio(path_weight: float) -> float:
        paths = (Path(0, 0, 0), Path(1, 0, 0, path_weight=path_weight))
        product = TensorProductPaths(
            Irreps("2x0e+2x0e"), Irreps("0e"), Irreps("0e"), paths
        )
        return product.coefficients[1] / product.coefficients[0]

    assert math.isclose(ratio(9.0), 3.0)
    assert ratio(0.0) == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_weights_fill_the_flat_vector_path_after_path(seed: int) -> None:
    product = seeded(seed)
    filled = []
    for path, part in zip(product.paths, product.weight_slices, strict=True):
        (mul1, _), (mul2, _), (mul, _) = product.blocks(path)
        shape = {"uvw": (mul1, mul2, mul), "uvu": (mul1, mul2), "uuu": (mul1,)}
        count = math.prod(shape[path.connection]) if path.has_weight else 0
        assert part.stop - part.start == count
        assert math.prod(product.weight_shape(path)) == count
        filled += range(part.start, part.stop)
    assert filled == list(range(product.weight_numel))


@pytest.mark.parametrize("seed", range(10))
def test_descriptions_are_values(seed: int) -> None:
    product = seeded(seed)
    same = seeded(seed)
    _ = same.coefficients
    for other in (same, copy.deepcopy(product), pickle.loads(pickle.dumps(same))):
        assert other == product
        assert hash(other) == hash(product)
    assert len({product, seeded(seed + 100)}) == 2


def test_fully_connected_has_every_path_that_the_selection_rule_allows() -> None:
    product = TensorProductPaths.fully_connected("2x0e+3x1o", "0e+1o+2e", "4x1o+1e+3e")
    found = {path[:3] for path in product.paths}
    in1, in2, out = map(Irreps, ("0e+1o", "0e+1o+2e", "1o+1e+3e"))
    for i1, i2, o in pairs(range(2), range(3), range(3)):
        allowed = out[o].ir in in1[i1].ir * in2[i2].ir
        assert ((i1, i2, o) in found) == allowed
    assert [path[:3] for path in product.paths] == sorted(found)


def test_depthwise_sorts_its_output_and_keeps_what_is_asked_for() -> None:
    product = TensorProductPaths.depthwise("4x0e+2x1o", "0e+1o")
    assert str(product.irreps_out) == "4x0e+2x0e+4x1o+2x1o+2x1e+2x2e"
    kept = TensorProductPaths.depthwise("4x0e+2x1o", "0e+1o", keep="0e+9x1e")
    assert str(kept.irreps_out) == "4x0e+2x0e+2x1e"
    for path in product.paths:
        (mul1, ir1), (_, ir2), (mul, ir) = product.blocks(path)
        assert mul == mul1
        assert ir in ir1 * ir2
    assert len(product.paths) == len(product.irreps_out)


def test_elementwise_pairs_copies() -> None:
    product = TensorProductPaths.elementwise("2x0e+3x1o", "2x1o+3x1o", keep="0e+1o")
    assert str(product.irreps_out) == "2x1o+3x0e"
    assert product.weight_numel == 0
    weighted = TensorProductPaths.elementwise("2x0e+3x1o", "2x1o+3x1o", has_weight=True)
    assert weighted.weight_numel == sum(mul for mul, _ in weighted.irreps_out)
    with pytest.raises(ValueError, match="different multiplicities"):
        TensorProductPaths.elementwise("2x0e", "3x0e")


def test_unreached_blocks_are_found() -> None:
    product = TensorProductPaths.fully_connected(
        "2x0e+0x1o", "0e", "2x0e+3x1o+0x2e+1x0o"
    )
    assert product.unreached == Irreps("3x1o+1x0o")


def test_printing_shows_every_path() -> None:
    product = TensorProductPaths.depthwise("4x0e+2x1o", "0e+1o", keep="0e+1o")
    assert str(product) == (
        "4x0e+2x1o * 1x0e+1x1o -> 4x0e+2x0e+4x1o+2x1o (4 paths, 12 weights)\n"
        "  4x0e * 1x0e -> 4x0e  uvu  4 weights  coefficient 1.0000\n"
        "  4x0e * 1x1o -> 4x1o  uvu  4 weights  coefficient 1.7321\n"
        "  2x1o * 1x0e -> 2x1o  uvu  2 weights  coefficient 1.7321\n"
        "  2x1o * 1x1o -> 2x0e  uvu  2 weights  coefficient 1.0000"
    )
    uneven = TensorProductPaths.depthwise("16x0e+4x1o", "0e+1o", keep="1o")
    assert str(uneven).splitlines()[1:] == [
        "  16x0e * 1x1o -> 16x1o  uvu  16 weights  coefficient 1.7321",
        "  4x1o * 1x0e -> 4x1o    uvu   4 weights  coefficient 1.7321",
    ]
    empty = TensorProductPaths.fully_connected("0e", "0e", "1o")
    assert str(empty) == "1x0e * 1x0e -> 1x1o (0 paths, 0 weights)"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ((0, 0, 5), "points outside"),
        ((-1, 0, 0), "points outside"),
        ((1, 0, 0), "1o \\* 0e does not contain 0e, only 1o"),
        ((0, 0, 0, "uvx"), "a connection is one of"),
        ((0, 0, 0, "uvw", False), "by weights"),
        ((0, 0, 0, "uvu"), "keeps the channels of the first"),
        ((0, 0, 0, "uuu"), "joins equal multiplicities"),
        ((0, 0, 0, "uvw", True, -1.0), "path_weight"),
    ],
)
def test_what_is_no_path_is_refused(path: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TensorProductPaths(
            Irreps("2x0e+1o"), Irreps("0e"), Irreps("3x0e"), (Path(*path),)
        )


def test_unknown_normalizations_are_refused() -> None:
    for name in ("irrep_normalization", "path_normalization"):
        with pytest.raises(ValueError, match=f"{name} is one of .*'integral'"):
            TensorProductPaths.fully_connected("0e", "0e", "0e", **{name: "integral"})


def test_strings_become_irreps() -> None:
    product = TensorProductPaths("2x0e", "1x1o", "1x1o", [(0, 0, 0)])  # type: ignore[arg-type]
    assert product.irreps_in1 == Irreps("2x0e")
    assert product.paths == (Path(0, 0, 0, "uvw", True, 1.0),)
    assert Irrep("1o") in product.irreps_out
