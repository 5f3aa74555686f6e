"""The matrices of rotations on features, from each form of a rotation."""

from __future__ import annotations

import torch
from torch import Tensor

from ._irreps import Irreps, IrrepsLike
from ._rotation import angles_to_matrix, axis_angle_to_matrix, quaternion_to_matrix
from ._wigner import wigner_D


def D_from_matrix(irreps: IrrepsLike, R: Tensor) -> Tensor:
    r"""Matrices by which features of irreps transform under rotations ``R``.

    .. math::
        D(R) = \bigoplus_{mul\, \times\, l} D^l(R) \otimes \mathbf 1_{mul}

    They act on this library's layout ``ir_mul``: ``D @ x`` is ``rotate(irreps, x, R)``,
    which needs no such matrix.

    Args:
        irreps: what the features are.
        R: rotations, proper or improper, ``(..., 3, 3)``.

    Returns:
        Orthogonal matrices ``(..., irreps.dim, irreps.dim)``.

    Raises:
        TypeError: if ``R`` is not floating-point.
        ValueError: if a matrix is not 3 by 3 or not orthogonal (looked at in eager mode
            only).

    Example:
        >>> mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0]))
        >>> D_from_matrix("2x0o+1x1o", mirror).diagonal()
        tensor([-1., -1.,  1.,  1., -1.])
    """
    irreps = Irreps(irreps)
    D = R.new_zeros(*R.shape[:-2], irreps.dim, irreps.dim)
    for (mul, ir), where in zip(irreps, irreps.slices(), strict=True):
        one = torch.eye(mul, dtype=R.dtype, device=R.device)
        D[..., where, where] = torch.kron(wigner_D(ir, R).contiguous(), one)
    return D


def D_from_angles(
    irreps: IrrepsLike, alpha: Tensor, beta: Tensor, gamma: Tensor
) -> Tensor:
    """The same of Euler angles; see :func:`angles_to_matrix`.

    Example:
        >>> D_from_angles("4x0e+1x1o", *torch.rand(3, 10)).shape
        torch.Size([10, 7, 7])
    """
    return D_from_matrix(irreps, angles_to_matrix(alpha, beta, gamma))


def D_from_quaternion(irreps: IrrepsLike, q: Tensor) -> Tensor:
    """The same of unit quaternions ``(..., 4)``; see :func:`quaternion_to_matrix`."""
    return D_from_matrix(irreps, quaternion_to_matrix(q))


def D_from_axis_angle(irreps: IrrepsLike, axis: Tensor, angle: Tensor) -> Tensor:
    """The same of axes and angles; see :func:`axis_angle_to_matrix`."""
    return D_from_matrix(irreps, axis_angle_to_matrix(axis, angle))
