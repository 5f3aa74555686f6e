from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn.spherical_bessel import (
    SphericalBesselBasis,
    spherical_bessel_zeros,
)


def bessel(l: int, z: Tensor) -> Tensor:
    """By its power series, in float64; good for small arguments."""
    term = z**l / math.prod(range(1, 2 * l + 2, 2))
    total = term.clone()
    for k in range(1, 80):
        term = -term * z * z / (2 * k * (2 * k + 2 * l + 1))
        total = total + term
    return total


def test_zeros_are_zeros_and_none_is_missing() -> None:
    scipy = pytest.importorskip("scipy.special")
    zeros = spherical_bessel_zeros(9, 7)
    for l, row in enumerate(zeros):
        assert np.abs(scipy.spherical_jn(l, row)).max() < 1e-14
        grid = np.linspace(1e-3, row[-1] + 0.1, 20_000)
        signs = np.sign(scipy.spherical_jn(l, grid))
        assert (signs[1:] != signs[:-1]).sum() == len(row)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_is_the_power_series_where_closed_forms_lose_digits(dtype: Any) -> None:
    basis = SphericalBesselBasis(7, 2, 5.0, envelope=None).to(dtype)
    length = torch.tensor([0.0, 1e-3, 0.1, 0.3, 0.6, 1.0], dtype=dtype)
    found = basis(length).unflatten(-1, (7, 2))
    z = torch.from_numpy(spherical_bessel_zeros(8, 2))
    for l in range(7):
        norm = math.sqrt(2) / bessel(l + 1, z[l]).abs()
        expected = norm * bessel(l, length.double().unsqueeze(-1) / 5 * z[l])
        error = (found[:, l].double() - expected).abs().max()
        assert error < (2e-5 if dtype == torch.float32 else 1e-11)


def test_functions_are_orthonormal_in_the_ball() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(80)
    x = torch.from_numpy((nodes + 1) / 2)
    basis = SphericalBesselBasis(5, 4, 1.0, envelope=None).double()
    values = basis(x).unflatten(-1, (5, 4))
    weight = torch.from_numpy(weights) / 2 * x * x
    gram = torch.einsum("x,xln,xlm->lnm", weight, values, values)
    assert torch.allclose(gram, torch.eye(4).double().expand(5, 4, 4), atol=1e-12)


@pytest.mark.parametrize("envelope", ["dimenet", "polynomial", None])
def test_derivatives(envelope: str | None) -> None:
    basis = SphericalBesselBasis(4, 3, 2.0, envelope).double()
    length = torch.tensor([0.3, 1.1, 1.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(basis, length)
    assert torch.autograd.gradgradcheck(basis, length)
    ends = torch.tensor([0.0, 2.0, 2.5], dtype=torch.float64, requires_grad=True)
    values = basis(ends)
    (first,) = torch.autograd.grad(values.sum(), ends, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), ends)
    assert values.isfinite().all()
    assert first.isfinite().all()
    assert second.isfinite().all()
    if envelope is not None:
        assert values[1:].abs().max() < 1e-12


def test_rounded_zeros_are_those_of_float32() -> None:
    exact = spherical_bessel_zeros(4, 3)
    basis = SphericalBesselBasis(4, 3, 5.0, rounded_zeros=True).double()
    assert np.array_equal(basis.zeros, exact.astype(np.float32).astype(np.float64))
    assert not np.array_equal(basis.zeros, exact)


def test_what_is_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match="num_radial=0, expected at least one"):
        SphericalBesselBasis(3, 0, 5.0)
    with pytest.raises(TypeError, match=r"num_spherical is an int, got 2\.0"):
        SphericalBesselBasis(2.0, 3, 5.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got envelope='cosine', expected one of"):
        SphericalBesselBasis(3, 2, 5.0, "cosine")
