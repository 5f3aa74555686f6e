"""Envelopes that fall smoothly from 1 at distance zero to 0 at a cutoff."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_tensor, widen


class CosineCutoff(torch.nn.Module):
    r"""Half a cosine wave, as in SchNet and PaiNN.

    .. math::
        f(r) = \begin{cases} \tfrac12 \big(1 + \cos(\pi r / r_c)\big) & r < r_c \\
                             0 & r \ge r_c \end{cases}

    :math:`f` and :math:`f'` are continuous; :math:`f''` jumps at the cutoff.

    Args:
        cutoff: the radius :math:`r_c`.

    Shapes:
        - **input:** lengths :math:`(*)`
        - **output:** factors :math:`(*)`

    Raises:
        TypeError: if the lengths are not floating-point.
        ValueError: if ``cutoff`` is not positive.

    Example:
        >>> CosineCutoff(5.0)(torch.tensor([0.0, 2.5, 5.0, 6.0]))
        tensor([1.0000, 0.5000, 0.0000, 0.0000])
    """

    def __init__(self, cutoff: float) -> None:
        super().__init__()
        self.cutoff = positive_radius(cutoff)

    def forward(self, edge_length: Tensor) -> Tensor:
        """The envelope at every length."""
        x, inside = _relative(edge_length, self.cutoff)
        envelope = torch.where(inside, 0.5 * (1 + torch.cos(math.pi * x)), 0.0)
        return envelope.to(edge_length.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.cutoff})"


class PolynomialCutoff(torch.nn.Module):
    r"""The polynomial envelope of DimeNet, NequIP and MACE.

    From `"Directional Message Passing for Molecular Graphs"
    <https://arxiv.org/abs/2003.03123>`_: with :math:`x = r / r_c`,

    .. math::
        f(r) = 1 - \tfrac{(p+1)(p+2)}{2}\, x^p + p(p+2)\, x^{p+1}
               - \tfrac{p(p+1)}{2}\, x^{p+2} \quad (r < r_c), \qquad
        f(r) = 0 \quad (r \ge r_c).

    :math:`f`, :math:`f'` and :math:`f''` are continuous. DimeNet's own envelope is this
    one divided by :math:`x`.

    Args:
        cutoff: the radius :math:`r_c`.
        p: the exponent, 2 or more (default: 6).

    Shapes:
        - **input:** lengths :math:`(*)`
        - **output:** factors :math:`(*)`

    Raises:
        TypeError: if the lengths are not floating-point.
        ValueError: if ``cutoff`` is not positive or ``p`` is less than 2.

    Example:
        >>> PolynomialCutoff(5.0)(torch.tensor([0.0, 2.5, 5.0, 6.0]))
        tensor([1.0000, 0.8555, 0.0000, 0.0000])
    """

    def __init__(self, cutoff: float, p: int = 6) -> None:
        super().__init__()
        if not p >= 2:
            raise ValueError(f"got p={p}, expected an exponent of 2 or more")
        self.cutoff = positive_radius(cutoff)
        self.p = p

    def forward(self, edge_length: Tensor) -> Tensor:
        """The envelope at every length."""
        x, inside = _relative(edge_length, self.cutoff)
        p = self.p
        a, b, c = (p + 1) * (p + 2) / 2, p * (p + 2), p * (p + 1) / 2
        envelope = torch.where(inside, 1 - x**p * (a - x * (b - x * c)), 0.0)
        return envelope.to(edge_length.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.cutoff}, p={self.p})"


def smooth_envelope(smooth: bool, cutoff: float | None) -> CosineCutoff | None:
    """The envelope of a network that may be built without one.

    Raises:
        ValueError: if it is asked for where there is no cutoff.
    """
    if smooth and cutoff is None:
        raise ValueError("smooth=True needs a cutoff, got cutoff=None")
    return CosineCutoff(cutoff) if smooth and cutoff is not None else None


def positive_radius(cutoff: float) -> float:
    """The radius of a cutoff as a number; ValueError if it is none."""
    if not 0 < cutoff < math.inf:
        raise ValueError(f"got cutoff={cutoff}, expected a positive, finite radius")
    return float(cutoff)


def _relative(edge_length: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """``r / r_c``, and which lengths are inside; outside 1, with derivative zero."""
    check_tensor(edge_length, "edge_length")
    if not edge_length.is_floating_point():
        raise TypeError(
            f"expected floating-point lengths in edge_length, got {edge_length.dtype}; "
            "convert them with .float()"
        )
    edge_length = widen(edge_length)  # the terms cancel at the cutoff
    inside = edge_length < cutoff
    return torch.where(inside, edge_length, cutoff) / cutoff, inside
