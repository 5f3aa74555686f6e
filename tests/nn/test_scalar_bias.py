"""A bias on the scalars among steerable features."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn.scalar_bias import ScalarBias
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import random_irreps


@pytest.mark.parametrize("seed", range(10))
def test_only_scalars_are_shifted(seed: int) -> None:
    irreps = random_irreps(torch.Generator().manual_seed(seed))
    scalars = ScalarBias(irreps)
    assert scalars.numel == sum(scalars.sizes) == irreps.count("0e")
    x = irreps.randn(4, -1, dtype=torch.float64)
    bias = torch.arange(1, scalars.numel + 1)
    shift = scalars.add(x, bias) - x
    numbers = [
        block.squeeze(-2)
        for (_, ir), block in zip(irreps, irreps.split(shift), strict=True)
        if ir.is_scalar()
    ]
    assert shift.count_nonzero() == 4 * scalars.numel
    if numbers:
        expected = bias.expand(4, -1).double()
        torch.testing.assert_close(torch.cat(numbers, -1), expected)
    assert scalars.add(x, None) is x


def test_there_is_a_parameter_only_where_there_are_scalars() -> None:
    parameter = ScalarBias(Irreps("2x1o+3x0e+0x0e+2x0o+1x0e")).parameter()
    assert parameter is not None
    assert parameter.shape == (4,)
    assert ScalarBias(Irreps("2x1o+2x0o")).parameter() is None
    assert ScalarBias(Irreps("")).parameter() is None


def test_the_dtype_of_the_features_stays() -> None:
    x = torch.zeros(2, 3, dtype=torch.bfloat16)
    y = ScalarBias(Irreps("3x0e")).add(x, torch.ones(3))
    assert y.dtype == torch.bfloat16


def test_another_number_of_biases_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\), expected \(3,\).*1x1o\+3x0e"):
        ScalarBias(Irreps("1x1o+3x0e")).add(torch.zeros(4, 6), torch.zeros(2))
