"""Checks on rotation matrices, shared by those who take them as input."""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import check_tensor


def determinant(R: Tensor) -> Tensor:
    """Determinants ``(...)`` of 3 by 3 matrices, as polynomials in their entries."""
    x, y, z = R.unbind(-2)
    triple: Tensor = torch.linalg.cross(x, y) * z
    return triple.sum(-1)


def check_orthogonal(R: Tensor, proper: bool = False) -> None:
    """Raise unless ``R`` holds orthogonal matrices, ``proper`` ones if so asked.

    Values are looked at in eager mode only, and as closely as their dtype allows: to
    1e-5 in float64, so that rotations computed in float32 pass, and 3e-4 in float32.
    """
    check_tensor(R, "R")
    if R.shape[-2:] != (3, 3):
        raise ValueError(f"got R of shape {tuple(R.shape)}, expected (..., 3, 3)")
    if not R.is_floating_point():
        raise TypeError(f"got R of dtype {R.dtype}, expected a floating-point dtype")
    if torch.compiler.is_compiling() or R.is_meta or R.numel() == 0:
        return
    R = R.detach()
    tolerance = max(1e-5, torch.finfo(R.dtype).eps ** 0.5)
    error = (R @ R.mT - torch.eye(3, dtype=R.dtype, device=R.device)).abs().max()
    if not error <= tolerance:
        raise ValueError(
            f"R is not orthogonal: |R R^T - 1| reaches {error:.1e}, expected at most "
            f"{tolerance:.0e}; its last two dimensions are to be those of the matrix"
        )
    if proper and (determinant(R) < 0).any():
        raise ValueError(
            "R is improper (determinant -1): it has no quaternion, axis or Euler "
            "angles; convert the rotation -R and keep the inversion apart"
        )
