"""The repulsion of nuclei at short distances."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from pyg_equivariant.kernels import neighbor_sum

from .cutoff import PolynomialCutoff
from .nuclei import HEAVIEST, PairFunction

_COULOMB = 14.3996  # e^2 / (4 pi epsilon_0) in eV angstrom
_BOHR = 0.529  # angstrom
_RATES = (3.2, 0.9423, 0.4028, 0.2016)
_NEAREST = 1e-3  # angstrom; nearer nuclei repel no more


class ZBLRepulsion(PairFunction):
    r"""The screened repulsion of Ziegler, Biersack and Littmark, as in MACE.

    .. math::
        E_i = \frac12 \sum_j \frac{k\, Z_i Z_j}{r_{ij}}\,
        \phi\Big(\frac{r_{ij}}{a_{ij}}\Big)\, f\Big(\frac{r_{ij}}{R_i + R_j}\Big),
        \qquad a_{ij} = \frac{0.24\,\text{Å}}{Z_i^{0.3} + Z_j^{0.3}},

    with a sum :math:`\phi` of four exponentials, the envelope :math:`f` of
    :class:`~pyg_equivariant.nn.PolynomialCutoff` and covalent radii :math:`R`: it ends
    where chemical bonds begin, and keeps atoms apart where there are no data.

    Args:
        p: the exponent of the envelope (default: 6).

    Shapes:
        - **input:** atomic numbers :math:`(|V|)`, edge indices :math:`(2, |E|)`,
          lengths of the edges in angstrom :math:`(|E|)`
        - **output:** energies in eV :math:`(|V|)`, half of every edge at its target

    Raises:
        TypeError: if lengths are not floating-point, or atomic numbers no integers.
        ValueError: if there is an atom beyond curium, or a shape does not fit.
        IndexError: if an edge points outside.

    Example:
        >>> z, edge_index = torch.tensor([6, 1]), torch.tensor([[0, 1], [1, 0]])
        >>> ZBLRepulsion()(z, edge_index, torch.tensor([0.5, 0.5]))
        tensor([3.1222, 3.1222])
    """

    charges: Tensor
    shares: Tensor
    length: Tensor
    exponent: Tensor

    def __init__(self, p: int = 6) -> None:
        super().__init__()
        self.envelope = PolynomialCutoff(1.0, p)
        exact = partial(torch.tensor, dtype=torch.float64, device="cpu")
        self.register_constant("charges", exact(range(HEAVIEST + 1)))
        self.register_constant("shares", exact([0.1818, 0.5099, 0.2802, 0.02817]))
        self.register_constant("length", exact(0.4543))  # in Bohr radii
        self.register_constant("exponent", exact(0.300))

    def forward(self, z: Tensor, edge_index: Tensor, edge_length: Tensor) -> Tensor:
        """Half of the repulsion of every edge, at its target."""
        self.check(z, edge_index, edge_length)
        pairs = edge_index.long()
        Z = self.charges[z.long()][pairs]  # [2, num_edges]
        r = edge_length.clamp(min=_NEAREST)
        s = r * Z.pow(self.exponent).sum(dim=0) / (self.length * _BOHR)
        terms = zip(self.shares.unbind(), _RATES, strict=True)
        screen = sum(c * torch.exp(-b * s) for c, b in terms)
        reach = self.reach(z, edge_index)
        energy = 0.5 * _COULOMB * Z.prod(dim=0) / r * screen * self.envelope(r / reach)
        return neighbor_sum(energy.unsqueeze(-1), edge_index, len(z)).squeeze(-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.envelope.p})"
