"""Racah's integers against SymPy's coefficients, and rounding at its hardest."""

from __future__ import annotations

import pytest
import sympy
from sympy.physics.wigner import clebsch_gordan

from pyg_equivariant.o3._racah import entries, nearest_float


@pytest.mark.parametrize("ls", [(1, 1, 1), (3, 2, 4), (4, 4, 5), (6, 5, 2)])
def test_sizes_are_those_of_the_complex_coefficients(ls: tuple[int, int, int]) -> None:
    for *place, integer, numerator, denominator in entries(*ls):
        m1, m2, m3 = (abs(n - l) for n, l in zip(place, ls, strict=True))
        if m3 != m1 + m2:
            m2, m3 = -m2, m1 - m2
        square = clebsch_gordan(*ls, m1, m2, m3) ** 2 / (2 * ls[2] + 1)
        if m1 and m2 and m3:
            square /= 2
        assert square == integer**2 * sympy.Rational(numerator, denominator)


def test_entries_come_once() -> None:
    places = [entry[:3] for entry in entries(5, 4, 3)]
    assert len(set(places)) == len(places)


def test_rounding_near_a_tie() -> None:
    """Half-way between two floats goes to the even one, the least bit more goes up."""
    tie = 2**53 + 1
    assert nearest_float(1, tie**2 - 1, 1) == 2.0**53
    assert nearest_float(tie, 1, 1) == 2.0**53
    assert nearest_float(1, tie**2 + 1, 1) == 2.0**53 + 2
    assert nearest_float(-1, tie**2 + 1, 4**100) == -(2.0**53 + 2) / 2**100


def test_rounding_of_exact_roots() -> None:
    assert nearest_float(-3, 4, 9) == -2.0
    assert nearest_float(1, 1, 100) == 0.1
    assert nearest_float(10**40, 2, 10**80) == 2**0.5
