"""Paths as numbers hold what the products say, and survive being written down."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.kernels.paths import Paths, couplings
from pyg_equivariant.o3 import Irreps, Path, TensorProductPaths, clebsch_gordan

IRREPS = "33x0e+5x1o+0x2e", Irreps.spherical_harmonics(2)
PRODUCTS = {
    "uvu": TensorProductPaths.depthwise(*IRREPS),
    "uvw": TensorProductPaths.fully_connected(*IRREPS, "7x0e+2x1o+0x2e"),
    "uuu": TensorProductPaths.elementwise("7x0e+2x1o", "7x1o+2x1o", has_weight=True),
}


@pytest.mark.parametrize("connection", PRODUCTS)
def test_blocks_and_text(connection: str) -> None:
    product = PRODUCTS[connection]
    paths = Paths.of(product, connection)
    assert paths.dims.x == product.irreps_in1.dim
    assert paths.dims.y == product.irreps_in2.dim
    assert paths.dims.w == product.weight_numel
    assert paths.dims.g == product.irreps_out.dim
    sizes = [torch.Size(paths.shapes(term)["w"]).numel() for term in paths.terms]
    assert sum(sizes) == product.weight_numel
    assert all(0 not in (term.mul1, term.mul3) for term in paths.terms)
    assert Paths.parse(paths.text()) == paths
    assert ";" in paths.text()
    assert "\n" not in paths.text()


def test_paths_without_weights() -> None:
    product = TensorProductPaths(
        Irreps("4x1o"), Irreps("1o"), Irreps("4x0e"), (Path(0, 0, 0, "uvu", False),)
    )
    paths = Paths.of(product, "uvu")
    assert paths.terms[0].w == -1
    assert paths.shapes(paths.terms[0])["w"] == ()
    assert Paths.parse(paths.text()) == paths


@pytest.mark.parametrize("connection", PRODUCTS)
def test_other_products_are_refused(connection: str) -> None:
    for name, product in PRODUCTS.items():
        assert Paths.supports(product, connection) == (name == connection)
        if name != connection:
            with pytest.raises(ValueError, match=f"expected paths {connection}"):
                Paths.of(product, connection)
    twice = TensorProductPaths.depthwise("2x0e", "2x0e")
    assert not Paths.supports(twice, "uvu")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uvu 8 1 8 8;0 0 0 8 8 1 0 0 0 1.0", "rows of x have 8 columns"),
        ("uvu 8 1 8 8;0 1 1 8 8 0 0 0 0 1.0", "rows of y have 1 columns"),
        ("uvu 8 1 8 8;0 0 0 8 8 0 0 1 0 1.0", "rows of w have 8 columns"),
        ("uvw 8 1 8 8;0 0 0 8 8 0 0 0 0 1.0", "rows of w have 8 columns"),
        ("uvu 8 1 8 8;0 0 0 8 8 0 0 0 -1 1.0", "rows of g have 8 columns"),
        ("uvu 8 1 8 8;0 0 0 8 7 0 0 0 0 1.0", "keeps its channels"),
        ("uuu 8 8 8 8;0 0 0 8 7 0 0 0 0 1.0", "uuu keeps its channels"),
        ("uuu 8 1 8 8;0 0 0 8 8 0 0 0 0 1.0", "rows of y have 1 columns"),
        ("vvv 8 1 8 8;0 0 0 8 8 0 0 0 0 1.0", "got 'vvv'"),
    ],
)
def test_blocks_outside_the_rows_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Paths.parse(text)


@pytest.mark.parametrize("degrees", [(0, 0, 0), (1, 1, 1), (2, 1, 3), (5, 4, 2)])
def test_couplings_are_the_coefficients(degrees: tuple[int, int, int]) -> None:
    expected = clebsch_gordan(*degrees, dtype=torch.float64)
    found = torch.zeros_like(expected)
    for i, k, terms in couplings(*degrees):
        for j, value in terms:
            found[i, j, k] = value
    assert torch.equal(found, expected)
