r"""Points on the sphere and on the group of rotations, with weights of quadrature."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def s2_grid(
    res_beta: int,
    res_alpha: int,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Angles of a grid on the sphere, e3nn's.

    .. math::
        \beta_i = \pi\, \frac{i + 1/2}{N}, \qquad \alpha_j = 2 \pi\, \frac{j}{M}

    The points are ``angles_to_xyz(alpha, beta)``; none of them is a pole.

    Args:
        res_beta: the number :math:`N` of polar angles.
        res_alpha: the number :math:`M` of azimuths.
        dtype: floating-point type (default: torch's default dtype).
        device: where they live (default: torch's default device).

    Returns:
        Polar angles ``(res_beta)`` and azimuths ``(res_alpha)``.

    Raises:
        ValueError: unless there is a point at least.

    Example:
        >>> s2_grid(2, 4)[1]
        tensor([0.0000, 1.5708, 3.1416, 4.7124])
    """
    if res_beta < 1 or res_alpha < 1:
        raise ValueError(
            f"a grid has a point at least, got res_beta={res_beta}, "
            f"res_alpha={res_alpha}"
        )
    i = torch.arange(res_beta, dtype=torch.float64, device=device)
    j = torch.arange(res_alpha, dtype=torch.float64, device=device)
    dtype = torch.get_default_dtype() if dtype is None else dtype
    betas, alphas = (i + 0.5) / res_beta * math.pi, j / res_alpha * 2 * math.pi
    return betas.to(dtype), alphas.to(dtype)


def polar_weights(
    res_beta: int,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""Weights of the polar angles of :func:`s2_grid` for means over the sphere.

    .. math::
        w_i = \frac{1}{N} \Bigl( 1 - 2 \sum_{k=1}^{\lfloor N/2 \rfloor}
              \frac{\cos 2 k \beta_i}{4 k^2 - 1} \Bigr), \qquad
        \sum_i w_i\, p(\cos \beta_i) = \tfrac12 \int_{-1}^{1} p(t)\, \mathrm dt

    for polynomials :math:`p` of degree :math:`N - 1` or less: Fejér's first rule.

    Args:
        res_beta: the number :math:`N` of polar angles.
        dtype: floating-point type (default: torch's default dtype).
        device: where they live (default: torch's default device).

    Example:
        >>> polar_weights(3)
        tensor([0.2222, 0.5556, 0.2222])
    """
    betas, _ = s2_grid(res_beta, 1, torch.float64, device)
    k = torch.arange(1, res_beta // 2 + 1, dtype=torch.float64, device=device)
    terms = (2 * k * betas.unsqueeze(-1)).cos() / (4 * k.square() - 1)
    weights = (1 - 2 * terms.sum(-1)) / res_beta
    return weights.to(torch.get_default_dtype() if dtype is None else dtype)
