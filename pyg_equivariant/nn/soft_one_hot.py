"""Where a number lies among evenly spaced ones, smoothly."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_real

from .radial import sinc

BASES = ("gaussian", "cosine", "smooth_finite", "fourier", "bessel")


def soft_one_hot_linspace(
    x: Tensor, start: float, end: float, number: int, basis: str, cutoff: bool
) -> Tensor:
    r"""Functions of a number, of which few are large at a time.

    e3nn's function of that name, with its constants, so that :math:`\sum_i y_i^2
    \approx 1` between the ends, but for ``"bessel"``. With
    :math:`d_i = (x - x_i) / (x_{i+1} - x_i)`:

    .. math::
        \frac{e^{-d_i^2}}{1.12}, \quad
        \cos \tfrac{\pi}{2} d_i, \quad
        1.14136\, e^{2 - 1/(1 + d_i) - 1/(1 - d_i)}, \quad
        \frac{\sin i \pi t}{\sqrt{1/4 + N/2}}, \quad
        \sqrt{\frac{2}{c}}\, \frac{\sin(i \pi t)}{c\, t}

    where :math:`t` runs from 0 to 1 between the ends and :math:`c` is their distance.
    The second and third are zero for :math:`|d_i| \ge 1`. Without ``cutoff`` the fourth
    is :math:`\cos (i - 1) \pi t`. Derivatives are finite everywhere, at the ends and at
    zero, too; for layers :class:`~pyg_equivariant.nn.GaussianBasis` and
    :class:`~pyg_equivariant.nn.BesselBasis` are faster.

    Args:
        x: any shape.
        start: the lower end.
        end: the upper end.
        number: how many functions.
        basis: ``"gaussian"``, ``"cosine"``, ``"smooth_finite"``, ``"fourier"`` or
            ``"bessel"``.
        cutoff: let functions vanish at the ends and, but for ``"gaussian"``, outside.

    Returns:
        Tensor ``(*x.shape, number)``.

    Raises:
        TypeError: if ``x`` is not floating-point.
        ValueError: for an unknown basis, no functions, or ends in the wrong order.

    Example:
        >>> soft_one_hot_linspace(torch.tensor([0.5]), 0.0, 1.0, 3, "cosine", False)
        tensor([[-0.0000, 1.0000, -0.0000]])
    """
    check_real(x, "x")
    if basis not in BASES:
        raise ValueError(f"got basis {basis!r}, expected one of {', '.join(BASES)}")
    least = 1 if cutoff or basis in ("fourier", "bessel") else 2
    if number < least or not start < end:
        raise ValueError(
            f"expected at least {least} functions and start < end, got "
            f"number={number}, start={start}, end={end}"
        )
    if basis in ("fourier", "bessel"):
        return _waves(x, start, end, number, basis, cutoff)
    step = (end - start) / (number + 1 if cutoff else number - 1)
    places = torch.arange(number, dtype=x.dtype, device=x.device) + bool(cutoff)
    d = (x.unsqueeze(-1) - start) / step - places
    if basis == "gaussian":
        return (-d.square()).exp() / 1.12
    if basis == "cosine":
        return torch.where(d.abs() < 1, (math.pi / 2 * d).cos(), 0.0)
    return 1.14136 * math.exp(2) * soft_unit_step(1 + d) * soft_unit_step(1 - d)


def _waves(
    x: Tensor, start: float, end: float, number: int, basis: str, cutoff: bool
) -> Tensor:
    t = (x.unsqueeze(-1) - start) / (end - start)
    i = torch.arange(1, number + 1, dtype=x.dtype, device=x.device)
    inside = (t > 0) & (t < 1)
    if basis == "bessel":
        waves = math.pi * i * sinc(math.pi * i * t) * math.sqrt(2 / (end - start) ** 3)
    elif cutoff:
        waves = (math.pi * i * t).sin() / math.sqrt(0.25 + number / 2)
    else:
        return (math.pi * (i - 1) * t).cos() / math.sqrt(0.25 + number / 2)
    return torch.where(inside, waves, 0.0) if cutoff else waves


def soft_unit_step(x: Tensor) -> Tensor:
    r""":math:`e^{-1/x}` for positive numbers, zero for others: smooth to all orders.

    e3nn's function of that name.

    Args:
        x: any shape.

    Raises:
        TypeError: if it is not floating-point.

    Example:
        >>> soft_unit_step(torch.tensor([-1.0, 0.0, 1.0]))
        tensor([0.0000, 0.0000, 0.3679])
    """
    check_real(x, "x")
    room = x > 4 * torch.finfo(x.dtype).eps
    return torch.where(room, (-1 / torch.where(room, x, 1.0)).exp(), 0.0)
