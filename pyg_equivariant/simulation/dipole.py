"""Dipole moments from a trained network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.models import DipoleHead
from pyg_equivariant.units import LENGTHS

from .frozen import FrozenNetwork, inner

DIPOLES = {"e*Ang": 1.0, "e*Bohr": LENGTHS["Bohr"], "D": 0.20819433442462576}
"""Units of dipole moments in e angstrom.

:meta hide-value:
"""


class Dipole(FrozenNetwork):
    """The dipole moment of atoms, in e angstrom.

    Args:
        model: a network with ``head="dipole"``.
        device: as in :class:`Potential`.
        dtype: likewise.
        unit: of its dipole moments, one of ``"e*Ang"``, ``"e*Bohr"`` and ``"D"``
            (default: what its card says, else debye).
        length_unit: as in :class:`Potential`.

    Raises:
        TypeError: if it is no network of this package.
        ValueError: if it predicts no dipole moment, or a unit is unknown.

    Example:
        >>> from pyg_equivariant.nn.models import PaiNN
        >>> model = PaiNN(hidden_channels=16, num_layers=2, head="dipole")
        >>> dipole = Dipole(model, dtype=torch.float64)
        >>> z, edge_index = torch.tensor([8, 1]), torch.tensor([[0, 1], [1, 0]])
        >>> pos = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).double()
        >>> dipole(z, pos, edge_index, pos[edge_index[0]] - pos[edge_index[1]]).shape
        torch.Size([3])
    """

    def __init__(
        self,
        model: Any,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        unit: str | None = None,
        length_unit: str | None = None,
    ) -> None:
        if not has_dipole(model):
            raise ValueError(
                f"expected a network with head='dipole', got {inner(model).head}"
            )
        super().__init__(model, device, dtype, length_unit)
        unit = unit or ("D" if inner(model).card is None else self.card.unit)
        if unit not in DIPOLES:
            raise ValueError(
                f"got {unit!r} as the unit of a dipole moment, expected one of "
                f"{', '.join(DIPOLES)}"
            )
        self.unit = DIPOLES[unit]

    def __call__(
        self, z: Tensor, pos: Tensor, edge_index: Tensor, edge_vec: Tensor
    ) -> Tensor:
        """Predict for atoms whose edges are known.

        Args:
            z: atomic numbers ``(|V|,)``.
            pos: positions ``(|V|, 3)``, in angstrom.
            edge_index: edges (source, target), at least all those within the cutoff.
            edge_vec: vectors from target to source ``(|E|, 3)``, in angstrom.
        """
        self.check(z, edge_index, edge_vec)
        graph = self.graph(pos, *self.nearby(edge_index, edge_vec))
        with torch.no_grad():
            dipole = self.model.predict(z, graph)
        assert isinstance(dipole, Tensor)
        return dipole[0].to(pos.dtype) * self.unit


def has_dipole(model: Any) -> bool:
    """Whether this is a network that predicts the vector of a dipole moment."""
    head = getattr(getattr(model, "model", model), "head", None)
    return isinstance(head, DipoleHead) and not head.magnitude
