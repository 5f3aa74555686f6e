"""Racah's closed form in integers: every coefficient an integer times a square root."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import comb, copysign, factorial, isqrt


def entries(l1: int, l2: int, l3: int) -> Iterator[tuple[int, int, int, int, int, int]]:
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


def nearest_float(integer: int, numerator: int, denominator: int) -> float:
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
