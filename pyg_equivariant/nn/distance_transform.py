"""Distances measured by the sizes of the two atoms, for radial bases to read."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from pyg_equivariant.o3 import widen

from .nuclei import PairFunction

_exact = partial(torch.tensor, dtype=torch.float64, device="cpu")


class AgnesiTransform(PairFunction):
    r"""The Agnesi transform of distances, as in MACE's models of all elements.

    From `"ACEpotentials.jl: A Julia implementation of the atomic cluster expansion"
    <https://doi.org/10.1063/5.0158783>`_, with the mean :math:`\bar R` of the covalent
    radii of both atoms:

    .. math::
        T(r) = \Big( 1 + \frac{a\, x^{p}}{1 + x^{p - q}} \Big)^{-1},
        \qquad x = \frac{r}{\bar R}.

    It falls from 1 to 0, most steeply where atoms are bonded, whichever they are.

    Args:
        q: exponent at large distances (default: 0.9183).
        p: exponent at small distances (default: 4.5791).
        a: the factor :math:`a` (default: 1.0805).

    Shapes:
        - **input:** atomic numbers :math:`(|V|)`, edge indices :math:`(2, |E|)`,
          lengths of the edges in angstrom :math:`(|E|)`
        - **output:** numbers between 0 and 1 :math:`(|E|)`

    Raises:
        TypeError: if lengths are not floating-point, or atomic numbers no integers.
        ValueError: if there is an atom beyond curium, or a shape does not fit.
        IndexError: if an edge points outside.

    Example:
        >>> z, edge_index = torch.tensor([6, 1]), torch.tensor([[0, 1], [1, 0]])
        >>> AgnesiTransform()(z, edge_index, torch.tensor([0.1, 1.0]))
        tensor([0.9995, 0.3646])
    """

    q: Tensor
    p: Tensor
    a: Tensor

    def __init__(self, q: float = 0.9183, p: float = 4.5791, a: float = 1.0805) -> None:
        super().__init__()
        if not (p > q > 0 and a > 0):
            raise ValueError(f"expected p > q > 0 and a > 0, got {p=}, {q=}, {a=}")
        self.register_constant("q", _exact(q))
        self.register_constant("p", _exact(p))
        self.register_constant("a", _exact(a))

    def forward(self, z: Tensor, edge_index: Tensor, edge_length: Tensor) -> Tensor:
        """The transformed length of every edge."""
        self.check(z, edge_index, edge_length)
        r = widen(edge_length).clamp(min=0)
        x = r / (0.5 * self.reach(z, edge_index))
        fraction = self.a * x.pow(self.p) / (1 + x.pow(self.p - self.q))
        return (1 + fraction).reciprocal().to(edge_length.dtype)

    def __repr__(self) -> str:
        values = (float(self._constants[name]) for name in ("q", "p", "a"))
        return f"{type(self).__name__}({', '.join(f'{value:.6g}' for value in values)})"


class SoftTransform(PairFunction):
    r"""Distances that no longer fall where atoms overlap, as in MACE's code.

    With the sum :math:`R` of the covalent radii of both atoms,

    .. math::
        T(r) = r_0 + (r - r_0)\, \sigma\Big( 2 \alpha\, \frac{r - m}{r_1 - r_0} \Big),
        \qquad r_0 = \tfrac34 R, \quad r_1 = \tfrac43 R, \quad m = \tfrac{r_0 + r_1}{2},

    and the logistic function :math:`\sigma`.

    Args:
        alpha: the steepness :math:`\alpha` (default: 4.0).

    Shapes:
        - **input:** atomic numbers :math:`(|V|)`, edge indices :math:`(2, |E|)`,
          lengths of the edges in angstrom :math:`(|E|)`
        - **output:** lengths in angstrom :math:`(|E|)`

    Raises:
        TypeError: if lengths are not floating-point, or atomic numbers no integers.
        ValueError: if there is an atom beyond curium, or a shape does not fit.
        IndexError: if an edge points outside.

    Example:
        >>> z, edge_index = torch.tensor([6, 1]), torch.tensor([[0, 1], [1, 0]])
        >>> SoftTransform()(z, edge_index, torch.tensor([0.1, 3.0]))
        tensor([0.8025, 3.0000])
    """

    alpha: Tensor

    def __init__(self, alpha: float = 4.0) -> None:
        super().__init__()
        if not alpha > 0:
            raise ValueError(f"got alpha={alpha}, expected a positive number")
        self.register_constant("alpha", _exact(alpha))

    def forward(self, z: Tensor, edge_index: Tensor, edge_length: Tensor) -> Tensor:
        """The transformed length of every edge."""
        self.check(z, edge_index, edge_length)
        reach, r = self.reach(z, edge_index), widen(edge_length)
        first, last = 0.75 * reach, 4 / 3 * reach
        x = self.alpha * (r - 0.5 * (first + last)) / (last - first)
        return (first + (r - first) * torch.sigmoid(2 * x)).to(edge_length.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({float(self._constants['alpha']):.6g})"
