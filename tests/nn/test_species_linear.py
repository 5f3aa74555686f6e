"""Linear maps that every species has of its own."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import FullyConnectedTensorProduct, Linear, SpeciesLinear
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant, random_irreps

IRREPS = Irreps("4x0e+2x1o+1x0e+3x1e")


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def build(num_attr: int = 3) -> SpeciesLinear:
    return SpeciesLinear(IRREPS, "2x1o+3x0e+1x1e", num_attr).double()


@pytest.mark.parametrize("seed", range(8))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = random_irreps(generator, max_blocks=3)
    species = torch.tensor([0, 1, 1, 0, 1])
    linear = SpeciesLinear(irreps, random_irreps(generator), 2).double()
    assert_equivariant(
        lambda x: linear(x, species),
        [irreps],
        [linear.irreps_out],
        [irreps.randn(5, -1, dtype=torch.float64, generator=generator)],
        generator=generator,
    )


def test_every_species_has_a_linear_map() -> None:
    linear, x = build(), double(6, IRREPS.dim)
    species = torch.tensor([2, 0, 0, 2, 0, 2])
    found = linear(x, species)
    for s in range(3):
        alone = Linear(IRREPS, linear.irreps_out, bias=False).double()
        with torch.no_grad():
            alone.weight.copy_(linear.weight[s] / math.sqrt(3))
        rows = species == s
        torch.testing.assert_close(found[rows], alone(x[rows]), rtol=1e-13, atol=1e-13)


def test_dense_attributes_make_the_product_of_features_with_scalars() -> None:
    linear, x = build(), double(6, IRREPS.dim)
    species, attr = torch.tensor([1, 0, 3, 3, 0, 1]), double(4, 3)
    product = FullyConnectedTensorProduct(IRREPS, "3x0e", linear.irreps_out).double()
    weight = product.weight
    with torch.no_grad():
        for part, shape, row in _places(product, linear):
            weight[part] = linear.weight[:, row].view(3, *shape).transpose(0, 1).ravel()
    expected = product(x, attr[species])
    found = linear(x, species, attr)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    rows = linear(x, torch.arange(6), attr[species])
    torch.testing.assert_close(rows, expected, rtol=1e-13, atol=1e-13)


def _places(
    product: FullyConnectedTensorProduct, linear: SpeciesLinear
) -> list[tuple[slice, tuple[int, int], slice]]:
    out, start = [], 0
    paths = product.product
    for path, part in zip(paths.paths, paths.weight_slices, strict=True):
        shape = linear.irreps_in[path.i_in1].mul, linear.irreps_out[path.i_out].mul
        row = slice(start, start + shape[0] * shape[1])
        out.append((part, shape, row))
        start = row.stop
    return out


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    class OfSpecies(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = SpeciesLinear("2x0e+1x1o", "1x1o+2x0e", 2)

        def forward(self, x: Tensor, attr: Tensor) -> Tensor:
            return self.linear(x, torch.tensor([2, 0, 2]), attr)

    check_derivatives(OfSpecies().double(), double(3, 5), double(4, 2))


def test_one_species_needs_no_names() -> None:
    linear, x = build(1), double(4, IRREPS.dim)
    assert torch.equal(linear(x), linear(x, torch.zeros(4, dtype=torch.long)))
    with pytest.raises(ValueError, match="species are missing: this map knows 3"):
        build()(x)


def test_keeps_the_scale_of_features(generator: torch.Generator) -> None:
    irreps = Irreps("64x0e+64x1o")
    linear = SpeciesLinear(irreps, irreps, 4)
    x = irreps.randn(64, -1, generator=generator)
    attr = torch.randn(9, 4, generator=generator)
    species = torch.randint(9, (64,), generator=generator)
    out = linear(x, species, attr).detach()
    assert 0.5 < float(out.square().mean()) < 2


def test_unreached_outputs_are_zero() -> None:
    linear = SpeciesLinear("2x1o", "2x2e+2x1o", 2)
    y = linear(torch.randn(3, 6), torch.tensor([0, 1, 1]))
    assert not y[:, :10].any()
    assert y[:, 10:].all()
    nothing = SpeciesLinear("2x1o", "2x2e", 2)(torch.randn(3, 6), torch.arange(3) % 2)
    assert torch.equal(nothing, torch.zeros(3, 10))


@pytest.mark.parametrize("number", [0, -1, True, 2.0])
def test_attributes_are_counted(number: int) -> None:
    with pytest.raises(ValueError, match="num_attr is a positive int"):
        SpeciesLinear("1x0e", "1x0e", number)


@pytest.mark.parametrize(
    ("species", "attr", "error", "match"),
    [
        ([0, 1], None, ValueError, "one of species for each of 3 rows of x"),
        ([0, 1, 3], None, IndexError, "from 0 to 2, got them from 0 to 3"),
        ([0, -1, 1], None, IndexError, "from -1 to 1"),
        ([0.0, 1.0, 2.0], None, TypeError, "species as integers, got torch.float32"),
        ([0, 1, 2], double(3, 2), ValueError, r"expected attr \(S, 3\)"),
        ([0, 1, 2], torch.zeros(3, 3), TypeError, "attr is torch.float32"),
    ],
)
def test_bad_input_is_named(
    species: list[float], attr: Tensor | None, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        build()(double(3, IRREPS.dim), torch.tensor(species), attr)


def test_repr() -> None:
    assert repr(SpeciesLinear("8x0e+4x1o", "16x0e+4x1o", 5)) == (
        "SpeciesLinear(8x0e+4x1o -> 16x0e+4x1o, 5 attributes, 720 parameters)"
    )
