r"""The group of rotations in each of its forms: neutral element, inverse, product.

A product is that of matrices: ``compose(first, second)`` is :math:`R_1 R_2`, the
rotation by ``second`` and then by ``first``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._checks import check_broadcast, check_last, check_real
from ._rotation import (
    angles_to_quaternion,
    axis_angle_to_quaternion,
    azimuth,
    quaternion_to_angles,
    quaternion_to_axis_angle,
    rand_quaternion,
)
from ._vector import safe_norm, safe_normalize

Angles = tuple[Tensor, Tensor, Tensor]
AxisAngle = tuple[Tensor, Tensor]


def identity_angles(
    *shape: int,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Angles:
    """Euler angles ``(*shape)`` of rotations by nothing."""
    zero = torch.zeros(*shape, dtype=dtype, device=device)
    return zero, zero.clone(), zero.clone()


def identity_quaternion(
    *shape: int,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Quaternions ``(*shape, 4)`` of rotations by nothing.

    Example:
        >>> identity_quaternion()
        tensor([1., 0., 0., 0.])
    """
    q = torch.zeros(*shape, 4, dtype=dtype, device=device)
    q[..., 0] = 1
    return q


def rand_angles(
    *shape: int,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Angles:
    """Euler angles ``(*shape)`` of random rotations; see :func:`rand_matrix`."""
    return quaternion_to_angles(
        rand_quaternion(*shape, generator=generator, dtype=dtype, device=device)
    )


def rand_axis_angle(
    *shape: int,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> AxisAngle:
    """Axes ``(*shape, 3)`` and angles of random rotations; see :func:`rand_matrix`."""
    return quaternion_to_axis_angle(
        rand_quaternion(*shape, generator=generator, dtype=dtype, device=device)
    )


def inverse_angles(alpha: Tensor, beta: Tensor, gamma: Tensor) -> Angles:
    """Euler angles of the rotations back: ``(-gamma, -beta, -alpha)``.

    Example:
        >>> inverse_angles(*map(torch.tensor, (0.1, 0.2, 0.3)))
        (tensor(-0.3000), tensor(-0.2000), tensor(-0.1000))
    """
    for name, angle in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        check_real(angle, name)
    return -gamma, -beta, -alpha


def inverse_quaternion(q: Tensor) -> Tensor:
    """Unit quaternions ``(..., 4)`` of the rotations back.

    Example:
        >>> inverse_quaternion(torch.tensor([0.6, 0.8, 0.0, 0.0]))
        tensor([ 0.6000, -0.8000,  0.0000,  0.0000])
    """
    _check_quaternion(q, "q")
    return torch.cat([q[..., :1], -q[..., 1:]], dim=-1)


def compose_quaternion(q1: Tensor, q2: Tensor) -> Tensor:
    r"""Products :math:`q_1 q_2` of quaternions ``(..., 4)``: by ``q2``, then by ``q1``.

    Args:
        q1: the rotation that comes last.
        q2: the rotation that comes first; leading dimensions broadcast.

    Raises:
        TypeError: if they are not floating-point.
        ValueError: if their shapes do not fit.

    Example:
        >>> q = torch.tensor([0.6, 0.8, 0.0, 0.0])
        >>> compose_quaternion(q, inverse_quaternion(q))
        tensor([1., 0., 0., 0.])
    """
    _check_quaternion(q1, "q1")
    _check_quaternion(q2, "q2")
    check_broadcast(q1=q1.shape[:-1], q2=q2.shape[:-1])
    q1, q2 = torch.broadcast_tensors(q1, q2)
    w1, w2, v1, v2 = q1[..., :1], q2[..., :1], q1[..., 1:], q2[..., 1:]
    w = w1 * w2 - (v1 * v2).sum(-1, keepdim=True)
    v = w1 * v2 + w2 * v1 + torch.linalg.cross(v1, v2)
    return torch.cat([w, v], dim=-1)


def compose_angles(
    a1: Tensor, b1: Tensor, c1: Tensor, a2: Tensor, b2: Tensor, c2: Tensor
) -> Angles:
    r"""Euler angles of the rotation by the second three and then by the first three.

    Example:
        >>> angles = [torch.tensor(0.2), torch.tensor(0.3), torch.tensor(0.4)]
        >>> compose_angles(*angles, *inverse_angles(*angles))[1]
        tensor(0.)
    """
    first, second = angles_to_quaternion(a1, b1, c1), angles_to_quaternion(a2, b2, c2)
    return quaternion_to_angles(compose_quaternion(first, second))


def compose_axis_angle(
    axis1: Tensor, angle1: Tensor, axis2: Tensor, angle2: Tensor
) -> AxisAngle:
    """Axis and angle of the rotation by the second pair and then by the first."""
    first = axis_angle_to_quaternion(axis1, angle1)
    second = axis_angle_to_quaternion(axis2, angle2)
    return quaternion_to_axis_angle(compose_quaternion(first, second))


def angles_to_xyz(alpha: Tensor, beta: Tensor) -> Tensor:
    r"""Unit vectors ``(..., 3)`` at azimuth ``alpha`` and polar angle ``beta`` from y.

    .. math::
        (\sin\beta \sin\alpha,\; \cos\beta,\; \sin\beta \cos\alpha)

    Where the y axis comes to lie by the rotation of these Euler angles.

    Example:
        >>> angles_to_xyz(torch.tensor(1.7), torch.tensor(0.0))
        tensor([0., 1., 0.])
    """
    check_real(alpha, "alpha")
    check_real(beta, "beta")
    check_broadcast(alpha=alpha.shape, beta=beta.shape)
    alpha, beta = torch.broadcast_tensors(alpha, beta)
    sin = beta.sin()
    return torch.stack([sin * alpha.sin(), beta.cos(), sin * alpha.cos()], dim=-1)


def xyz_to_angles(xyz: Tensor) -> tuple[Tensor, Tensor]:
    """Azimuth and polar angle of vectors ``(..., 3)``; see :func:`angles_to_xyz`.

    Vectors of any length; the zero vector has azimuth zero and a right angle from y.

    Example:
        >>> xyz_to_angles(torch.tensor([0.0, 2.0, 0.0]))
        (tensor(0.), tensor(0.))
    """
    check_real(xyz, "xyz")
    check_last(xyz, 3, "xyz")
    x, y, z = safe_normalize(xyz).unbind(-1)
    flat = safe_norm(torch.stack([x, z], dim=-1))
    return azimuth(x, z), math.pi / 2 - azimuth(y, flat)


def _check_quaternion(q: Tensor, name: str) -> None:
    check_real(q, name)
    check_last(q, 4, name)
