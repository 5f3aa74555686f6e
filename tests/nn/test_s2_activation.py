"""Activations of signals on the sphere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import S2Activation, SecondMomentActivation
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant, equivariance_error

DOUBLE = {"dtype": torch.float64}
SIGNALS = ["3x0e+3x1o+3x2e", "2x0e+2x1e+2x2e", "1x0o+1x1e+1x2o", "2x0o+2x1o", "3x0e"]


@pytest.mark.parametrize("irreps", SIGNALS)
def test_polynomials_are_exactly_equivariant(irreps: str) -> None:
    """A cube, of degree 3: 3 * 2 + 3 is below the numbers of angles."""
    cube = SecondMomentActivation(lambda x: x**3, 1.0)
    module = S2Activation(irreps, cube, (10, 10), lmax_out=3).double()
    assert module.irreps_out.lmax == 3
    assert_equivariant(module)


def test_the_error_falls_with_the_grid() -> None:
    errors = []
    for res in (8, 20, 40):
        module = S2Activation("1x0e+1x1o+1x2e", "silu", res).double()
        errors.append(max(equivariance_error(module, batch=50)))
    assert errors[0] > 1e-4  # honest: a coarse grid is not equivariant
    assert errors[1] < 1e-3
    assert errors[2] < 1e-6


@pytest.mark.parametrize(
    ("act", "irreps"), [("tanh", "2x0o+2x1e+2x2o"), ("abs", "2x0e+2x1o+2x2e")]
)
def test_parities(act: str, irreps: str) -> None:
    module = S2Activation("2x0o+2x1e+2x2o", act, 12)
    assert module.irreps_out == Irreps(irreps)


def test_a_function_without_parity_breaks_that_of_odd_signals() -> None:
    with pytest.raises(ValueError, match="neither even nor odd"):
        S2Activation("1x0o+1x1e", "silu", 12)


@pytest.mark.parametrize(
    ("irreps", "message"),
    [
        ("1x0e+2x1o", "equally many channels"),
        ("1x1o", "degrees 0, 1, 2"),
        ("", "degrees 0, 1, 2"),
        ("1x0e+1x2e", "degrees 0, 1, 2"),
        ("1x0e+1x1o+1x2o", "alternating"),
    ],
)
def test_no_signals(irreps: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        S2Activation(irreps, "tanh", 12)


def test_every_channel_by_itself() -> None:
    many = S2Activation("3x0e+3x1o", "tanh", 10).double()
    one = S2Activation("1x0e+1x1o", "tanh", 10).double()
    x = many.irreps_in.randn(5, -1, **DOUBLE)
    channels = x.unflatten(-1, (4, 3))
    expected = torch.stack([one(channels[..., c]) for c in range(3)], dim=-1)
    torch.testing.assert_close(many(x), expected.flatten(-2))


def test_a_turned_grid_errs_in_no_direction(generator: torch.Generator) -> None:
    turned = S2Activation("1x0e+1x1o+1x2e", "tanh", 8, random_rot=True).double()
    fine = S2Activation("1x0e+1x1o+1x2e", "tanh", 60).double()
    x = 2 * turned.irreps_in.randn(1, -1, generator=generator, **DOUBLE)
    torch.manual_seed(0)
    calls = torch.cat([turned(x) - fine(x) for _ in range(400)])
    assert calls.abs().max() > 1e-2
    assert (calls.mean(0) / calls.std(0)).abs().max() < 0.3  # 400 draws: 0.05 each


@pytest.mark.parametrize("act", ["silu", "tanh"])
def test_derivatives(act: str, check_derivatives: Callable[..., None]) -> None:
    module = S2Activation("1x0e+1x1o", act, 4).double()
    check_derivatives(module, torch.randn(2, 4, **DOUBLE))
    check_derivatives(module, torch.zeros(1, 4, **DOUBLE))


@pytest.mark.parametrize("random_rot", [False, True])
def test_compiles(random_rot: bool) -> None:
    module = S2Activation("2x0e+2x1o", "silu", 6, random_rot=random_rot)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    x: Tensor = torch.randn(5, 8)
    torch.testing.assert_close(compiled(x), module(x), atol=0.1, rtol=random_rot)
