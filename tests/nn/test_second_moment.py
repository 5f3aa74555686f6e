from __future__ import annotations

from collections.abc import Callable
from math import asin, e, exp, pi, sqrt

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_equivariant.kernels import silu
from pyg_equivariant.nn.second_moment import e3nn_constant, second_moment_constant


@pytest.mark.parametrize(
    ("act", "exact"),
    [
        (F.silu, 1.676532470331092),
        (torch.sigmoid, 1.846228545338606),
        (torch.tanh, 1.592537419722832),
        (torch.relu, sqrt(2)),
        (torch.abs, 1.0),
        (torch.square, 1 / sqrt(3)),
        (torch.sin, sqrt(2 / (1 - exp(-2)))),
        (torch.erf, 1 / sqrt(2 / pi * asin(2 / 3))),  # an orthant probability
        (F.hardtanh, 1 / sqrt(1 - sqrt(2 / (pi * e)))),
        (lambda x: x**7, 1 / sqrt(135135)),
        (lambda x: x + 1, 1 / sqrt(2)),
    ],
)
def test_constants_are_exact(act: Callable[[Tensor], Tensor], exact: float) -> None:
    assert second_moment_constant(act) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(
    "act", [silu, F.silu, torch.sigmoid, F.sigmoid, torch.tanh, F.tanh, F.relu]
)
def test_constants_of_e3nn_are_means_of_a_million_random_numbers(
    act: Callable[[Tensor], Tensor],
) -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(1_000_000, generator=generator, dtype=torch.float64)
    moment = float(act(z).square().mean())
    assert e3nn_constant(act) == pytest.approx(moment**-0.5, rel=1e-12)
    assert 1e-5 < abs(e3nn_constant(act) / second_moment_constant(act) - 1) < 2e-3


def test_functions_of_two_names_have_one_constant() -> None:
    assert e3nn_constant(torch.relu) == e3nn_constant(F.relu)


def test_errors_say_what_came() -> None:
    with pytest.raises(ValueError, match=r"second moment .* is 0\.0"):
        second_moment_constant(torch.zeros_like)
    with pytest.raises(ValueError, match=r"second moment .* is inf"):
        second_moment_constant(lambda x: 1 / (0 * x.abs()))
    with pytest.raises(ValueError, match="gelu"):
        e3nn_constant(F.gelu)
