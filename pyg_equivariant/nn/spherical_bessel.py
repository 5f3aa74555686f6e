"""Spherical Bessel functions of lengths: the radial part of bases with angles."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.polynomial import chebyshev, legendre
from numpy.typing import NDArray
from torch import Tensor

from pyg_equivariant.o3 import widen

from .cutoff import PolynomialCutoff, positive_radius
from .module import EquivariantModule, check_dtype

_ENVELOPES = ("dimenet", "polynomial", None)
_REACH = 1.2  # polynomials are worst conditioned at the ends of their interval
Array = NDArray[np.float64]


class SphericalBesselBasis(EquivariantModule):
    r"""Spherical Bessel functions of all degrees, orthonormal in a ball.

    From `"Directional Message Passing for Molecular Graphs"
    <https://arxiv.org/abs/2003.03123>`_: with :math:`x = r / r_c` and the
    :math:`n`-th positive zero :math:`z_{ln}` of :math:`j_l`,

    .. math::
        R_{ln}(r) = \frac{\sqrt 2}{|j_{l+1}(z_{ln})|}\, j_l(z_{ln} x)\, g(x).

    The closed forms of :math:`j_l` lose all digits at small lengths. Here every
    function is a polynomial in :math:`x` that agrees with it to the precision of
    float64: values and derivatives have the digits of the dtype everywhere, at zero,
    too.

    Args:
        num_spherical: number of degrees, :math:`l = 0, 1, \dots`
        num_radial: number of functions of each.
        cutoff: the radius :math:`r_c`, beyond which all are zero if there is an
            envelope, and constant if not.
        envelope: the factor :math:`g`: ``"polynomial"`` is :math:`f` of
            :class:`PolynomialCutoff`, ``"dimenet"`` is :math:`f(x) / x`, as in DimeNet
            (zero at zero length), ``None`` is 1, as in SphereNet, which jumps at the
            cutoff (default: ``"polynomial"``).
        p: exponent of :class:`PolynomialCutoff` (default: 6).
        rounded_zeros: round :math:`z_{ln}` to float32, as the authors of DimeNet do:
            for weights that come from there (default: ``False``).

    Attributes:
        zeros: the :math:`z_{ln}`, ``(num_spherical, num_radial)``.

    Shapes:
        - **input:** lengths :math:`(|\mathcal{E}|)`, or of any shape
        - **output:** features
          :math:`(|\mathcal{E}|, \text{num\_spherical} \cdot \text{num\_radial})`,
          degree by degree

    Raises:
        TypeError: if the lengths are not of the module's dtype.
        ValueError: if a size is not positive or the envelope unknown.

    Example:
        >>> basis = SphericalBesselBasis(2, 2, cutoff=5.0, envelope=None)
        >>> basis(torch.tensor([0.0, 2.5, 5.0])).round(decimals=3).abs()
        tensor([[4.4430, 8.8860, 0.0000, 0.0000],
                [2.8280, 0.0000, 2.8190, 1.6550],
                [0.0000, 0.0000, 0.0000, 0.0000]])
    """

    zeros: Tensor
    coefficients: Tensor

    def __init__(
        self,
        num_spherical: int,
        num_radial: int,
        cutoff: float,
        envelope: str | None = "polynomial",
        p: int = 6,
        rounded_zeros: bool = False,
    ) -> None:
        super().__init__()
        if envelope not in _ENVELOPES:
            raise ValueError(f"got envelope={envelope!r}, expected one of {_ENVELOPES}")
        self.num_spherical = num_spherical
        self.num_radial = num_radial
        self.cutoff = positive_radius(cutoff)
        self.envelope = envelope
        self.rounded_zeros = rounded_zeros
        zeros = spherical_bessel_zeros(num_spherical, num_radial)
        if rounded_zeros:
            zeros = zeros.astype(np.float32).astype(np.float64)
        self.register_constant("zeros", torch.from_numpy(zeros))
        self.register_constant("coefficients", torch.from_numpy(_fit(zeros)))
        self.polynomial = PolynomialCutoff(1.0, p)

    def forward(self, edge_length: Tensor) -> Tensor:
        """The basis functions at every length."""
        check_dtype(edge_length, self.coefficients, "edge_length")
        x = widen(edge_length) / self.cutoff
        inside = torch.where(x < 1, x, 1.0)
        values = _polynomials(inside / _REACH, self.coefficients.shape[0])
        values = values @ self.coefficients.to(values.dtype)
        if self.envelope is not None:
            values = values * self._factor(x).unsqueeze(-1)
        return values.to(edge_length.dtype)

    def _factor(self, x: Tensor) -> Tensor:
        factor: Tensor = self.polynomial(x)
        if self.envelope == "dimenet":
            factor = factor * torch.where(x > 0, 1 / torch.where(x > 0, x, 1.0), 0.0)
        return factor

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.num_spherical}, {self.num_radial}, "
            f"cutoff={self.cutoff}, envelope={self.envelope!r})"
        )


def _polynomials(x: Tensor, count: int) -> Tensor:
    """Chebyshev polynomials of degrees 0 to ``count - 1``, on a new last dimension."""
    found = [torch.ones_like(x), x]
    while len(found) < count:
        found.append(2 * x * found[-1] - found[-2])
    return torch.stack(found[:count], dim=-1)


def spherical_bessel_zeros(num_spherical: int, num_radial: int) -> Array:
    """The first positive zeros of the spherical Bessel functions of all degrees.

    Args:
        num_spherical: number of degrees.
        num_radial: number of zeros of each.

    Returns:
        float64, ``(num_spherical, num_radial)``.

    Raises:
        TypeError: if a size is no ``int``.
        ValueError: if a size is not positive.

    Example:
        >>> spherical_bessel_zeros(2, 2).round(4)
        array([[3.1416, 6.2832],
               [4.4934, 7.7253]])
    """
    for name, size in (("num_spherical", num_spherical), ("num_radial", num_radial)):
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"{name} is an int, got {size!r}")
        if size < 1:
            raise ValueError(f"got {name}={size}, expected at least one")
    zeros: Array = np.arange(1.0, num_radial + num_spherical) * math.pi
    rows = [zeros]
    for l in range(1, num_spherical):  # between two of one degree lies one of the next
        low, high = zeros[:-1], zeros[1:]
        sign = np.sign(_values(low, l))
        for _ in range(60):
            middle = (low + high) / 2
            left = np.sign(_values(middle, l)) == sign
            low, high = np.where(left, middle, low), np.where(left, high, middle)
        zeros = (low + high) / 2
        rows.append(zeros)
    return np.stack([row[:num_radial] for row in rows])


def _values(z: Array, l: int) -> Array:
    r""":math:`j_l(z)`, without cancellation: half the Fourier integral of :math:`P_l`.

    .. math::
        j_l(z) = \frac{(-i)^l}{2} \int_{-1}^{1} e^{izs} P_l(s)\, ds
    """
    nodes, weights = legendre.leggauss(int(z.max()) + 2 * l + 32)
    wave = np.cos if l % 2 == 0 else np.sin
    weights = weights * legendre.legval(nodes, [0] * l + [1]) * (-1) ** (l // 2) / 2
    values: Array = wave(z[..., None] * nodes) @ weights
    return values


def _fit(zeros: Array) -> Array:
    """Coefficients of the polynomials, ``(number, functions)``."""
    largest = _REACH * float(zeros.max())
    count = int(largest + 10 * largest ** (1 / 3) + 12)
    x: Array = chebyshev.chebpts1(2 * count)
    columns = []
    for l, row in enumerate(zeros):
        norm = math.sqrt(2) / np.abs(_values(row, l + 1))
        points: Array = _REACH * np.abs(x)[:, None] * row
        values = _values(points, l)
        values *= np.where(x < 0, (-1) ** l, 1)[:, None]
        found = chebyshev.chebvander(x, count - 1).T @ values / count
        found[0] /= 2
        found[1 - l % 2 :: 2] = 0
        columns.append(found * norm)
    table = np.concatenate(columns, axis=1)
    needed = np.abs(table).max(axis=1) > 1e-17 * np.abs(table).max()
    result: Array = table[: int(needed.nonzero()[0].max()) + 1]
    return result
