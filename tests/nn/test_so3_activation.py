"""Activations of signals on rotations."""

from __future__ import annotations

from collections.abc import Callable

import torch

from pyg_equivariant.nn import SecondMomentActivation, SO3Activation
from pyg_equivariant.testing import assert_equivariant, equivariance_error

DOUBLE = {"dtype": torch.float64}


def test_polynomials_are_exactly_equivariant() -> None:
    """A square, of degree 2: 2 * 1 + 2 is below twice the resolution."""
    square = SecondMomentActivation(torch.square, 1.0)
    module = SO3Activation(1, 2, square, resolution=3).double()
    assert str(module.irreps_out) == "1x0e+3x1e+5x2e"
    assert_equivariant(module)


def test_the_error_falls_with_the_grid() -> None:
    errors = []
    for resolution in (2, 4, 6):
        module = SO3Activation(1, 1, "silu", resolution).double()
        errors.append(equivariance_error(module).rotation)
    assert errors[0] > 1e-5  # honest: a coarse grid is not equivariant
    assert errors[1] < 1e-3
    assert errors[2] < 1e-5


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    module = SO3Activation(1, 1, "silu", 2).double()
    check_derivatives(module, torch.randn(1, 10, **DOUBLE))
    check_derivatives(module, torch.zeros(1, 10, **DOUBLE))


def test_compiles() -> None:
    module = SO3Activation(1, 1, "silu", 2)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    x = torch.randn(5, 10)
    torch.testing.assert_close(compiled(x), module(x))
