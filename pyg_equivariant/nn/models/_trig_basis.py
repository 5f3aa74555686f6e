"""The radial functions of Cormorant."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import widen

from ..module import EquivariantModule, check_dtype


class TrigPowerBasis(EquivariantModule):
    r"""Waves of trained frequencies, over powers of the length.

    .. math::
        \rho_{sp}(r) = \frac{\sin(2\pi a_s r + \varphi_s)}{r^p}, \qquad
        \rho_{sp}(0) = 0,

    for :math:`s` from 0 to :math:`2 n + 1` and :math:`p` from 0 to :math:`P`, all
    powers of one wave together. A length of zero is that of an atom from itself, or of
    two at one place: there the functions are zero, with all their derivatives.

    Args:
        num_frequencies: the number :math:`n`; the waves begin as sines and cosines of
            :math:`a = 0, \dots, n`.
        max_power: the number :math:`P`.

    Shapes:
        - **input:** lengths :math:`(|E|)`
        - **output:** features :math:`(|E|, 2 (n + 1) (P + 1))`

    Example:
        >>> TrigPowerBasis(1, 2)(torch.tensor([0.0, 0.5])).shape
        torch.Size([2, 12])
    """

    def __init__(self, num_frequencies: int, max_power: int) -> None:
        super().__init__()
        if num_frequencies < 0 or max_power < 0:
            raise ValueError(
                "expected numbers of frequencies and powers of 0 or more, got "
                f"{num_frequencies} and {max_power}"
            )
        self.num_frequencies = num_frequencies
        self.max_power = max_power
        self.num_radial = 2 * (num_frequencies + 1) * (max_power + 1)
        self.scales = Parameter(torch.empty(2 * (num_frequencies + 1)))
        self.phases = Parameter(torch.empty(2 * (num_frequencies + 1)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Bring the waves back to where they started."""
        with torch.no_grad():
            scales = torch.arange(self.num_frequencies + 1).repeat(2)
            self.scales.copy_(scales)
            phases = torch.zeros(2, self.num_frequencies + 1)
            phases[1] = math.pi / 2
            phases[0, 0] = math.pi / 2  # the sine of nothing is nothing
            self.phases.copy_(phases.flatten())

    def forward(self, edge_length: Tensor) -> Tensor:
        """The functions at every length."""
        check_dtype(edge_length, self.scales, "edge_length")
        r = widen(edge_length).unsqueeze(-1)
        apart = r > 0
        r = torch.where(apart, r, 1.0)
        waves = torch.sin(2 * math.pi * widen(self.scales) * r + widen(self.phases))
        waves = torch.where(apart, waves, 0.0)
        powers = torch.cat([r**-p for p in range(self.max_power + 1)], dim=-1)
        basis = waves.unsqueeze(-1) * powers.unsqueeze(-2)
        return basis.flatten(-2).to(edge_length.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_frequencies}, {self.max_power})"
