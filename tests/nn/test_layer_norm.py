"""Normalization of one sample over its channels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pyg_equivariant.nn import EquivariantLayerNorm
from pyg_equivariant.testing import assert_equivariant, random_irreps


def filled(*args, **kwargs) -> EquivariantLayerNorm:
    module = EquivariantLayerNorm(*args, **kwargs).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


@pytest.mark.parametrize("seed", range(25))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    module = filled(random_irreps(generator), affine=seed % 2 == 0)
    assert_equivariant(module, generator=generator)


def test_scalars_are_treated_as_by_torch() -> None:
    module = filled("6x0e", eps=1e-3)
    x = torch.randn(5, 6, dtype=torch.float64)
    expected = torch.nn.functional.layer_norm(x, (6,), module.weight, module.bias, 1e-3)
    torch.testing.assert_close(module(x), expected)


def test_every_block_of_every_sample_gets_unit_mean_square() -> None:
    module = EquivariantLayerNorm("4x0e+3x0o+2x1o+3x0e+5x2e", eps=1e-12).double()
    x = 100 * module.irreps_in.randn(7, -1, dtype=torch.float64)
    y = module(x)
    for part in module.irreps_in.slices():
        square = y[:, part].square().mean(-1)
        torch.testing.assert_close(square, torch.ones_like(square))


def test_directions_and_ratios_of_lengths_are_kept() -> None:
    module = EquivariantLayerNorm("3x1o", affine=False).double()
    x = torch.randn(4, 9, dtype=torch.float64)
    ratio = module(x) / x
    torch.testing.assert_close(ratio, ratio[:, :1].expand(-1, 9))
    assert (ratio > 0).all()


def test_weights_belong_to_copies_and_biases_to_scalars() -> None:
    module = filled("2x1o+2x0e+1x0o")
    assert module.weight.shape == (5,)
    assert module.bias.shape == (2,)
    x = module.irreps_in.randn(3, -1, dtype=torch.float64)
    plain = EquivariantLayerNorm(module.irreps_in, affine=False)(x)
    weight = torch.cat([module.weight[:2].repeat(3), module.weight[2:]])
    bias = torch.zeros(9, dtype=torch.float64)
    bias[6:8] = module.bias
    torch.testing.assert_close(module(x), plain * weight + bias)


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    module = filled("2x0e+2x1o+1x2e")
    x = module.irreps_in.randn(2, -1, dtype=torch.float64)
    x[0] = 0
    check_derivatives(module, x)


def test_half_precision_is_summed_in_single() -> None:
    module = EquivariantLayerNorm("4x1o").bfloat16()
    x = 1e18 * torch.randn(3, 12)
    y = module(x.bfloat16())
    assert y.dtype == torch.bfloat16
    expected = EquivariantLayerNorm("4x1o").double()(x.double())
    torch.testing.assert_close(y.double(), expected, rtol=0.02, atol=0.02)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"eps.*got -1"):
        EquivariantLayerNorm("1o", eps=-1)


def test_repr() -> None:
    assert repr(EquivariantLayerNorm("8x0e+4x1o", affine=False)) == (
        "EquivariantLayerNorm(8x0e+4x1o, eps=1e-05, affine=False)"
    )
