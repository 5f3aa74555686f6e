"""The repulsion of nuclei at short distances."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.kernels import check_edge_index, check_nodes, neighbor_sum
from pyg_equivariant.o3 import check_device, check_real, check_tensor

from .cutoff import PolynomialCutoff
from .module import EquivariantModule, check_dtype

# Covalent radii in angstrom, of hydrogen to curium (Cordero et al. 2008).
_RADII = """
0.31 0.28 1.28 0.96 0.84 0.76 0.71 0.66 0.57 0.58 1.66 1.41 1.21 1.11 1.07 1.05 1.02
1.06 2.03 1.76 1.70 1.60 1.53 1.39 1.39 1.32 1.26 1.24 1.32 1.22 1.22 1.20 1.19 1.20
1.20 1.16 2.20 1.95 1.90 1.75 1.64 1.54 1.47 1.46 1.42 1.39 1.45 1.44 1.42 1.39 1.39
1.38 1.39 1.40 2.44 2.15 2.07 2.04 2.03 2.01 1.99 1.98 1.98 1.96 1.94 1.92 1.92 1.89
1.90 1.87 1.87 1.75 1.70 1.62 1.51 1.44 1.41 1.36 1.36 1.32 1.45 1.46 1.48 1.40 1.50
1.50 2.60 2.21 2.15 2.06 2.00 1.96 1.90 1.87 1.80 1.69
"""
COVALENT_RADII = tuple(float(radius) for radius in _RADII.split())
HEAVIEST = len(COVALENT_RADII)
_COULOMB = 14.3996  # e^2 / (4 pi epsilon_0) in eV angstrom
_LENGTH = 0.4543 * 0.529  # angstrom
_EXPONENT = 0.300
_SCREENS = ((0.1818, 3.2), (0.5099, 0.9423), (0.2802, 0.4028), (0.02817, 0.2016))
_NEAREST = 1e-3  # angstrom; nearer nuclei repel no more


class ZBLRepulsion(EquivariantModule):
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
    radii: Tensor

    def __init__(self, p: int = 6) -> None:
        super().__init__()
        self.envelope = PolynomialCutoff(1.0, p)
        charges = torch.arange(HEAVIEST + 1, dtype=torch.float64, device="cpu")
        radii = torch.tensor((1.0, *COVALENT_RADII), dtype=torch.float64, device="cpu")
        self.register_constant("charges", charges)
        self.register_constant("radii", radii)

    def forward(self, z: Tensor, edge_index: Tensor, edge_length: Tensor) -> Tensor:
        """Half of the repulsion of every edge, at its target."""
        self._check(z, edge_index, edge_length)
        pairs = edge_index.long()
        Z = self.charges[z.long()][pairs]  # [2, num_edges]
        reach = self.radii[z.long()][pairs].sum(dim=0)
        r = edge_length.clamp(min=_NEAREST)
        s = r * Z.pow(_EXPONENT).sum(dim=0) / _LENGTH
        screen = sum(c * torch.exp(-b * s) for c, b in _SCREENS)
        energy = 0.5 * _COULOMB * Z.prod(dim=0) / r * screen * self.envelope(r / reach)
        return neighbor_sum(energy.unsqueeze(-1), edge_index, len(z)).squeeze(-1)

    def _check(self, z: Tensor, edge_index: Tensor, edge_length: Tensor) -> None:
        check_tensor(z, "z")
        check_real(edge_length, "edge_length")
        check_dtype(edge_length, self.charges, "edge_length")
        check_edge_index(edge_index, edge_length)
        check_device(z, edge_length, "z", "edge_length")
        if z.is_floating_point() or z.is_complex() or z.dtype == torch.bool:
            raise TypeError(f"expected atomic numbers, integers, got {z.dtype}")
        if z.dim() != 1 or edge_length.shape != edge_index.shape[1:]:
            raise ValueError(
                "expected z (|V|,) and edge_length (|E|,), one for each column of "
                f"edge_index {tuple(edge_index.shape)}, got z {tuple(z.shape)} and "
                f"edge_length {tuple(edge_length.shape)}"
            )
        check_nodes(edge_index, z.shape[0], z.shape[0])
        if torch.compiler.is_compiling():
            return
        if ((z < 0) | (z > HEAVIEST)).any():
            raise ValueError(
                f"z: radii are known to atomic number {HEAVIEST}, got {z.unique()}"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.envelope.p})"
