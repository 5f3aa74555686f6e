"""Statements of C for the polynomials behind the harmonics, and their derivatives.

The polynomials are scaled so that a derivative of degree ``l`` sums polynomials of
degree ``l - 1`` without factors: no table of derivatives is stored, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial, sqrt

from pyg_equivariant.o3 import squared_length


def dim(degrees: tuple[int, ...]) -> int:
    """The number of outputs."""
    return sum(2 * l + 1 for l in degrees)


def columns(degrees: tuple[int, ...], normalization: str) -> list[tuple[str, float]]:
    """The polynomial of every output, and its factor."""
    results = []
    for l in degrees:
        norm = squared_length(l, normalization)
        for m in range(-l, l + 1):
            squared = norm * (1 if m == 0 else 2) * factorial(l - m) * factorial(l + m)
            results.append((_name(l, m), sqrt(squared)))
    return results


def _name(l: int, m: int) -> str:
    return f"a{l}_{m}" if m >= 0 else f"b{l}_{-m}"


def values(top: int) -> Iterator[str]:
    r"""All polynomials up to a degree, real parts ``a`` and imaginary parts ``b``.

    With :math:`w = z + ix` and the derivatives :math:`P_l^{(m)}` of the Legendre
    polynomials they are

    .. math::
        N_l^m = \frac{r^{l-m}}{(l+m)!}\, P_l^{(m)}\!\left(\frac{y}{r}\right) w^m, \qquad
        N_l^l = \frac{w}{2l}\, N_{l-1}^{l-1}, \qquad
        N_l^m = \frac{(2l-1)\, y N_{l-1}^m - r^2 N_{l-2}^m}{l^2 - m^2}.
    """
    yield "const vec zero = {0}, a0_0 = zero + (real)1;"
    if top > 1:
        yield "const vec r2 = x * x + y * y + z * z;"
    if top > 0:
        yield "const vec a1_1 = (real)0.5 * z, b1_1 = (real)0.5 * x, a1_0 = y;"
    for l in range(2, top + 1):
        k, factor = l - 1, f"(real){0.5 / l!r}"
        c, s = f"a{k}_{k}", f"b{k}_{k}"
        yield f"const vec wz{l} = {factor} * z, wx{l} = {factor} * x;"
        yield f"const vec y{l} = (real){2 * l - 1} * y;"
        yield f"const vec a{l}_{l} = wz{l} * {c} - wx{l} * {s};"
        yield f"const vec b{l}_{l} = wx{l} * {c} + wz{l} * {s};"
        for m in (*range(l), *range(-1, -l, -1)):
            one, two = _name(l - 1, m), _name(l - 2, m)
            if abs(m) == l - 1:
                yield f"const vec {_name(l, m)} = y * {one};"
                continue
            inverse = 1 / (l * l - m * m)
            yield (
                f"const vec {_name(l, m)} = "
                f"(real){inverse!r} * (y{l} * {one} - r2 * {two});"
            )


def outputs(scales: list[tuple[str, float]], letter: str) -> Iterator[str]:
    """The rows of a result, from polynomials or (letter d) from their derivatives."""
    for j, (name, scale) in enumerate(scales):
        yield f"out[{j}] = (real){scale!r} * {letter}{name};"


def scaled(scales: list[tuple[str, float]]) -> Iterator[str]:
    """The weights of the polynomials, from those of the harmonics."""
    for j, (name, scale) in enumerate(scales):
        yield f"const vec g{name} = (real){scale!r} * g[{j}];"


def _neighbor(l: int, m: int, letter: str, imaginary: bool) -> str:
    """The polynomial of an order, ``zero`` beyond the last."""
    if m > l or (imaginary and m == 0):
        return "zero"
    return f"{letter}{'b' if imaginary else 'a'}{l}_{m}"


def _combinations(l: int, m: int, letter: str) -> tuple[str, str, str, str]:
    """``a-, b+, b-, a+``: twice the derivatives by ``z`` (-) and ``x`` (+)."""
    return tuple(  # type: ignore[return-value]
        f"({_neighbor(l - 1, m - 1, letter, imaginary)} {sign} "
        f"{_neighbor(l - 1, m + 1, letter, imaginary)})"
        for imaginary, sign in ((False, "-"), (True, "+"), (True, "-"), (False, "+"))
    )


def sums(degrees: tuple[int, ...], name: str, letter: str) -> Iterator[str]:
    r"""The gradient of ``sum(g N)``, or with ``letter`` d that of its derivative.

    .. math::
        \partial_y N_l^m = N_{l-1}^m, \qquad
        2 \partial_w N_l^m = N_{l-1}^{m-1}, \qquad
        2 \partial_{\bar w} N_l^m = -N_{l-1}^{m+1}
    """
    chains = [l for l in degrees if l > 0]
    for l in chains:
        xs, ys, zs = f"{name}x{l}", f"{name}y{l}", f"{name}z{l}"
        yield f"vec {ys} = ga{l}_0 * {letter}a{l - 1}_0, {xs} = zero, {zs} = zero;"
        if l > 1:
            double = f"(ga{l}_0 + ga{l}_0)"
            yield f"{xs} -= {double} * {letter}b{l - 1}_1;"
            yield f"{zs} -= {double} * {letter}a{l - 1}_1;"
        for m in range(1, l + 1):
            a_minus, b_plus, b_minus, a_plus = _combinations(l, m, letter)
            ga, gb = f"ga{l}_{m}", f"gb{l}_{m}"
            yield f"{xs} += {gb} * {a_plus} - {ga} * {b_plus};"
            yield f"{zs} += {ga} * {a_minus} + {gb} * {b_minus};"
            if m < l:
                low = l - 1
                yield f"{ys} += {ga} * {letter}a{low}_{m} + {gb} * {letter}b{low}_{m};"
    for axis in "xyz":
        total = " + ".join(f"{name}{axis}{l}" for l in chains)
        half = "" if axis == "y" else "(real)0.5 * "
        yield f"vec {name}{axis} = {half}({total});"


def directional(top: int) -> Iterator[str]:
    """Derivatives along ``k`` of all polynomials, with the letter d before them."""
    yield "const vec px = (real)0.5 * kx, pz = (real)0.5 * kz, da0_0 = zero;"
    for l in range(1, top + 1):
        low = l - 1
        rest = f" - kz * a{low}_1 - kx * b{low}_1" if l > 1 else ""
        yield f"const vec da{l}_0 = ky * a{low}_0{rest};"
        for m in range(1, l + 1):
            a_minus, b_plus, b_minus, a_plus = _combinations(l, m, "")
            a = f" + ky * a{low}_{m}" if m < l else ""
            b = f" + ky * b{low}_{m}" if m < l else ""
            yield f"const vec da{l}_{m} = pz * {a_minus} - px * {b_plus}{a};"
            yield f"const vec db{l}_{m} = pz * {b_minus} + px * {a_plus}{b};"
