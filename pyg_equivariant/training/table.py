"""Structures beside their edges, from which a batch is cut in one go."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch_geometric.data import Data

from pyg_equivariant.graph import radius_graph

from .structures import Structures, pointers, rows_of

_TOGETHER = 1000  # structures whose edges are looked for at once


class StructureTable(Dataset[Data]):
    """Structures whose edges are found once and then kept.

    A batch has ``z``, ``pos``, ``batch``, ``edge_index``, the dictionaries ``labels``
    and ``extra``, and ``index``, where each structure stands in this table; besides
    ``edge_shift`` and ``cell``, if any structure is periodic. Picking rows out of a few
    large tensors takes a fraction of the time of joining as many small graphs, so
    loading stays far below the time of a training step without workers.

    Args:
        structures: all of them.
        cutoff: how far edges reach, in angstrom; infinite for all pairs.

    Raises:
        ValueError: if the tensors of the structures do not fit each other, or if a
            periodic structure is to have all pairs.
    """

    def __init__(self, structures: Structures, cutoff: float) -> None:
        self.structures = structures.check()
        self.atoms = pointers(structures.sizes)
        self.edge_index, self.edge_shift, edges = _find_edges(structures, cutoff)
        self.edges = pointers(edges)

    def __len__(self) -> int:
        return len(self.structures.sizes)

    def __getitem__(self, index: int) -> Data:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Data:
        """Cut out a batch; this is what a ``DataLoader`` calls."""
        index = torch.as_tensor(indices)
        atoms, batch = rows_of(self.atoms, index)
        edges, owner = rows_of(self.edges, index)
        first = pointers(self.atoms[index + 1] - self.atoms[index])
        all_, shift = self.structures, self.edge_shift
        images = {}
        if shift is not None and all_.cell is not None:
            images = {"edge_shift": shift[edges].long(), "cell": all_.cell[index]}
        return Data(
            **images,
            z=all_.z[atoms],
            pos=all_.pos[atoms],
            edge_index=self.edge_index[:, edges].long() + first[owner],
            batch=batch,
            labels={
                name: value[atoms if len(value) == len(all_.z) else index]
                for name, value in all_.labels.items()
            },
            extra={name: value[atoms] for name, value in all_.extra.items()},
            index=index,
        )


def _find_edges(
    structures: Structures, cutoff: float
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Edges numbered within their structures, images, and how many each has."""
    reach, pbc = _reach(structures, cutoff), _periodic(structures)
    atoms, count = pointers(structures.sizes), len(structures.sizes)
    edges, shifts = [torch.empty(2, 0, dtype=torch.int32)], []
    counts = [structures.sizes.new_zeros(0)]
    for start in range(0, count, _TOGETHER):
        index = torch.arange(start, min(start + _TOGETHER, count))
        rows, batch = rows_of(atoms, index)
        box = () if pbc is None else (structures.cell[index], pbc[index])  # type: ignore[index]
        edge_index, shift = radius_graph(structures.pos[rows], reach, batch, *box)
        owner = batch[edge_index[1]]
        first = atoms[index] - atoms[start]
        edges.append((edge_index - first[owner]).int())
        counts.append(owner.bincount(minlength=len(index)))
        if pbc is not None:
            none = torch.zeros(len(owner), 3, dtype=torch.int32)
            shifts.append(none if shift is None else shift.int())
    return (
        torch.cat(edges, dim=1),
        torch.cat(shifts) if shifts else None,
        torch.cat(counts),
    )


def _periodic(structures: Structures) -> Tensor | None:
    """Along which lattice vectors each repeats, or ``None`` where none does."""
    if structures.cell is None:
        return None
    pbc = structures.pbc
    if pbc is None:
        pbc = structures.cell.abs().sum(-1) > 0
    return pbc if pbc.any() else None


def _reach(structures: Structures, cutoff: float) -> float:
    """The cutoff, or a length that no structure exceeds in place of an infinite one."""
    if math.isfinite(cutoff) and _periodic(structures) is not None:
        return cutoff
    if _periodic(structures) is not None:
        raise ValueError(
            "a periodic structure has no end of pairs; choose a finite cutoff"
        )
    if not len(structures.pos):
        return 1.0
    extent = float((structures.pos.amax(0) - structures.pos.amin(0)).norm()) + 1.0
    return min(cutoff, extent)
