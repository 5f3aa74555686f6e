"""Real Clebsch-Gordan coefficients: exact, and rounded once to floating point."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ._racah import entries, nearest_float

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

    The basis is that of :func:`spherical_harmonics_reference`, the Frobenius norm is 1
    and the signs are those of ``e3nn.o3.wigner_3j``. Every number is the float64
    nearest to the exact one of :func:`clebsch_gordan_exact`, then cast to ``dtype``.

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
    if torch.compiler.is_compiling():
        device = torch.empty(0).device if device is None else torch.device(device)
        C: Tensor = _opaque(l1, l2, l3, dtype, device)
        return C
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
    for i, j, k, integer, *radicand in entries(l1, l2, l3):
        root = sympy.sqrt(sympy.Rational(*radicand))
        flat[(i * shape[1] + j) * shape[2] + k] = integer * root
    return sympy.ImmutableDenseNDimArray(flat, shape)


# A NumPy array in the cache, not a tensor: it belongs to no inference mode, fake mode
# or default device that happens to be active when the coefficients are first asked for.
@cache
def _float64(l1: int, l2: int, l3: int) -> NDArray[np.float64]:
    coefficients = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for i, j, k, *exact in entries(l1, l2, l3):
        coefficients[i, j, k] = nearest_float(*exact)
    return coefficients


# The compiler calls this operator, and does not look into the arithmetic behind it.
@torch.library.custom_op(
    "pyg_equivariant::clebsch_gordan",
    mutates_args=(),
    schema="(int l1, int l2, int l3, ScalarType dtype, Device device) -> Tensor",
)
def _opaque(
    l1: int, l2: int, l3: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    return torch.tensor(_float64(l1, l2, l3), dtype=dtype, device=device)


@_opaque.register_fake
def _(l1: int, l2: int, l3: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    shape = (2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1)
    return torch.empty(shape, dtype=dtype, device=device)


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
