"""Real Clebsch-Gordan coefficients: exact, and rounded once to floating point."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from math import comb, copysign, factorial, isqrt
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    import sympy


def clebsch_gordan(
    l1: int,
    l2: int,
    l3: int,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""Real coefficients :math:`C` that couple degrees ``l1`` and ``l2`` to ``l3``.

    Rotating both factors rotates their product: for every rotation :math:`R`

    .. math::
        \sum_{ij} C_{ijk} D^{l_1}_{ii'}(R) D^{l_2}_{jj'}(R)
            = \sum_{k'} D^{l_3}_{kk'}(R)\, C_{i'j'k'},
        \qquad \sum_{ijk} C_{ijk}^2 = 1.

    The basis is that of :func:`spherical_harmonics`, the Frobenius norm is 1 and the
    signs are those of ``e3nn.o3.wigner_3j``. Every number is the float64 nearest to the
    exact one of :func:`clebsch_gordan_exact`, then cast to ``dtype``.

    Args:
        l1: degree of the first factor, any size.
        l2: degree of the second factor.
        l3: degree of the product, from ``abs(l1 - l2)`` to ``l1 + l2``.
        dtype: floating-point type of the result (default: torch's default dtype).
        device: where the result lives (default: torch's default device).

    Returns:
        A new tensor of shape ``(2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1)``.

    Raises:
        TypeError: if a degree is not an ``int``, or ``dtype`` not floating-point.
        ValueError: if a degree is negative, or no product of degree ``l3`` exists.

    Example:
        >>> cross = clebsch_gordan(1, 1, 1) * 6**0.5
        >>> torch.einsum("ijk,i,j->k", cross, torch.eye(3)[0], torch.eye(3)[1])
        tensor([0., 0., 1.])
    """
    _check_degrees(l1, l2, l3)
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if not dtype.is_floating_point:
        raise TypeError(f"got dtype={dtype}, expected a floating-point dtype")
    return torch.tensor(_float64(l1, l2, l3), dtype=dtype, device=device)


def clebsch_gordan_exact(l1: int, l2: int, l3: int) -> sympy.ImmutableDenseNDimArray:
    r"""The coefficients of :func:`clebsch_gordan` as exact SymPy numbers.

    Each is an integer times the square root of a rational number, from Racah's closed
    form in integers (no floating point on the way):

    .. math::
        \frac{\langle l_1 m_1 l_2 m_2 | l_3 m_3 \rangle}{\sqrt{2l_3+1}} =
        \sqrt{\frac{\prod_{n=1}^{3} (l_n+m_n)!\,(l_n-m_n)!}{a!\,b!\,c!\,(a+b+c+1)!}}
        \sum_k (-1)^k \binom{a}{k} \binom{b}{l_1-m_1-k} \binom{c}{l_2+m_2-k}

    with :math:`a = l_1+l_2-l_3`, :math:`b = l_1-l_2+l_3`, :math:`c = -l_1+l_2+l_3`. A
    real coefficient is such a number, with a sign, and over :math:`\sqrt2` when none of
    its three orders is zero.

    Args:
        l1: degree of the first factor.
        l2: degree of the second factor.
        l3: degree of the product.

    Returns:
        Immutable array of shape ``(2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1)``.

    Raises:
        TypeError: if a degree is not an ``int``.
        ValueError: if a degree is negative, or no product of degree ``l3`` exists.

    Example:
        >>> clebsch_gordan_exact(1, 1, 2)[0, 0, 2]
        -sqrt(30)/30
    """
    _check_degrees(l1, l2, l3)
    return _exact(l1, l2, l3)


@cache
def _exact(l1: int, l2: int, l3: int) -> sympy.ImmutableDenseNDimArray:
    import sympy  # takes 0.3 s to load, and only this function needs it

    shape = (2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1)
    flat = [sympy.S.Zero] * (shape[0] * shape[1] * shape[2])
    for i, j, k, integer, *radicand in _entries(l1, l2, l3):
        root = sympy.sqrt(sympy.Rational(*radicand))
        flat[(i * shape[1] + j) * shape[2] + k] = integer * root
    return sympy.ImmutableDenseNDimArray(flat, shape)


# A NumPy array in the cache, not a tensor: it belongs to no inference mode, fake mode
# or default device that happens to be active when the coefficients are first asked for.
@cache
def _float64(l1: int, l2: int, l3: int) -> np.ndarray:
    coefficients = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for i, j, k, *exact in _entries(l1, l2, l3):
        coefficients[i, j, k] = _nearest_float(*exact)
    coefficients.flags.writeable = False
    return coefficients


def _entries(
    l1: int, l2: int, l3: int
) -> Iterator[tuple[int, int, int, int, int, int]]:
    """The non-zero entries ``C[i, j, k] = integer * sqrt(numerator / denominator)``.

    A product of waves ``exp(i m1 phi) exp(i m2 phi)`` is the wave ``m3 = m1 + m2``.
    Each such triple and its complex conjugate make up to four real entries, all of one
    size, so only one triple of every conjugate pair is visited.
    """
    a, b, c = l1 + l2 - l3, l1 - l2 + l3, -l1 + l2 + l3
    rows = [[comb(n, k) for k in range(n + 1)] for n in (a, b, c)]
    orders = [_order_factorials(degree) for degree in (l1, l2, l3)]
    common = factorial(a) * factorial(b) * factorial(c) * factorial(a + b + c + 1)

    for m1 in range(l1 + 1):
        for m2 in range(max(-l2, -l3 - m1) if m1 else 0, min(l2, l3 - m1) + 1):
            m3 = m1 + m2
            total = _alternating_sum(rows, l1 - m1, l2 + m2)
            if total == 0:
                continue
            numerator = orders[0][m1] * orders[1][abs(m2)] * orders[2][abs(m3)]
            denominator = 2 * common if m1 and m2 and m3 else common
            for (i, p1), (j, p2), (k, p3) in product(*map(_real_orders, (m1, m2, m3))):
                power = (p1 + p2 - p3 - a) % 4  # of i; the odd ones cancel
                if power % 2 == 0:
                    integer = total if power == 0 else -total
                    yield l1 + i, l2 + j, l3 + k, integer, numerator, denominator


def _alternating_sum(rows: list[list[int]], n: int, m: int) -> int:
    """Sum of ``(-1)^k (a choose k) (b choose n - k) (c choose m - k)`` over ``k``."""
    row_a, row_b, row_c = rows
    first = max(0, n - len(row_b) + 1, m - len(row_c) + 1)
    last = min(len(row_a) - 1, n, m)
    return sum(
        (-1) ** k * row_a[k] * row_b[n - k] * row_c[m - k]
        for k in range(first, last + 1)
    )


def _order_factorials(degree: int) -> list[int]:
    """``(l + m)! (l - m)!`` for ``m`` from 0 to ``l``."""
    return [factorial(degree + m) * factorial(degree - m) for m in range(degree + 1)]


def _real_orders(m: int) -> list[tuple[int, int]]:
    """Real orders in which ``exp(i m phi)`` takes part, each with its power of ``i``.

    Order ``abs(m)`` is the cosine and ``-abs(m)`` the sine, with Condon and Shortley's
    ``(-1)^m``.
    """
    if m == 0:
        return [(0, 0)]
    return [(m, 2 * m), (-m, 2 * m + 1)] if m > 0 else [(-m, 0), (m, 3)]


def _nearest_float(integer: int, numerator: int, denominator: int) -> float:
    """The float64 nearest to ``integer * sqrt(numerator / denominator)``.

    The integer square root holds 64 bits or more; a last bit says whether it is exact,
    so that the one rounding, of the quotient of two integers, goes the right way.
    """
    square = integer * integer * numerator
    shift = max(0, 65 - (square.bit_length() - denominator.bit_length()) // 2)
    quotient, rest = divmod(square << 2 * shift, denominator)
    root = isqrt(quotient)
    inexact = rest != 0 or root * root != quotient
    return copysign((2 * root + inexact) / (2 << shift), integer)


def _check_degrees(l1: int, l2: int, l3: int) -> None:
    for degree in (l1, l2, l3):
        if not isinstance(degree, int) or isinstance(degree, bool):
            raise TypeError(
                f"got a degree of type {type(degree).__name__} ({degree!r}), expected "
                "three ints"
            )
        if degree < 0:
            raise ValueError(f"got degree {degree}, expected l1, l2, l3 >= 0")
    if not abs(l1 - l2) <= l3 <= l1 + l2:
        raise ValueError(
            f"got (l1, l2, l3) = ({l1}, {l2}, {l3}): degrees {l1} and {l2} couple to "
            f"l3 from {abs(l1 - l2)} to {l1 + l2} only"
        )
