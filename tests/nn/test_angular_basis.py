from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn.angular_basis import (
    SphericalBasis,
    TorsionBasis,
    harmonics,
    legendre,
)


def directions(count: int = 40) -> Tensor:
    x = torch.randn(count, 3, dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True)


def test_legendre_polynomials() -> None:
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    expected = [torch.ones_like(x), x, (3 * x**2 - 1) / 2, (5 * x**3 - 3 * x) / 2]
    norms = [math.sqrt((2 * l + 1) / (4 * math.pi)) for l in range(4)]
    found = legendre(x, 4)
    for l, (polynomial, norm) in enumerate(zip(expected, norms, strict=True)):
        assert torch.allclose(found[:, l], norm * polynomial, atol=1e-14)
    assert legendre(x, 1).shape == (9, 1)


def test_harmonics_add_up_to_those_of_the_angle_between() -> None:
    """The addition theorem, of every degree: all orders, with the right norms."""
    a, b = directions(), directions()
    count = 6
    first, second = (harmonics(v[:, 2], v[:, :2], count) for v in (a, b))
    between = legendre((a * b).sum(-1), count)
    start = 0
    for l in range(count):
        part = slice(start, start + 2 * l + 1)
        start = part.stop
        total = (first[:, part] * second[:, part]).sum(-1)
        expected = between[:, l] * math.sqrt((2 * l + 1) / (4 * math.pi))
        assert torch.allclose(total, expected, atol=1e-13)


def test_the_order_and_signs_of_harmonics() -> None:
    """Of degree 2: m = 0, cos, cos 2, sin 2, sin, with Condon and Shortley's phase."""
    theta, phi = torch.tensor(0.7).double(), torch.tensor(0.4).double()
    sine = theta.sin()
    phase = torch.stack([sine * phi.cos(), sine * phi.sin()])
    found = harmonics(theta.cos(), phase, 3)[4:]
    odd = -math.sqrt(15 / (4 * math.pi)) * sine * theta.cos()
    even = math.sqrt(15 / (16 * math.pi)) * sine**2
    expected = [odd * phi.cos(), even * (2 * phi).cos()]
    expected += [even * (2 * phi).sin(), odd * phi.sin()]
    assert torch.allclose(found[1:], torch.stack(expected))


def test_bases_are_products() -> None:
    """The Bessel functions of torsions go by ``q mod n``."""
    radial = torch.randn(5, 6, dtype=torch.float64)
    cosine, phase = torch.rand(5).double(), torch.rand(5, 2).double()
    angles = SphericalBasis(3)(radial, cosine).unflatten(-1, (3, 2))
    torsions = TorsionBasis(3)(radial, cosine, phase).unflatten(-1, (9, 2))
    for q in range(9):
        bessel = radial.unflatten(-1, (3, 2))[:, q % 3]
        harmonic = harmonics(cosine, phase, 3)[:, q : q + 1]
        assert torch.allclose(torsions[:, q], harmonic * bessel)
    for l in range(3):
        polynomial = legendre(cosine, 3)[:, l : l + 1]
        bessel = radial.unflatten(-1, (3, 2))[:, l]
        assert torch.allclose(angles[:, l], polynomial * bessel)


def test_what_does_not_fit_is_refused() -> None:
    radial = torch.randn(5, 6)
    with pytest.raises(
        ValueError, match=r"expected cosine \(5,\) beside radial \(5, 6\), got \(4,\)"
    ):
        SphericalBasis(3)(radial, torch.rand(4))
    with pytest.raises(ValueError, match=r"columns for each of 4 degrees"):
        SphericalBasis(4)(radial, torch.rand(5))
    with pytest.raises(ValueError, match=r"expected phase \(5, 2\)"):
        TorsionBasis(3)(radial, torch.rand(5), torch.rand(5, 3))
