"""All structures of a data set in a few tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_NOTHING: Mapping[str, Tensor] = {}


class Structures(NamedTuple):
    """Molecules and crystals, the atoms of one after those of the other.

    Energies are in eV, lengths in angstrom, forces in eV/angstrom and stress in
    eV/angstrom^3 where a potential is to be trained; other labels are in any unit.

    Args:
        z: atomic numbers of all atoms, ``(N,)``.
        pos: positions of the same atoms, ``(N, 3)``.
        sizes: how many atoms each structure has, ``(G,)``, one at least.
        labels: what is known of them, by name: ``(G, ...)`` for a structure,
            ``(N, ...)`` for an atom; ``"energy"`` is ``(G,)``, ``"forces"`` ``(N, 3)``,
            ``"stress"`` ``(G, 3, 3)``. What a structure lacks is NaN. Total energies
            are float64: they are large.
        cell: lattice vectors as rows, ``(G, 3, 3)``, zeros for a molecule.
        pbc: along which of them each structure repeats, ``(G, 3)``; by default along
            all that are not zero.
        extra: what else a network takes of each atom, by name, ``(N, ...)``.

    Example:
        >>> z, pos = torch.tensor([8, 1, 1, 1, 1]), torch.zeros(5, 3)
        >>> energy, forces = torch.tensor([-14.2, -6.7]), torch.zeros(5, 3)
        >>> labels = {"energy": energy, "forces": forces}
        >>> both = Structures(z, pos, torch.tensor([3, 2]), labels)
        >>> hydrogen = both.select(torch.tensor([1]))
        >>> hydrogen.z, hydrogen.labels["energy"]
        (tensor([1, 1]), tensor([-6.7000]))
    """

    z: Tensor
    pos: Tensor
    sizes: Tensor
    labels: Mapping[str, Tensor] = _NOTHING
    cell: Tensor | None = None
    pbc: Tensor | None = None
    extra: Mapping[str, Tensor] = _NOTHING

    def select(self, index: Tensor) -> Structures:
        """The structures of these places, in this order."""
        atoms, _ = rows_of(pointers(self.sizes), index)
        return Structures(
            self.z[atoms],
            self.pos[atoms],
            self.sizes[index],
            {
                name: value[atoms if len(value) == len(self.z) else index]
                for name, value in self.labels.items()
            },
            None if self.cell is None else self.cell[index],
            None if self.pbc is None else self.pbc[index],
            {name: value[atoms] for name, value in self.extra.items()},
        )

    def batch(self) -> Tensor:
        """The structure of every atom."""
        return torch.arange(len(self.sizes)).repeat_interleave(self.sizes)

    def check(self) -> Structures:
        """The same, once all tensors are known to fit each other.

        Raises:
            ValueError: if they do not, or if positions are not finite.
        """
        structures, atoms = len(self.sizes), len(self.z)
        if structures and not (self.sizes > 0).all():
            raise ValueError("got a structure without atoms")
        shapes = {"z": (self.z, (atoms,)), "pos": (self.pos, (atoms, 3))}
        if self.cell is not None:
            shapes["cell"] = self.cell, (structures, 3, 3)
        if self.pbc is not None:
            shapes["pbc"] = self.pbc, (structures, 3)
        for name, (value, shape) in shapes.items():
            if tuple(value.shape) != shape:
                raise ValueError(
                    f"expected {name} of shape {shape} for {structures} structures of "
                    f"{atoms} atoms, got {tuple(value.shape)}"
                )
        if int(self.sizes.sum()) != atoms:
            raise ValueError(
                f"sizes add up to {int(self.sizes.sum())} atoms, but z has {atoms}"
            )
        for name, value in {**self.labels, **self.extra}.items():
            places = (atoms,) if name in self.extra else (structures, atoms)
            if value.dim() == 0 or len(value) not in places:
                raise ValueError(
                    f"expected {name!r} with a row for each of {structures} structures "
                    f"or {atoms} atoms, got shape {tuple(value.shape)}"
                )
        if not torch.isfinite(self.pos).all():
            raise ValueError("got positions that are not finite")
        return self


def pointers(sizes: Tensor) -> Tensor:
    """Where each structure begins, and, last, where all end."""
    return torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])


def rows_of(pointers: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of the structures ``index``, and to which of these each belongs."""
    start = pointers[index]
    sizes = pointers[index + 1] - start
    owner = torch.arange(len(index)).repeat_interleave(sizes)
    shift = start - (sizes.cumsum(0) - sizes)
    return torch.arange(len(owner)) + shift[owner], owner


def join(parts: Sequence[Structures]) -> Structures:
    """All structures of several tables; labels that a part lacks are NaN there.

    Raises:
        ValueError: if labels of a name do not fit each other, or one part has inputs
            that another lacks.
    """
    if any(part.extra.keys() != parts[0].extra.keys() for part in parts):
        names = [sorted(part.extra) for part in parts]
        raise ValueError(f"the parts have different inputs: {names}")
    labels = {name for part in parts for name in part.labels}
    cells = any(part.cell is not None for part in parts)
    boxes = [part if part.cell is not None else _open(part) for part in parts]
    periodic = cells and all(part.pbc is not None for part in boxes)
    return Structures(
        torch.cat([part.z for part in parts]),
        torch.cat([part.pos for part in parts]),
        torch.cat([part.sizes for part in parts]),
        {name: _join_label(parts, name) for name in sorted(labels)},
        torch.cat([part.cell for part in boxes]) if cells else None,  # type: ignore[misc]
        torch.cat([part.pbc for part in boxes]) if periodic else None,  # type: ignore[misc]
        {
            name: torch.cat([part.extra[name] for part in parts])
            for name in parts[0].extra
        },
    )


def _open(part: Structures) -> Structures:
    """The same with cells of zeros."""
    count = len(part.sizes)
    none = torch.zeros(count, 3, dtype=torch.bool)
    return part._replace(cell=part.pos.new_zeros(count, 3, 3), pbc=none)


def _join_label(parts: Sequence[Structures], name: str) -> Tensor:
    known = [part for part in parts if name in part.labels]
    one = known[0].labels[name]
    each = any(len(part.labels[name]) != len(part.sizes) for part in known)
    if any(part.labels[name].shape[1:] != one.shape[1:] for part in known):
        shapes = [tuple(part.labels[name].shape) for part in known]
        raise ValueError(f"labels {name!r} have different shapes: {shapes}")
    rows = []
    for part in parts:
        count = len(part.z) if each else len(part.sizes)
        missing = one.new_full((count, *one.shape[1:]), torch.nan)
        rows.append(part.labels.get(name, missing))
    return torch.cat(rows)
