"""Bases of a length and an angle, or of a length and two."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_alike, widen

from .module import EquivariantModule


class SphericalBasis(EquivariantModule):
    r"""Lengths and angles: spherical Bessel functions times Legendre polynomials.

    The basis of `"Directional Message Passing for Molecular Graphs"
    <https://arxiv.org/abs/2003.03123>`_:

    .. math::
        a_{ln}(r, \theta) = R_{ln}(r)\, \sqrt{\tfrac{2l+1}{4\pi}}\, P_l(\cos\theta).

    Only the cosine is asked for, of which everything is a polynomial: derivatives exist
    where three atoms are in line, too.

    Args:
        num_spherical: number of degrees.

    Shapes:
        - **input:** features of lengths :math:`(|T|, \text{num\_spherical} \cdot n)`,
          degree by degree, as :class:`SphericalBesselBasis` makes them, and cosines
          :math:`(|T|)`
        - **output:** :math:`(|T|, \text{num\_spherical} \cdot n)`

    Raises:
        TypeError: if an argument is no tensor of real numbers, or of another dtype.
        ValueError: if the shapes do not fit.

    Example:
        >>> from pyg_equivariant.nn.spherical_bessel import SphericalBesselBasis
        >>> radial = SphericalBesselBasis(3, 2, cutoff=5.0)
        >>> SphericalBasis(3)(radial(torch.rand(4)), torch.rand(4)).shape
        torch.Size([4, 6])
    """

    def __init__(self, num_spherical: int) -> None:
        super().__init__()
        self.num_spherical = num_spherical

    def forward(self, radial: Tensor, cosine: Tensor) -> Tensor:
        """The basis functions of every angle."""
        _check(radial, self.num_spherical, cosine=cosine)
        angular = legendre(widen(cosine), self.num_spherical).to(cosine.dtype)
        blocks = radial.unflatten(-1, (self.num_spherical, -1))
        return (blocks * angular.unsqueeze(-1)).flatten(-2)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_spherical})"


class TorsionBasis(EquivariantModule):
    r"""Lengths, angles and torsions: Bessel functions times spherical harmonics.

    The basis of `"Spherical Message Passing for 3D Molecular Graphs"
    <https://arxiv.org/abs/2102.05013>`_ as its code has it: with all :math:`n^2`
    harmonics :math:`Q_q(\theta, \varphi)` of degrees below :math:`n`,

    .. math::
        t_{abr} = Q_{an+b}(\theta, \varphi)\, R_{br}(r), \qquad
        Q = (Y_0^0,\; Y_1^0, Y_1^{\cos}, Y_1^{\sin},\; Y_2^0, Y_2^{\cos}, Y_2^{\cos 2},
        Y_2^{\sin 2}, Y_2^{\sin},\; \dots).

    The degree of the Bessel function is :math:`q \bmod n`, not that of the harmonic:
    weights from there need it. The torsion comes as :math:`\sin\theta\, e^{i\varphi}`,
    of which the harmonics are polynomials.

    Args:
        num_spherical: the number :math:`n` of degrees.

    Shapes:
        - **input:** features of lengths :math:`(|T|, n N)`, degree by degree, cosines
          :math:`(|T|)`, and :math:`\sin\theta \cos\varphi` and
          :math:`\sin\theta \sin\varphi` :math:`(|T|, 2)`
        - **output:** :math:`(|T|, n^2 N)`

    Raises:
        TypeError: if an argument is no tensor of real numbers, or of another dtype.
        ValueError: if the shapes do not fit.

    Example:
        >>> from pyg_equivariant.nn.spherical_bessel import SphericalBesselBasis
        >>> radial = SphericalBesselBasis(3, 2, cutoff=5.0)
        >>> basis = TorsionBasis(3)
        >>> basis(radial(torch.rand(4)), torch.rand(4), torch.rand(4, 2)).shape
        torch.Size([4, 18])
    """

    def __init__(self, num_spherical: int) -> None:
        super().__init__()
        self.num_spherical = num_spherical

    def forward(self, radial: Tensor, cosine: Tensor, phase: Tensor) -> Tensor:
        """The basis functions of every torsion."""
        n = self.num_spherical
        _check(radial, n, cosine=cosine, phase=phase)
        found = harmonics(widen(cosine), widen(phase), n).to(cosine.dtype)
        blocks = radial.unflatten(-1, (1, n, -1))
        return (found.unflatten(-1, (n, n, 1)) * blocks).flatten(-3)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_spherical})"


def _check(radial: Tensor, degrees: int, **angles: Tensor) -> None:
    check_alike(radial=radial, **angles)
    columns = radial.shape[-1] if radial.dim() == 2 else 0
    if columns < 1 or columns % degrees:
        raise ValueError(
            f"expected radial (|T|, n) with as many columns for each of {degrees} "
            f"degrees, got shape {tuple(radial.shape)}"
        )
    for name, x in angles.items():
        shape = (radial.shape[0], 2) if name == "phase" else (radial.shape[0],)
        if x.shape != shape:
            raise ValueError(
                f"expected {name} {shape} beside radial {tuple(radial.shape)}, got "
                f"{tuple(x.shape)}"
            )


def legendre(cosine: Tensor, count: int) -> Tensor:
    r"""Harmonics of order 0, :math:`\sqrt{(2l+1) / 4\pi}\, P_l`, ``(*, count)``."""
    found = _degrees(cosine, 0, count)
    return torch.stack([p * _norm(l, 0) for l, p in enumerate(found)], dim=-1)


def harmonics(cosine: Tensor, phase: Tensor, count: int) -> Tensor:
    """Real harmonics of all degrees below ``count``, in the order of SphereNet.

    Condon and Shortley's phase is included.
    """
    re, im = [torch.ones_like(cosine)], [torch.zeros_like(cosine)]
    for _ in range(1, count):
        x, y = phase[..., 0], phase[..., 1]
        re, im = [*re, re[-1] * x - im[-1] * y], [*im, re[-1] * y + im[-1] * x]
    by_order = [_degrees(cosine, m, count) for m in range(count)]

    def of(l: int, orders: Iterable[int], part: list[Tensor]) -> list[Tensor]:
        scale = {m: _norm(l, m) * (math.sqrt(2) if m else 1) for m in orders}
        return [by_order[m][l - m] * part[m] * scale[m] for m in orders]

    rows: list[Tensor] = []
    for l in range(count):
        rows += of(l, range(l + 1), re) + of(l, range(l, 0, -1), im)
    return torch.stack(rows, dim=-1)


def _norm(l: int, m: int) -> float:
    ratio = math.factorial(l - m) / math.factorial(l + m)
    return math.sqrt((2 * l + 1) / (4 * math.pi) * ratio)


def _degrees(cosine: Tensor, m: int, count: int) -> list[Tensor]:
    r""":math:`P_l^m / \sin^m` of the degrees from ``m`` to ``count - 1``."""
    start = (-1) ** m * math.prod(range(1, 2 * m, 2))
    found = [torch.full_like(cosine, start), cosine * ((2 * m + 1) * start)]
    for l in range(m + 1, count - 1):
        a, b = (2 * l + 1) / (l - m + 1), (l + m) / (l - m + 1)
        found.append(a * cosine * found[-1] - b * found[-2])
    return found[: count - m]
