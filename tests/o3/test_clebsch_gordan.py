"""Clebsch-Gordan coefficients: exact identities, rounding, signs and symmetries."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import sympy
import torch

from pyg_equivariant.o3._clebsch_gordan import clebsch_gordan, clebsch_gordan_exact
from pyg_equivariant.o3._rotation import rand_matrix
from pyg_equivariant.o3._wigner import wigner_D


def triples(lmax: int) -> list[tuple[int, int, int]]:
    return [
        (l1, l2, l3)
        for l1 in range(lmax + 1)
        for l2 in range(lmax + 1)
        for l3 in range(abs(l1 - l2), min(l1 + l2, lmax) + 1)
    ]


# Exact arithmetic. Each number here is the signed square root of a rational number q:
# products multiply the q, and SymPy brings every root in a sum to lowest terms, so that
# a sum that vanishes is the integer 0.
sqrt = cache(lambda q: sympy.sqrt(q) if q > 0 else -sympy.sqrt(-q))


def signed_square(x: sympy.Expr) -> sympy.Rational:
    return x**2 if x.is_positive else -(x**2)


@cache
def entries(l1: int, l2: int, l3: int) -> dict[tuple[int, int, int], sympy.Rational]:
    array = clebsch_gordan_exact(l1, l2, l3)
    return {
        (i, j, k): signed_square(array[i, j, k])
        for i in range(2 * l1 + 1)
        for j in range(2 * l2 + 1)
        for k in range(2 * l3 + 1)
        if array[i, j, k] != 0
    }


@cache
def generators(l: int) -> list[sympy.Matrix]:
    """Rotations about x, y, z in the real basis, from ladder operators.

    The vector of complex harmonics (polar axis y, azimuth from z towards x) turns by
    ``exp(i angle conj(J))``; ``U`` takes it to cosines and sines.
    """
    size, orders = 2 * l + 1, range(-l, l + 1)
    up = sympy.zeros(size)
    U = sympy.zeros(size)
    U[l, l] = 1
    for m in range(-l, l):
        up[l + m + 1, l + m] = sympy.sqrt(l * (l + 1) - m * (m + 1))
    for m in range(1, l + 1):
        U[l + m, l - m], U[l + m, l + m] = 1, (-1) ** m
        U[l - m, l - m], U[l - m, l + m] = sympy.I, -((-1) ** m) * sympy.I
        U[l + m, :] /= sympy.sqrt(2)
        U[l - m, :] /= sympy.sqrt(2)
    J = (up - up.T) / (2 * sympy.I), sympy.diag(*orders), (up + up.T) / 2  # x, y, z
    return [(U * (sympy.I * j.conjugate()) * U.H).expand() for j in J]


@cache
def sparse_generators(l: int) -> list[list[tuple[int, int, sympy.Rational]]]:
    return [
        [(*rc, signed_square(X[rc])) for rc in X.todok()]
        for X in map(sympy.SparseMatrix, generators(l))
    ]


@pytest.mark.parametrize("l", range(5))
def test_exact_generators_span_so3(l: int) -> None:
    X, Y, Z = generators(l)
    for A, B, C in [(X, Y, Z), (Y, Z, X), (Z, X, Y)]:
        assert (A * B - B * A - C).expand().is_zero_matrix
        assert A == -A.T
    if l == 1:
        cross = [
            [[-sympy.Eijk(n, i, j) for j in range(3)] for i in range(3)]
            for n in range(3)
        ]
        assert [X.tolist(), Y.tolist(), Z.tolist()] == cross


@pytest.mark.parametrize(("l1", "l2", "l3"), triples(4))
def test_intertwining_holds_exactly(l1: int, l2: int, l3: int) -> None:
    """Derivative at the identity of ``C (D1 x D2) = D3 C``, in each axis."""
    C = entries(l1, l2, l3)
    for X1, X2, X3 in zip(*map(sparse_generators, (l1, l2, l3)), strict=True):
        sums: dict[tuple[int, int, int], sympy.Expr] = defaultdict(int)
        for (i, j, k), c in C.items():
            for row, column, x in X1:
                if row == i:
                    sums[column, j, k] += sqrt(c * x)
            for row, column, x in X2:
                if row == j:
                    sums[i, column, k] += sqrt(c * x)
            for row, column, x in X3:
                if column == k:
                    sums[i, j, row] -= sqrt(c * x)
        assert set(sums.values()) <= {0}


@pytest.mark.parametrize(("l1", "l2", "l3"), triples(4))
def test_orthonormality_holds_exactly(l1: int, l2: int, l3: int) -> None:
    columns: dict[int, dict[tuple[int, int], sympy.Rational]] = defaultdict(dict)
    for (i, j, k), c in entries(l1, l2, l3).items():
        columns[k][i, j] = c
    for k in range(2 * l3 + 1):
        for n in range(2 * l3 + 1):
            overlap = sum(
                sqrt(columns[k][ij] * columns[n][ij])
                for ij in columns[k].keys() & columns[n].keys()
            )
            assert overlap == (sympy.Rational(1, 2 * l3 + 1) if k == n else 0)


@pytest.mark.parametrize("l1", range(5))
@pytest.mark.parametrize("l2", range(5))
def test_completeness_holds_exactly(l1: int, l2: int) -> None:
    """All degrees together hold the whole product, each pair ``(i, j)`` once."""
    sums: dict[tuple[int, int, int, int], sympy.Expr] = defaultdict(int)
    for l3 in range(abs(l1 - l2), l1 + l2 + 1):
        columns: dict[int, list[tuple[int, int, sympy.Rational]]] = defaultdict(list)
        for (i, j, k), c in entries(l1, l2, l3).items():
            columns[k].append((i, j, c))
        for column in columns.values():
            for i, j, c in column:
                for p, q, d in column:
                    sums[i, j, p, q] += (2 * l3 + 1) * sqrt(c * d)
    for (i, j, p, q), total in sums.items():
        assert total == ((i, j) == (p, q))
    assert len([ij for ij in sums if ij[:2] == ij[2:]]) == (2 * l1 + 1) * (2 * l2 + 1)


def test_known_products() -> None:
    """Dot product, cross product, and the traceless square with polar axis y."""
    eye = torch.eye(3, dtype=torch.float64)
    dot = clebsch_gordan(1, 1, 0, dtype=torch.float64)[..., 0]
    torch.testing.assert_close(dot, eye / 3**0.5, rtol=0, atol=1e-15)

    cross = clebsch_gordan(1, 1, 1, dtype=torch.float64)
    expected = torch.linalg.cross(eye[:, None], eye[None]) / 6**0.5
    torch.testing.assert_close(cross, expected, rtol=0, atol=1e-15)

    x, y, z = torch.randn(3, dtype=torch.float64)
    v = torch.stack([x, y, z])
    C = clebsch_gordan(1, 1, 2, dtype=torch.float64)
    square = torch.einsum("ijk,i,j->k", C, v, v)
    expected = torch.stack(
        [
            2 * x * z,
            2 * x * y,
            (2 * y**2 - x**2 - z**2) / 3**0.5,
            2 * y * z,
            z**2 - x**2,
        ]
    )
    torch.testing.assert_close(square, expected / 10**0.5)


def test_golden(golden: Callable[[str], dict[str, Any]]) -> None:
    arrays = golden("o3_e3nn")
    names = [name for name in arrays if name.startswith("output/cg_")]
    assert len(names) > 60
    for name in names:
        l1, l2, l3 = map(int, name[-3:])
        C = clebsch_gordan(l1, l2, l3, dtype=torch.float64)
        torch.testing.assert_close(C, arrays[name], rtol=0, atol=1e-14)


@pytest.mark.parametrize("l1", range(13))
def test_intertwining_to_degree_12(l1: int, generator: torch.Generator) -> None:
    R = rand_matrix(generator=generator, dtype=torch.float64)
    D = [wigner_D(l, R) for l in range(13)]
    for _, l2, l3 in (ls for ls in triples(12) if ls[0] == l1):
        C = clebsch_gordan(l1, l2, l3, dtype=torch.float64)
        rotated = torch.tensordot(D[l1].T, D[l2].T @ C, dims=1)
        assert (rotated - C @ D[l3].T).abs().max() < 1e-12
        assert abs(C.norm() - 1) < 1e-14


def test_permuting_the_degrees_changes_the_sign_only() -> None:
    for l1, l2, l3 in triples(8):
        C = clebsch_gordan(l1, l2, l3, dtype=torch.float64)
        swapped = clebsch_gordan(l2, l1, l3, dtype=torch.float64).permute(1, 0, 2)
        assert torch.equal(swapped, (-1) ** (l1 + l2 + l3) * C)
        cycled = clebsch_gordan(l2, l3, l1, dtype=torch.float64).permute(2, 0, 1)
        assert torch.equal(cycled, C)


@pytest.mark.parametrize("ls", [(2, 3, 4), (5, 6, 7), (12, 12, 12), (12, 3, 10)])
def test_rounding_is_correct_to_half_a_unit_in_the_last_place(
    ls: tuple[int, int, int],
) -> None:
    C = clebsch_gordan(*ls, dtype=torch.float64)
    exact = clebsch_gordan_exact(*ls)
    assert C.shape == exact.shape
    for index in C.nonzero()[::7].tolist():
        value = C[tuple(index)].item()
        error = abs(exact[tuple(index)].evalf(60) - sympy.Float(value, 60))
        assert error <= sympy.Float(math.ulp(value), 60) / 2


def test_zeros_are_exact_and_most() -> None:
    """Orders add up: ``|m3|`` is ``|m1| + |m2|`` or ``| |m1| - |m2| |``."""
    for l1, l2, l3 in triples(7):
        C = clebsch_gordan(l1, l2, l3)
        i, j, k = ((C.nonzero() - torch.tensor([l1, l2, l3])).abs()).unbind(1)
        assert torch.all((k == i + j) | (k == (i - j).abs()))
        assert (C != 0).sum(2).max() <= 2


def test_degrees_beyond_12() -> None:
    C = clebsch_gordan(30, 20, 25, dtype=torch.float64)
    overlap = torch.einsum("ijk,ijn->kn", C, C) * 51
    torch.testing.assert_close(overlap, torch.eye(51, dtype=torch.float64))


def test_result_is_a_fresh_tensor_of_the_asked_kind() -> None:
    with torch.inference_mode(), torch.device("meta"):
        first = clebsch_gordan(3, 2, 4)
    assert first.device.type == "meta"
    assert first.dtype == torch.get_default_dtype()

    again = clebsch_gordan(3, 2, 4, dtype=torch.float64, device="cpu")
    assert not again.is_inference()
    expected = again.clone()
    again.zero_()
    assert torch.equal(clebsch_gordan(3, 2, 4, dtype=torch.float64), expected)
    compiled = torch.compile(
        lambda x: x * clebsch_gordan(3, 2, 4, dtype=torch.float64), fullgraph=True
    )
    assert torch.equal(compiled(torch.ones(1, dtype=torch.float64)), expected)
    half = clebsch_gordan(3, 2, 4, dtype=torch.bfloat16)
    assert torch.equal(half, expected.to(torch.bfloat16))


@pytest.mark.parametrize("function", [clebsch_gordan, clebsch_gordan_exact])
def test_errors(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"from 1 to 3 only"):
        function(1, 2, 4)
    with pytest.raises(ValueError, match=r"got degree -1"):
        function(-1, 1, 1)
    for wrong in (1.0, "1", True, None):
        with pytest.raises(TypeError, match=type(wrong).__name__):
            function(wrong, 1, 1)


def test_integer_dtype_is_refused() -> None:
    with pytest.raises(TypeError, match=r"torch.int64, expected a floating-point"):
        clebsch_gordan(1, 1, 1, dtype=torch.int64)
