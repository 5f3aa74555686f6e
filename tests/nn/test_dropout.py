"""Dropout of whole irreps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import Dropout
from pyg_equivariant.testing import assert_equivariant, random_irreps


@pytest.mark.parametrize("seed", range(15))
def test_every_draw_is_equivariant(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    module = Dropout(random_irreps(generator), p=0.5)
    assert module.training
    assert_equivariant(module, generator=generator)


def factors(module: Dropout, samples: int) -> list[Tensor]:
    """What each component is multiplied by, blocks ``(samples, 2 l + 1, mul)``."""
    y = module(torch.ones(samples, module.irreps_in.dim, dtype=torch.float64))
    blocks = zip(module.irreps_in, module.irreps_in.slices(), strict=True)
    return [y[:, part].reshape(samples, ir.dim, mul) for (mul, ir), part in blocks]


def test_copies_go_or_stay_as_a_whole() -> None:
    for block in factors(Dropout("3x0e+4x1o+0x1e+2x2e", p=0.3), 500):
        assert torch.equal(block, block[:, :1].expand_as(block))
        kept = torch.tensor(1 / 0.7, dtype=torch.float64)
        assert ((block == 0) | (block == kept)).all()


def test_copies_go_independently_with_the_probability() -> None:
    module = Dropout("3x0e+4x1o", p=0.3)
    gone = torch.cat([block[:, 0] == 0 for block in factors(module, 20_000)], dim=-1)
    rate = gone.double().mean(0)
    assert ((rate - 0.3).abs() < 0.02).all()
    correlation = torch.corrcoef(gone.double().T) - torch.eye(7, dtype=torch.float64)
    assert correlation.abs().max() < 0.03


def test_nothing_happens_in_evaluation_or_at_probability_zero() -> None:
    x = torch.randn(5, 15)
    assert torch.equal(Dropout("3x0e+4x1o").eval()(x), x)
    assert torch.equal(Dropout("3x0e+4x1o", p=0.0)(x), x)
    assert torch.equal(Dropout("3x0e+4x1o", p=1.0)(x), torch.zeros_like(x))


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    module = Dropout("3x0e+4x1o")

    class Seeded(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch.manual_seed(0)
            return module(x)

    check_derivatives(Seeded(), torch.randn(2, 15, dtype=torch.float64))


def test_bad_probabilities_are_refused() -> None:
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Dropout("1o", p=p)


def test_repr() -> None:
    assert repr(Dropout("8x0e+4x1o", p=0.1)) == "Dropout(8x0e+4x1o, p=0.1)"
