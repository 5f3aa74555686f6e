"""Functions of the distance of two atoms that know which atoms they are."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.kernels import check_edge_index, check_nodes
from pyg_equivariant.o3 import check_device, check_real, check_tensor

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


class PairFunction(EquivariantModule):
    """Base of functions of atomic numbers, edges and their lengths in angstrom.

    Attributes:
        radii: covalent radii by atomic number, to :data:`HEAVIEST`.

    Example:
        >>> edge_index = torch.tensor([[0, 1], [1, 0]])
        >>> PairFunction().reach(torch.tensor([6, 1]), edge_index)
        tensor([1.0700, 1.0700])
    """

    radii: Tensor

    def __init__(self) -> None:
        super().__init__()
        radii = torch.tensor((1.0, *COVALENT_RADII), dtype=torch.float64, device="cpu")
        self.register_constant("radii", radii)

    def reach(self, z: Tensor, edge_index: Tensor) -> Tensor:
        """The sum of the radii of both atoms of every edge, ``(|E|,)``."""
        return self.radii[z.long()][edge_index.long()].sum(dim=0)

    def check(self, z: Tensor, edge_index: Tensor, edge_length: Tensor) -> None:
        """Refuse what are no atoms, or no edges between them.

        Raises:
            TypeError: if lengths are not floating-point, or atomic numbers no integers.
            ValueError: if there is an atom beyond curium, or a shape does not fit.
            IndexError: if an edge points outside.
        """
        check_tensor(z, "z")
        check_real(edge_length, "edge_length")
        check_dtype(edge_length, self.radii, "edge_length")
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
