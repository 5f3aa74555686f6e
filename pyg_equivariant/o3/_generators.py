"""Infinitesimal rotations of irreps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._clebsch_gordan import clebsch_gordan


def so3_generators(
    l: int,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""The derivatives :math:`X_i` of Wigner matrices at no rotation.

    .. math::
        D^l(\exp \boldsymbol\omega) = \exp \Bigl( \sum_i \omega_i X_i \Bigr), \qquad
        [X_x, X_y] = X_z, \qquad \sum_i X_i^2 = -l (l + 1),

    with the angle times the axis :math:`\boldsymbol\omega` in order x, y, z. They are
    Clebsch-Gordan coefficients of :math:`l \times 1 \to l`.

    Args:
        l: the degree.
        dtype: floating-point type (default: torch's default dtype).
        device: where they live (default: torch's default device).

    Returns:
        Antisymmetric matrices ``(3, 2 l + 1, 2 l + 1)``.

    Raises:
        ValueError: if ``l`` is negative.

    Example:
        >>> so3_generators(1)[2]  # about z: x to y
        tensor([[ 0., -1.,  0.],
                [ 1.,  0.,  0.],
                [ 0.,  0.,  0.]])
    """
    if l == 0:
        return torch.zeros(3, 1, 1, dtype=dtype, device=device)
    C = clebsch_gordan(l, 1, l, dtype=torch.float64, device="cpu")
    scale = math.sqrt(l * (l + 1) * (2 * l + 1))
    dtype = torch.get_default_dtype() if dtype is None else dtype
    device = torch.get_default_device() if device is None else device
    return (scale * C).permute(1, 0, 2).to(device=device, dtype=dtype)
