"""The matrices by which rotations act on features, from each form of a rotation."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ._orthogonal import check_orthogonal
from ._rotation import angles_to_matrix, axis_angle_to_matrix, quaternion_to_matrix
from ._wigner_matrices import harmonic_matrices, with_parity


class Representation:
    """What irreps and their direct sums have in common: matrices of rotations."""

    def _terms(self) -> Iterable[tuple[int, int, int]]:
        """Multiplicity, degree and parity of every block."""
        raise TypeError(f"{type(self).__name__} does not say what it consists of")

    def D_from_matrix(self, R: Tensor) -> Tensor:
        r"""Matrices by which features transform under rotations ``R``.

        .. math::
            D(R) = \bigoplus_{mul\, \times\, l} D^l(R) \otimes \mathbf 1_{mul}

        They act on this library's layout ``ir_mul``: ``D @ x`` is
        ``rotate(irreps, x, R)``, which needs no such matrix. In the order of e3nn the
        factors trade places.

        Args:
            R: rotations, proper or improper, ``(..., 3, 3)``.

        Returns:
            Orthogonal matrices ``(..., dim, dim)``.

        Raises:
            TypeError: if ``R`` is not floating-point.
            ValueError: if a matrix is not 3 by 3 or not orthogonal (looked at in eager
                mode only).
        """
        check_orthogonal(R)
        terms = list(self._terms())
        dim = sum(mul * (2 * l + 1) for mul, l, _ in terms)
        harmonic = harmonic_matrices(max((l for _, l, _ in terms), default=0), R)
        D, start = R.new_zeros(*R.shape[:-2], dim, dim), 0
        for mul, l, p in terms:
            where = slice(start, start + mul * (2 * l + 1))
            one = torch.eye(mul, dtype=R.dtype, device=R.device)
            matrix = with_parity(l, p, harmonic[l], R).contiguous()
            D[..., where, where] = torch.kron(matrix, one)
            start = where.stop
        return D

    def D_from_angles(self, alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
        """The same of Euler angles ``(...)``, about y, x and y."""
        return self.D_from_matrix(angles_to_matrix(alpha, beta, gamma))

    def D_from_quaternion(self, q: Tensor) -> Tensor:
        """The same of unit quaternions ``(..., 4)``, the real part first."""
        return self.D_from_matrix(quaternion_to_matrix(q))

    def D_from_axis_angle(self, axis: Tensor, angle: Tensor) -> Tensor:
        """The same of unit axes ``(..., 3)`` and angles ``(...)``."""
        return self.D_from_matrix(axis_angle_to_matrix(axis, angle))
