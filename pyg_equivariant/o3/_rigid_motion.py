r"""Logarithm and exponential of rotations and rigid motions, smooth at the identity.

A rigid motion is a rotation, as a quaternion :math:`q`, and then a translation
:math:`t`. Its logarithm is :math:`(\omega, \tau)`, six numbers: the rotation vector,
of the length of the angle, and :math:`t = \mathbf{V}(\omega)\, \tau`. All functions are
batched over leading dimensions and twice differentiable, at the identity too; at half
turns, where the sign of :math:`\omega` is arbitrary, derivatives are those of one side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ._checks import check_alike, check_broadcast, check_last
from ._vector import widen

_TERMS = range(10)
_ARCTAN = [(-1) ** n / (2 * n + 1) for n in _TERMS]
_COS_HALF = [(-1) ** n / (math.factorial(2 * n) * 4**n) for n in _TERMS]
_SINC_HALF = [(-1) ** n / (math.factorial(2 * n + 1) * 4**n) for n in _TERMS]
_CUBIC = [(-1) ** n / math.factorial(2 * n + 3) for n in _TERMS]
# |B_2n| / (2n)! from n = 1 on, with Bernoulli numbers
_BERNOULLI = (1 / 6, 1 / 30, 1 / 42, 1 / 30, 5 / 66, 691 / 2730, 7 / 6, 3617 / 510)
_INVERSE = [b / math.factorial(2 * n + 2) for n, b in enumerate(_BERNOULLI)]


def so3_log(q: Tensor) -> Tensor:
    r"""Rotation vectors of quaternions :math:`(w, v)`, no longer than :math:`\pi`.

    .. math::
        \omega = 2 \arctan\!\big(|v| / w\big)\, v / |v|

    Args:
        q: tensor of shape ``(..., 4)``, of any length but zero.

    Returns:
        Tensor of shape ``(..., 3)``.

    Raises:
        TypeError: if ``q`` is not floating-point.
        ValueError: if its last dimension is not 4.

    Example:
        >>> so3_log(torch.tensor([1.0, 1.0, 0.0, 0.0])) / math.pi
        tensor([0.5000, 0.0000, 0.0000])
    """
    check_last(q, 4, "q")
    wide = widen(q)
    wide = torch.where(wide[..., :1] < 0, -wide, wide)
    w, v = wide[..., :1], wide[..., 1:]
    square = (v * v).sum(-1, keepdim=True)
    small = square < 0.02 * w * w
    inside = torch.where(small, w, 1.0)
    series = _polynomial(torch.where(small, square, 0.0) / inside.square(), _ARCTAN)
    length = torch.where(small, 1.0, square).sqrt()
    outside = torch.atan2(length, torch.where(small, 1.0, w)) / length
    return (2 * torch.where(small, series / inside, outside) * v).to(q.dtype)


def so3_exp(omega: Tensor) -> Tensor:
    """Unit quaternions ``(..., 4)`` of rotation vectors ``(..., 3)``.

    Raises:
        TypeError: if ``omega`` is not floating-point.
        ValueError: if its last dimension is not 3.

    Example:
        >>> so3_exp(torch.tensor([math.pi, 0.0, 0.0])).round()
        tensor([-0., 1., 0., 0.])
    """
    check_last(omega, 3, "omega")
    wide = widen(omega)
    square = (wide * wide).sum(-1, keepdim=True)
    w = _even(square, _COS_HALF, lambda angle: (angle / 2).cos())
    sinc = _even(square, _SINC_HALF, lambda angle: (angle / 2).sin() / (angle / 2))
    return torch.cat([w, sinc / 2 * wide], dim=-1).to(omega.dtype)


def so3_jacobian(omega: Tensor, inverse: bool = False) -> Tensor:
    r"""The matrices :math:`\mathbf{V}` of the exponential of rigid motions.

    .. math::
        \mathbf{V} = 1 + \frac{1 - \cos\theta}{\theta^2} [\omega]_\times
        + \frac{\theta - \sin\theta}{\theta^3} [\omega]_\times^2, \qquad
        \mathbf{V}^{-1} = 1 - \frac12 [\omega]_\times
        + \frac{1 - \frac{\theta}{2} \cot\frac{\theta}{2}}{\theta^2} [\omega]_\times^2

    Args:
        omega: rotation vectors ``(..., 3)``, of length :math:`\theta`, for the inverse
            shorter than :math:`2 \pi`.
        inverse: return :math:`\mathbf{V}^{-1}`.

    Returns:
        Tensor of shape ``(..., 3, 3)``.

    Raises:
        TypeError: if ``omega`` is not floating-point.
        ValueError: if its last dimension is not 3.

    Example:
        >>> omega = torch.tensor([0.1, -0.2, 0.3])
        >>> product = so3_jacobian(omega) @ so3_jacobian(omega, inverse=True)
        >>> torch.allclose(product, torch.eye(3), atol=1e-6)
        True
    """
    check_last(omega, 3, "omega")
    identity = torch.eye(3, dtype=omega.dtype, device=omega.device)
    columns = identity.expand(*omega.shape[:-1], 3, 3)
    axes = omega.unsqueeze(-2)
    return _apply_jacobian(axes, columns, inverse).transpose(-1, -2)


def se3_log(q: Tensor, t: Tensor) -> Tensor:
    r"""Logarithms :math:`(\omega, \tau)` of rigid motions :math:`x \mapsto R x + t`.

    Args:
        q: quaternions of the rotations ``(..., 4)``, of any length but zero.
        t: translations ``(..., 3)``.

    Returns:
        Tensor of shape ``(..., 6)``: the rotation vector, no longer than :math:`\pi`,
        and :math:`\tau = \mathbf{V}(\omega)^{-1}\, t`.

    Raises:
        TypeError: if these are not real numbers of one dtype.
        ValueError: if shapes or devices do not fit.

    Example:
        >>> se3_log(torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.tensor([1.0, 2.0, 3.0]))
        tensor([0., 0., 0., 1., 2., 3.])
    """
    check_last(q, 4, "q")
    check_last(t, 3, "t")
    check_alike(q=q, t=t)
    check_broadcast(q=q.shape[:-1], t=t.shape[:-1])
    omega = so3_log(widen(q))
    tau = _apply_jacobian(omega, widen(t), inverse=True)
    return torch.cat([omega.expand_as(tau), tau], dim=-1).to(q.dtype)


def se3_exp(a: Tensor) -> tuple[Tensor, Tensor]:
    r"""Rigid motions of logarithms :math:`(\omega, \tau)`; see :func:`se3_log`.

    Args:
        a: tensor of shape ``(..., 6)``.

    Returns:
        Unit quaternions ``(..., 4)`` of the rotations, and translations ``(..., 3)``.

    Raises:
        TypeError: if ``a`` is not floating-point.
        ValueError: if its last dimension is not 6.

    Example:
        >>> a = torch.tensor([0.1, 0.2, 0.3, 1.0, 2.0, 3.0])
        >>> torch.allclose(se3_log(*se3_exp(a)), a)
        True
    """
    check_last(a, 6, "a")
    omega, tau = widen(a).split(3, dim=-1)
    t = _apply_jacobian(omega, tau, inverse=False)
    return so3_exp(omega).to(a.dtype), t.to(a.dtype)


def _apply_jacobian(omega: Tensor, x: Tensor, inverse: bool) -> Tensor:
    """The matrix of :func:`so3_jacobian` times vectors ``(..., 3)``."""
    dtype, omega, x = x.dtype, widen(omega), widen(x)
    square = (omega * omega).sum(-1, keepdim=True)
    first: Tensor | float = -0.5
    if inverse:
        second = _even(square, _INVERSE, _inverse_coefficient)
    else:
        half = _even(square, _SINC_HALF, lambda angle: (angle / 2).sin() / (angle / 2))
        first = half.square() / 2
        second = _even(square, _CUBIC, lambda angle: (angle - angle.sin()) / angle**3)
    once = _cross(omega, x)
    return (x + first * once + second * _cross(omega, once)).to(dtype)


def _inverse_coefficient(angle: Tensor) -> Tensor:
    half = angle / 2
    return (1 - half * half.cos() / half.sin()) / angle.square()


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.cross(*torch.broadcast_tensors(a, b))


def _even(
    square: Tensor, series: Sequence[float], function: Callable[[Tensor], Tensor]
) -> Tensor:
    """An even function of an angle, by its series where the angle is small."""
    small = square < 0.25
    angle = torch.where(small, 1.0, square).sqrt()
    inside = _polynomial(torch.where(small, square, 0.0), series)
    return torch.where(small, inside, function(angle))


def _polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    out = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        out = out * x + coefficient
    return out
