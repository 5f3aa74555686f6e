"""Envelopes that go to zero at a cutoff."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class CosineCutoff(torch.nn.Module):
    r"""The envelope :math:`\tfrac12 (1 + \cos(\pi r / r_c))`, zero from :math:`r_c` on.

    Args:
        cutoff: the radius :math:`r_c`.

    Example:
        >>> CosineCutoff(5.0)(torch.tensor([0.0, 2.5, 5.0, 6.0]))
        tensor([1.0000, 0.5000, 0.0000, 0.0000])
    """

    def __init__(self, cutoff: float) -> None:
        super().__init__()
        if not cutoff > 0:
            raise ValueError(f"cutoff is a positive length, got {cutoff}")
        self.cutoff = float(cutoff)

    def forward(self, edge_length: Tensor) -> Tensor:
        """The envelope at every length."""
        envelope = 0.5 * (1 + torch.cos(edge_length * (math.pi / self.cutoff)))
        return torch.where(edge_length < self.cutoff, envelope, 0.0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.cutoff})"


class PolynomialCutoff(torch.nn.Module):
    r"""An envelope whose first derivatives vanish at the cutoff.

    .. math::
        1 - \tfrac{(p+1)(p+2)}{2} x^p + p(p+2)\, x^{p+1} - \tfrac{p(p+1)}{2} x^{p+2},
        \qquad x = r / r_c

    From `"Directional Message Passing for Molecular Graphs"
    <https://arxiv.org/abs/2003.03123>`_; zero from :math:`r_c` on, where it is twice
    differentiable.

    Args:
        cutoff: the radius :math:`r_c`.
        p: the exponent (default: 6).

    Example:
        >>> PolynomialCutoff(5.0)(torch.tensor([0.0, 5.0, 6.0]))
        tensor([1., 0., 0.])
    """

    def __init__(self, cutoff: float, p: int = 6) -> None:
        super().__init__()
        if not cutoff > 0 or p < 2:
            raise ValueError(f"cutoff is positive and p at least 2, got {cutoff}, {p}")
        self.cutoff = float(cutoff)
        self.p = p

    def forward(self, edge_length: Tensor) -> Tensor:
        """The envelope at every length."""
        p, x = self.p, edge_length / self.cutoff
        a, b, c = (p + 1) * (p + 2) / 2, p * (p + 2), p * (p + 1) / 2
        envelope = 1 - x**p * (a - x * (b - c * x))
        return torch.where(x < 1, envelope, 0.0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.cutoff}, p={self.p})"
