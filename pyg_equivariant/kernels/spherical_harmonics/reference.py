"""Derivatives of the spherical harmonics in plain torch: their specification."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import factorial, sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.o3 import (
    harmonics_reference,
    safe_norm,
    safe_normalize,
    squared_length,
)


class Form(NamedTuple):
    """Which harmonics.

    Attributes:
        degrees: ascending, each once.
        normalize: as in :func:`pyg_equivariant.o3.spherical_harmonics_reference`.
        normalization: as there.

    Example:
        >>> form = Form((0, 1, 2), True, "norm")
        >>> Form.parse(form.text()) == form
        True
    """

    degrees: tuple[int, ...]
    normalize: bool
    normalization: str

    @property
    def dim(self) -> int:
        """The number of harmonics of one vector."""
        return _dim(self.degrees)

    def text(self) -> str:
        """The form in one line: what a saved graph holds."""
        name = "normalized" if self.normalize else "polynomials"
        return " ".join([self.normalization, name, *map(str, self.degrees)])

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> Form:
        """The inverse of :meth:`text`."""
        normalization, name, *degrees = text.split()
        return Form(tuple(map(int, degrees)), name == "normalized", normalization)


@lru_cache(maxsize=256)
def _dim(degrees: tuple[int, ...]) -> int:
    return sum(2 * l + 1 for l in degrees)


def value(x: Tensor, shift: None, form: Form) -> Tensor:
    """The harmonics of vectors, ``(N, dim)``."""
    degrees, normalize, normalization = form
    blocks = tuple((1, l) for l in degrees)
    return harmonics_reference(x, blocks, normalize, normalization)


def gradient(x: Tensor, shift: None, grad: Tensor, form: Form) -> Tensor:
    r"""The gradient of :math:`\sum g\, Y(\mathbf r)`, ``(N, 3)``.

    Every derivative of a solid harmonic of degree :math:`l` is a combination of those
    of degree :math:`l - 1`. For a direction :math:`\mathbf u = \mathbf r / |\mathbf r|`
    the gradient :math:`\mathbf v` at :math:`\mathbf u` gives

    .. math::
        \nabla = (\mathbf v - \mathbf u\, (\mathbf u \cdot \mathbf v)) / |\mathbf r|.
    """
    direction, inverse = _direction(x, form)
    slope = _slope(_lower(direction, form), grad, form)
    return _tangent(slope, direction, inverse)


def second(
    x: Tensor, shift: None, grad: Tensor, along: Tensor, form: Form
) -> tuple[Tensor, Tensor]:
    r"""The derivatives of :math:`\mathbf h \cdot \nabla \sum g\, Y(\mathbf r)`.

    Returns:
        Those with respect to ``grad``, ``(N, dim)``, and to vectors, ``(N, 3)``, where
        :math:`\mathbf h` is ``along``.
    """
    direction, inverse = _direction(x, form)
    low = _lower(direction, form)
    slope = _slope(low, grad, form)
    k = _tangent(along, direction, inverse)
    grad_grad = _along(low, k, form)
    lower = Form(tuple(range(max(form.degrees))), False, "norm")
    lowest = _lower(direction, lower)
    curvature = _slope(_along(lowest, k, lower), grad, form)
    if inverse is None:
        return grad_grad, curvature
    uv, uh = _dot(direction, slope), _dot(direction, along)
    across = curvature - (uv * along + uh * slope) * inverse
    stretched = direction * (_dot(k, slope) * inverse)
    return grad_grad, _tangent(across, direction, inverse) - stretched


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


def _direction(vectors: Tensor, form: Form) -> tuple[Tensor, Tensor | None]:
    """Where the polynomials are evaluated, and the inverse length (0 for 0)."""
    if not form.normalize:
        return vectors, None
    length = safe_norm(vectors, keepdim=True)
    inverse = torch.where(length > 0, 1 / torch.where(length > 0, length, 1.0), 0.0)
    return safe_normalize(vectors), inverse


def _tangent(v: Tensor, direction: Tensor, inverse: Tensor | None) -> Tensor:
    if inverse is None:
        return v
    return (v - direction * _dot(direction, v)) * inverse


def _lower(direction: Tensor, form: Form) -> Tensor:
    """The polynomials of all degrees below the highest."""
    blocks = tuple((1, l) for l in range(max(form.degrees)))
    return harmonics_reference(direction, blocks, False, "norm")


def _slope(low: Tensor, grad: Tensor, form: Form) -> Tensor:
    """The gradient of the polynomials, summed with ``grad``."""
    table = _table(form, low)
    return torch.stack([_dot(low, grad @ part.T)[..., 0] for part in table], -1)


def _along(low: Tensor, k: Tensor, form: Form) -> Tensor:
    """The derivatives of the polynomials along ``k``."""
    table = _table(form, low)
    parts = zip(k.split(1, -1), table, strict=True)
    return torch.stack([a * (low @ part) for a, part in parts]).sum(0)


def _table(form: Form, like: Tensor) -> Tensor:
    """``[a, i, j]``: what harmonic ``i`` adds to the derivative of ``j`` by ``a``."""
    degrees, _, normalization = form
    shape = 3, max(degrees) ** 2, form.dim
    values = _table_values(degrees, normalization)
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(shape)


@lru_cache(maxsize=64)
def _table_values(degrees: tuple[int, ...], normalization: str) -> list[float]:
    columns = [(l, m) for l in degrees for m in range(-l, l + 1)]
    rows = max(degrees) ** 2
    values = [0.0] * (3 * rows * len(columns))
    for j, (l, m) in enumerate(columns):
        scale = sqrt(squared_length(l, normalization)) * _scale(l, m)
        for axis, order, factor in _derivatives(m):
            if abs(order) < l:
                row = axis * rows + l * (l - 1) + order
                factor *= scale / _scale(l - 1, order)
                values[row * len(columns) + j] = factor
    return values


def _derivatives(m: int) -> Iterator[tuple[int, int, float]]:
    r"""Those of a harmonic: axes, orders (one degree lower) and factors.

    With the derivatives :math:`P_l^{(m)}` of the Legendre polynomials and
    :math:`w = z + ix`, let :math:`N_l^m = r^{l-m} P_l^{(m)}(y/r)\, w^m / (l+m)!`. Then

    .. math::
        \partial_y N_l^m = N_{l-1}^m, \qquad
        2 \partial_w N_l^m = N_{l-1}^{m-1}, \qquad
        2 \partial_{\bar w} N_l^m = -N_{l-1}^{m+1}.
    """
    x, y, z = range(3)
    yield y, m, 1.0
    if m == 0:
        yield from ((x, -1, -1.0), (z, 1, -1.0))
    elif m > 0:  # the real part
        yield from ((x, -m - 1, -0.5), (z, m - 1, 0.5), (z, m + 1, -0.5))
        if m > 1:
            yield x, 1 - m, -0.5
    else:
        yield from ((x, -m - 1, 0.5), (x, 1 - m, 0.5), (z, m - 1, -0.5))
        if m < -1:
            yield z, m + 1, 0.5


def _scale(l: int, m: int) -> float:
    """What makes a harmonic with ``|Y_l| = 1`` of a part of :math:`N_l^{|m|}`."""
    squared = (1 if m == 0 else 2) * factorial(l - abs(m)) * factorial(l + abs(m))
    return sqrt(squared)
