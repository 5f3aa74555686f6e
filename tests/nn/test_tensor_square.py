"""Products of features with themselves."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import FullTensorProduct, TensorSquare
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant, random_irreps

DOUBLE = {"dtype": torch.float64}


@pytest.mark.filterwarnings("ignore:TensorProduct. no path")
@pytest.mark.parametrize("seed", range(10))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = random_irreps(generator, max_blocks=3, lmax=3)
    assert_equivariant(TensorSquare(irreps).double(), generator=generator)
    module = TensorSquare(irreps, "2x0e+1x1o+2x1e+1x2o").double()
    assert_equivariant(module, generator=generator)


@pytest.mark.parametrize("seed", range(6))
def test_all_of_the_square_and_nothing_twice(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = random_irreps(generator, max_blocks=3, max_mul=3, lmax=3)
    square = TensorSquare(irreps, irrep_normalization="none").double()
    assert square.irreps_out.dim == irreps.dim * (irreps.dim + 1) // 2
    x = irreps.randn(4, -1, generator=generator, **DOUBLE)
    whole = FullTensorProduct(irreps, irreps, irrep_normalization="none").double()

    def lengths(module: FullTensorProduct | TensorSquare, *xs: torch.Tensor) -> list:
        out = module(*xs)
        blocks = module.irreps_out.split(out) if out.shape[-1] else []
        return [b.square().sum((-1, -2)) for b in blocks]

    scale = [ir.dim for _, ir in square.irreps_out]
    found = sum(d * n for d, n in zip(scale, lengths(square, x), strict=True))
    # twice what is met twice, once the rest: never less than half of the whole
    total = sum(
        ir.dim * n
        for (_, ir), n in zip(whole.irreps_out, lengths(whole, x, x), strict=True)
    )
    if irreps.dim:
        assert (found <= total * (1 + 1e-12)).all()
        assert (found >= total / 2).all()


@pytest.mark.parametrize("normalization", ["component", "norm"])
def test_normalization(normalization: str, generator: torch.Generator) -> None:
    """Means over random inputs of the lengths that outputs should have."""
    irreps = Irreps("2x1o+1x2e+2x0e")
    square = TensorSquare(irreps, irrep_normalization=normalization).double()
    x = irreps.randn(
        20_000, -1, normalization=normalization, generator=generator, **DOUBLE
    )
    out = square(x)
    for (_, ir), block in zip(
        square.irreps_out, square.irreps_out.split(out), strict=True
    ):
        expected = ir.dim if normalization == "component" else 1.0
        found = block.square().sum(-2).mean(0)
        assert (found / expected - 1).abs().max() < 0.1, ir


def test_outputs_that_are_asked_for() -> None:
    some = TensorSquare("2x1o+1x0e", filter_ir_out=["1e", "0e"])
    assert some.irreps_out == Irreps("1x0e+2x0e+1x0e+1x1e")
    mixed = TensorSquare("2x1o+1x0e", "3x0e+2x2e+1x0e")
    assert mixed(torch.randn(4, 7)).shape == (4, 14)
    # 1 + 2 + 1 products are 0e, 1 + 2 are 2e
    assert mixed.mixing.weight_numel == 4 * 3 + 3 * 2 + 4 * 1
    with pytest.raises(ValueError, match="give no filter_ir_out"):
        TensorSquare("1o", "0e", ["0e"])
    with pytest.raises(ValueError, match="got 'length'"):
        TensorSquare("1o", irrep_normalization="length")
    with pytest.warns(UserWarning, match="no path leads to 1x3o"):
        assert not TensorSquare("1o", "1x3o")(torch.randn(3)).any()


def test_weights_are_drawn_anew() -> None:
    module = TensorSquare("2x0e", "2x0e")
    before = module.mixing.weight.clone()
    module.reset_parameters()
    assert (module.mixing.weight != before).all()
    TensorSquare("2x0e").reset_parameters()


def test_derivatives_and_compilation() -> None:
    module = TensorSquare("2x0e+2x1o", "2x0e+1x1o").double()
    x = torch.randn(3, 8, requires_grad=True, **DOUBLE)
    assert torch.autograd.gradcheck(module, x)
    assert torch.autograd.gradgradcheck(module, x)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), module(x))
