"""Wigner matrices of all degrees to some, straight from rotation matrices."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from ._clebsch_gordan import clebsch_gordan
from ._orthogonal import determinant


def with_parity(l: int, p: int, D: Tensor, R: Tensor) -> Tensor:
    """``D`` of a degree as of the harmonics, for parity ``p``."""
    if p == (-1) ** l:
        return D
    return determinant(R)[..., None, None] * D


def harmonic_matrices(lmax: int, R: Tensor) -> list[Tensor]:
    """``D`` of degrees 0 to ``lmax``, with the parity of spherical harmonics."""
    matrices = [torch.ones_like(R[..., :1, :1]), R.clone()][: lmax + 1]
    coefficients = (
        _raising_coefficients
        if torch.compiler.is_compiling()
        else _cached_raising_coefficients
    )
    for l in range(2, lmax + 1):
        C = coefficients(l, R.dtype, R.device)  # [2l-1, 3, 2l+1]
        right = (matrices[-1] @ C.flatten(1)).unflatten(-1, (3, 2 * l + 1))
        right = R.unsqueeze(-3) @ right  # [..., 2l-1, 3, 2l+1]
        matrices.append(C.flatten(0, 1).mT @ right.flatten(-3, -2))
    return matrices


def _raising_coefficients(l: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``sqrt(2l+1) C`` of ``(l-1) x 1 -> l``, which has orthonormal columns."""
    C = clebsch_gordan(l - 1, 1, l, dtype=torch.float64, device="cpu")
    scaled: Tensor = (2 * l + 1) ** 0.5 * C
    return scaled.to(dtype=dtype, device=device)


@cache
def _cached_raising_coefficients(
    l: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    with torch.inference_mode(False):
        return _raising_coefficients(l, dtype, device)
