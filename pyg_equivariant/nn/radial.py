"""Radial bases: a distance as a vector of numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .module import EquivariantModule


class GaussianBasis(EquivariantModule):
    r"""Gaussians :math:`\exp\big(-(r - \mu_k)^2 / 2\delta^2\big)`, a spacing apart.

    Args:
        num_radial: number of Gaussians, 2 or more.
        cutoff: the last centre; the first is ``start``.
        start: the first centre (default: 0.0).

    Example:
        >>> GaussianBasis(6, 5.0)(torch.tensor([0.0, 1.0])).shape
        torch.Size([2, 6])
    """

    centers: Tensor

    def __init__(self, num_radial: int, cutoff: float, start: float = 0.0) -> None:
        super().__init__()
        self.num_radial = num_radial
        self.cutoff = float(cutoff)
        self.start = float(start)
        centers = torch.linspace(start, cutoff, num_radial, dtype=torch.float64)
        self.coefficient = -0.5 / float(centers[1] - centers[0]) ** 2
        self.register_constant("centers", centers)

    def forward(self, edge_length: Tensor) -> Tensor:
        """Features ``(|E|, num_radial)`` of lengths ``(|E|,)``."""
        difference = edge_length.unsqueeze(-1) - self.centers
        return torch.exp(self.coefficient * difference.square())


class BesselBasis(EquivariantModule):
    r"""Bessel functions :math:`c \sin(n \pi r / r_c) / r`.

    Args:
        num_radial: number of functions.
        cutoff: the radius :math:`r_c`.
        prefactor: the number :math:`c`; by default :math:`\sqrt{2/r_c}`.

    Example:
        >>> BesselBasis(6, 5.0)(torch.tensor([0.0, 1.0])).shape
        torch.Size([2, 6])
    """

    frequencies: Tensor

    def __init__(
        self, num_radial: int, cutoff: float, prefactor: float | None = None
    ) -> None:
        super().__init__()
        self.num_radial = num_radial
        self.cutoff = float(cutoff)
        self.prefactor = math.sqrt(2 / cutoff) if prefactor is None else prefactor
        n = torch.arange(1, num_radial + 1, dtype=torch.float64)
        self.register_constant("frequencies", n / cutoff)

    def forward(self, edge_length: Tensor) -> Tensor:
        """Features ``(|E|, num_radial)`` of lengths ``(|E|,)``."""
        waves = torch.sinc(edge_length.unsqueeze(-1) * self.frequencies)
        return waves * (self.prefactor * math.pi * self.frequencies)
