"""The polynomials behind the spherical harmonics, by a recursion over the degree."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import factorial, pi, sqrt

import torch
from torch import Tensor

Blocks = tuple[tuple[int, int], ...]
"""Pairs (multiplicity, degree), multiplicities positive."""

_SQUARED_LENGTH: dict[str, Callable[[int], float]] = {
    "component": lambda l: 2 * l + 1,
    "norm": lambda l: 1,
    "integral": lambda l: (2 * l + 1) / (4 * pi),
}


def squared_length(l: int, normalization: str) -> float:
    """The square of the length of the harmonics of a degree, on the unit sphere.

    Raises:
        ValueError: if there is no normalization of that name.

    Example:
        >>> squared_length(2, "component")
        5
    """
    if normalization not in _SQUARED_LENGTH:
        raise ValueError(
            f"got normalization={normalization!r}, expected one of "
            f"{', '.join(map(repr, _SQUARED_LENGTH))}"
        )
    return _SQUARED_LENGTH[normalization](l)


def evaluate_blocks(vectors: Tensor, blocks: Blocks, table: Tensor) -> Tensor:
    r"""Real solid harmonics, homogeneous polynomials of the components of vectors.

    Args:
        vectors: shape ``(3, N)``.
        blocks: which degrees, and in how many channels.
        table: the numbers of :func:`table_values`, in the dtype of ``vectors``.

    Returns:
        A tensor of shape ``(N, sum(mul * (2 * l + 1)))``.
    """
    lmax = max([l for _, l in blocks])
    dim = sum(mul * (2 * l + 1) for mul, l in blocks)
    sizes = [dim, *(2 * l - 3 for l in range(2, lmax + 1))]
    scale, *factors = table.split(sizes)
    degrees = _unscaled(vectors, factors)
    chosen = [
        degrees[l] if mul == 1 else degrees[l].repeat_interleave(mul, 0)
        for mul, l in blocks
    ]
    rows: Tensor = torch.cat(chosen) * scale.unsqueeze(-1)
    # By way of one dimension: the gradient, too, then comes back as contiguous rows.
    return rows.reshape(-1).reshape(rows.shape).T.contiguous()


def _unscaled(vectors: Tensor, factors: list[Tensor]) -> list[Tensor]:
    r"""All degrees from 0, each ``(2 l + 1, N)``, leading coefficients 1.

    Degree :math:`l` follows from the two before it. With
    :math:`C_m + iS_m = (z + ix)^m`, and :math:`r^2` a polynomial like the others,

    .. math::
        W_l^m = y\, W_{l-1}^m - \frac{(l-1)^2 - m^2}{(2l-1)(2l-3)}\, r^2\, W_{l-2}^m,
        \qquad W_l^l = C_l, \quad W_l^{-l} = S_l.
    """
    x, y, z = vectors.split(1)
    r2 = (vectors * vectors).sum(0, keepdim=True)
    degrees = [torch.ones_like(y), vectors]
    sin, cos = x, z
    for l, factor in enumerate(factors, start=2):
        sin, cos = (
            torch.addcmul(x * cos, z, sin),
            torch.addcmul(z * cos, x, sin, value=-1),
        )
        # The outermost orders of W_{l-1} have no counterpart in W_{l-2}.
        first, inner, last = (y * degrees[l - 1]).split([1, 2 * l - 3, 1])
        inner = torch.addcmul(
            inner, factor.unsqueeze(-1) * r2, degrees[l - 2], value=-1
        )
        degrees.append(torch.cat([sin, first, inner, last, cos]))
    return degrees


def table_values(blocks: Blocks, normalization: str) -> tuple[float, ...]:
    """The constants of :func:`evaluate_blocks`: scales of all outputs, then factors."""
    # A compiler warns of caches in what it traces, and does without them.
    if torch.compiler.is_compiling():
        return _table_values(blocks, normalization)
    return _cached_table_values(blocks, normalization)


def _table_values(blocks: Blocks, normalization: str) -> tuple[float, ...]:
    squared_length(0, normalization)  # refuses unknown normalizations
    scales = [
        sqrt(_squared_scale(l, abs(m)) * squared_length(l, normalization))
        for mul, l in blocks
        for m in range(-l, l + 1)
        for _ in range(mul)
    ]
    lmax = max([0, *(l for _, l in blocks)])
    factors = [
        ((l - 1) ** 2 - m * m) / ((2 * l - 1) * (2 * l - 3))
        for l in range(2, lmax + 1)
        for m in range(2 - l, l - 1)
    ]
    return (*scales, *factors)


_cached_table_values = cache(_table_values)


def _squared_scale(l: int, m: int) -> float:
    """What makes ``|Y_l| = 1`` from the polynomials with leading coefficient 1."""
    numerator = factorial(2 * l) ** 2 * (1 if m == 0 else 2)
    denominator = (factorial(l) << l) ** 2 * factorial(l - m) * factorial(l + m)
    return numerator / denominator
