"""What a reader has found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from ..splits import Split
from ..structures import Structures

_NONE: Mapping[int, float] = {}
_NOTHING: Mapping[str, str] = {}


class Reading(NamedTuple):
    """Structures, and what else a file or data set tells of them.

    Args:
        structures: all of them; in eV and angstrom where these are potentials.
        isolated: energies of isolated atoms in eV, by atomic number.
        split: the published division, where there is one.
        lengths: how many structures each file holds, in the order of the files.
        taken: for every label, what it was taken from.
    """

    structures: Structures
    isolated: Mapping[int, float] = _NONE
    split: Split | None = None
    lengths: tuple[int, ...] = ()
    taken: Mapping[str, str] = _NOTHING

    def summary(self) -> str:
        """What was found, in a few lines.

        Example:
            >>> import torch
            >>> z, sizes = torch.tensor([8, 1, 1, 1, 1]), torch.tensor([3, 2])
            >>> labels = {"energy": torch.tensor([-14.2, torch.nan])}
            >>> water = Structures(z, torch.zeros(5, 3), sizes, labels)
            >>> print(Reading(water, {1: -13.6}, taken={"energy": "E"}).summary())
            2 structures, 5 atoms of the elements 1, 8
              energy of 1, from E
              isolated atoms: 1 (-13.6 eV)
        """
        z, _, sizes, labels, cell, *_ = self.structures
        elements = ", ".join(str(int(each)) for each in z.unique())
        lines = [f"{len(sizes)} structures, {len(z)} atoms of the elements {elements}"]
        if cell is not None:
            periodic = int(cell.any(-1).any(-1).sum())
            lines[0] += f", {periodic} periodic"
        for name, value in labels.items():
            source = self.taken.get(name, name)
            lines.append(f"  {name} of {self._labeled(value)}, from {source}")
        if self.isolated:
            atoms = [f"{z} ({energy:.8g} eV)" for z, energy in self.isolated.items()]
            lines.append(f"  isolated atoms: {', '.join(atoms)}")
        return "\n".join(lines)

    def _labeled(self, value: Tensor) -> int:
        """How many structures have a label."""
        there = ~value.flatten(1).isnan().any(1) if value.dim() > 1 else ~value.isnan()
        if len(there) == len(self.structures.sizes):
            return int(there.sum())
        return len(self.structures.batch()[there].unique())
