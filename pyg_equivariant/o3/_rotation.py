r"""Rotations as matrices, quaternions, axis and angle, or Euler angles.

All functions are batched over leading dimensions. A quaternion is ``(w, x, y, z)``;
Euler angles are e3nn's, :math:`R = R_y(\alpha) R_x(\beta) R_y(\gamma)`, in radians.
Whatever form a rotation takes, the quaternion is the road to the others: it is the one
form whose conversions lose no digits anywhere, half turns and gimbal poles included.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from ._checks import check_alike, check_broadcast, check_last, check_real
from ._orthogonal import check_orthogonal
from ._vector import safe_norm, safe_normalize, widen


def rand_matrix(
    *shape: int,
    improper: bool = False,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Random rotation matrices, uniform over SO(3).

    Args:
        *shape: leading dimensions; none gives one matrix.
        improper: return ``-R``, uniform over the rotations combined with an inversion.
        generator: source of randomness (default: torch's own).
        dtype: floating-point type (default: torch's default dtype).
        device: where they live (default: the generator's, else torch's default device).

    Returns:
        Tensor of shape ``(*shape, 3, 3)``.

    Example:
        >>> R = rand_matrix(10, improper=True)
        >>> R.shape, torch.linalg.det(R).sum()
        (torch.Size([10, 3, 3]), tensor(-10.0000))
    """
    q = rand_quaternion(*shape, generator=generator, dtype=dtype, device=device)
    R = quaternion_to_matrix(q)
    return -R if improper else R


def rand_quaternion(
    *shape: int,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Random unit quaternions ``(*shape, 4)``, uniform; see :func:`rand_matrix`."""
    if device is None and generator is not None:
        device = generator.device
    q = torch.randn(*shape, 4, generator=generator, dtype=dtype, device=device)
    return torch.nn.functional.normalize(q, dim=-1)


def matrix_x(angle: Tensor) -> Tensor:
    """Matrices ``(..., 3, 3)`` of rotations about x, from y towards z.

    Example:
        >>> matrix_x(torch.tensor(0.1)) @ torch.tensor([0.0, 1.0, 0.0])
        tensor([0.0000, 0.9950, 0.0998])
    """
    return _axis_matrix(angle, 0)


def matrix_y(angle: Tensor) -> Tensor:
    """Matrices ``(..., 3, 3)`` of rotations about y, from z towards x."""
    return _axis_matrix(angle, 1)


def matrix_z(angle: Tensor) -> Tensor:
    """Matrices ``(..., 3, 3)`` of rotations about z, from x towards y."""
    return _axis_matrix(angle, 2)


def angles_to_matrix(alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    r"""Matrices :math:`R_y(\alpha) R_x(\beta) R_y(\gamma)` of Euler angles.

    The rotation by ``gamma`` comes first. Seen from y, ``beta`` and ``alpha`` are the
    polar angle and the azimuth of the image of the y axis.

    Args:
        alpha: angles of the rotation about y that comes last.
        beta: angles of the rotation about x.
        gamma: angles of the rotation about y that comes first.

    Returns:
        Tensor of shape ``(..., 3, 3)``, of the common shape of the three.

    Example:
        >>> angles = torch.tensor(0.1), torch.tensor(0.2), torch.tensor(0.3)
        >>> matrix_to_angles(angles_to_matrix(*angles))
        (tensor(0.1000), tensor(0.2000), tensor(0.3000))
    """
    _check_angles(alpha, beta, gamma)
    return matrix_y(alpha) @ matrix_x(beta) @ matrix_y(gamma)


def angles_to_quaternion(alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    """Unit quaternions ``(..., 4)`` of Euler angles; see :func:`angles_to_matrix`."""
    _check_angles(alpha, beta, gamma)
    half_sum, half_difference = (alpha + gamma) / 2, (alpha - gamma) / 2
    cos, sin = (beta / 2).cos(), (beta / 2).sin()
    parts = (
        cos * half_sum.cos(),
        sin * half_difference.cos(),
        cos * half_sum.sin(),
        -sin * half_difference.sin(),
    )
    return torch.stack(parts, dim=-1)


def angles_to_axis_angle(
    alpha: Tensor, beta: Tensor, gamma: Tensor
) -> tuple[Tensor, Tensor]:
    """Unit axes and angles from 0 to pi; see :func:`quaternion_to_axis_angle`."""
    q = angles_to_quaternion(alpha, beta, gamma)
    return quaternion_to_axis_angle(_canonical(q))


def axis_angle_to_quaternion(axis: Tensor, angle: Tensor) -> Tensor:
    """Unit quaternions ``(..., 4)`` of rotations by ``angle`` about ``axis``.

    Args:
        axis: vectors ``(..., 3)`` of any length but zero.
        angle: ``(...)``, counter-clockwise seen from the tip of the axis.

    Example:
        >>> axis_angle_to_quaternion(torch.tensor([0.0, 0.0, 5.0]), torch.tensor(0.2))
        tensor([0.9950, 0.0000, 0.0000, 0.0998])
    """
    check_alike(axis=axis, angle=angle)
    check_last(axis, 3, "axis")
    check_broadcast(axis=axis.shape[:-1], angle=angle.shape)
    half = angle.unsqueeze(-1) / 2
    axis, half = torch.broadcast_tensors(safe_normalize(axis), half)
    return torch.cat([half[..., :1].cos(), half.sin() * axis], dim=-1)


def axis_angle_to_matrix(axis: Tensor, angle: Tensor) -> Tensor:
    """Matrices ``(..., 3, 3)``; see :func:`axis_angle_to_quaternion`."""
    return quaternion_to_matrix(axis_angle_to_quaternion(axis, angle))


def axis_angle_to_angles(axis: Tensor, angle: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Euler angles; see :func:`axis_angle_to_quaternion`."""
    return quaternion_to_angles(axis_angle_to_quaternion(axis, angle))


def quaternion_to_matrix(q: Tensor) -> Tensor:
    r"""Matrices of quaternions :math:`q = (w, v)`, of any length but zero.

    .. math::
        R = \frac{(w^2 - v^2)\, 1 + 2 v v^T + 2 w [v]_\times}{w^2 + v^2}

    Args:
        q: tensor of shape ``(..., 4)``.

    Returns:
        Tensor of shape ``(..., 3, 3)``.
    """
    check_last(q, 4, "q")
    dtype, q = q.dtype, widen(q)
    w, x, y, z = q.unbind(-1)
    rows = (
        (w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z),
    )
    R = _matrix(rows)
    return (R / (q * q).sum(-1)[..., None, None]).to(dtype)


def quaternion_to_axis_angle(q: Tensor) -> tuple[Tensor, Tensor]:
    """Axes and angles of quaternions.

    Args:
        q: tensor of shape ``(..., 4)``, of any length but zero.

    Returns:
        Unit axes ``(..., 3)``, the y axis for the identity, and angles ``(...)`` from 0
        to 2 pi, to pi where ``w >= 0``.
    """
    check_last(q, 4, "q")
    w, v = q[..., 0], q[..., 1:]
    length = safe_norm(v)
    polar = torch.tensor([0.0, 1.0, 0.0], dtype=q.dtype, device=q.device)
    axis = torch.where(length.unsqueeze(-1) > 0, safe_normalize(v), polar)
    return axis, 2 * torch.atan2(length, w)


def quaternion_to_angles(q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Euler angles of quaternions.

    Args:
        q: tensor of shape ``(..., 4)``, of any length but zero.

    Returns:
        :math:`\alpha` and :math:`\gamma` from :math:`-\pi` to :math:`\pi` and
        :math:`\beta` from 0 to :math:`\pi`, each of shape ``(...)``. At the gimbal
        poles :math:`\beta = 0, \pi`, where they are not unique, :math:`\alpha = 0`.
    """
    check_last(q, 4, "q")
    w, x, y, z = q.unbind(-1)
    cos, sin = safe_norm(torch.stack([w, y], -1)), safe_norm(torch.stack([x, z], -1))
    half_sum, half_difference = azimuth(y, w), azimuth(-z, x)
    half_difference = torch.where(sin == 0, -half_sum, half_difference)
    half_sum = torch.where(cos == 0, -half_difference, half_sum)
    alpha, gamma = half_sum + half_difference, half_sum - half_difference
    return _wrap(alpha), 2 * torch.atan2(sin, cos), _wrap(gamma)


def matrix_to_quaternion(R: Tensor) -> Tensor:
    """Unit quaternions ``(..., 4)`` with ``w >= 0`` of rotation matrices.

    The sixteen products ``4 q_i q_j`` are linear in ``R``; their row with the largest
    square, never below 1, is normalized.

    Args:
        R: proper rotations, of shape ``(..., 3, 3)``.

    Raises:
        TypeError: if ``R`` is not floating-point.
        ValueError: if a matrix is not 3 by 3, not orthogonal or not proper.

    Example:
        >>> matrix_to_quaternion(torch.diag(torch.tensor([1.0, -1.0, -1.0])))
        tensor([0., 1., 0., 0.])
    """
    check_orthogonal(R, proper=True)
    xx, xy, xz, yx, yy, yz, zx, zy, zz = R.flatten(-2).unbind(-1)
    wx, wy, wz = zy - yz, xz - zx, yx - xy
    rows = (
        (1 + xx + yy + zz, wx, wy, wz),
        (wx, 1 + xx - yy - zz, xy + yx, xz + zx),
        (wy, xy + yx, 1 - xx + yy - zz, yz + zy),
        (wz, xz + zx, yz + zy, 1 - xx - yy + zz),
    )
    products = _matrix(rows)
    best = products.diagonal(dim1=-2, dim2=-1).argmax(-1, keepdim=True)
    q = products.take_along_dim(best.unsqueeze(-1), dim=-2).squeeze(-2)
    return _canonical(q / (q * q).sum(-1, keepdim=True).sqrt())


def matrix_to_axis_angle(R: Tensor) -> tuple[Tensor, Tensor]:
    """Unit axes and angles from 0 to pi; see :func:`matrix_to_quaternion`."""
    return quaternion_to_axis_angle(matrix_to_quaternion(R))


def matrix_to_angles(R: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Euler angles; see :func:`quaternion_to_angles`, :func:`matrix_to_quaternion`."""
    return quaternion_to_angles(matrix_to_quaternion(R))


def _check_angles(alpha: Tensor, beta: Tensor, gamma: Tensor) -> None:
    check_alike(alpha=alpha, beta=beta, gamma=gamma)
    check_broadcast(alpha=alpha.shape, beta=beta.shape, gamma=gamma.shape)


def _axis_matrix(angle: Tensor, axis: int) -> Tensor:
    check_real(angle, "angle")
    cos, sin = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    about_z = _matrix(((cos, -sin, zero), (sin, cos, zero), (zero, zero, one)))
    return about_z.roll((axis + 1, axis + 1), (-2, -1))  # one step turns z into x


def _matrix(rows: Iterable[tuple[Tensor, ...]]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _canonical(q: Tensor) -> Tensor:
    """Of the two quaternions of a rotation the one with ``w >= 0``."""
    return torch.where(q[..., :1] < 0, -q, q)


def azimuth(y: Tensor, x: Tensor) -> Tensor:
    """``atan2``, of which all derivatives are finite where both are zero, too."""
    return torch.atan2(y, torch.where((x == 0) & (y == 0), 1.0, x))


def _wrap(angle: Tensor) -> Tensor:
    """The same angle from ``-pi`` to ``pi``."""
    return angle - 2 * math.pi * (angle / (2 * math.pi)).round()
