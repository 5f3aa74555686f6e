"""All molecules in a few tensors, from which a batch is cut in one go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch_geometric.data import Data

from pyg_equivariant.graph import radius_graph

_TOGETHER = 1000  # molecules whose edges are looked for at once


class Molecules(NamedTuple):
    """Molecules, the atoms of one after those of the other.

    Args:
        z: atomic numbers of all of them.
        pos: positions of the same atoms.
        sizes: how many atoms each molecule has.
        y: what is to be predicted, one number for each molecule.
    """

    z: Tensor
    pos: Tensor
    sizes: Tensor
    y: Tensor

    def select(self, index: Tensor) -> Molecules:
        """The molecules of these places, in this order."""
        atoms, _ = _rows(_pointers(self.sizes), index)
        return Molecules(
            self.z[atoms], self.pos[atoms], self.sizes[index], self.y[index]
        )


class MoleculeTable(Dataset[Data]):
    """Molecules whose edges are found once and then kept.

    A batch has ``z``, ``pos``, ``batch``, ``edge_index``, ``y`` and ``index``, where
    each molecule stands in this table. Picking rows out of a few large tensors takes a
    fraction of the time of joining as many small graphs, so loading stays far below
    the time of a training step without workers.

    Args:
        molecules: all of them.
        cutoff: how far edges reach, in angstrom; infinite for all pairs.
    """

    def __init__(self, molecules: Molecules, cutoff: float) -> None:
        self.z, self.pos, sizes, self.y = molecules
        if not torch.isfinite(self.pos).all():
            raise ValueError("got positions that are not finite")
        self.atoms = _pointers(sizes)
        self.edge_index, edges = _find_edges(self.pos, self.atoms, cutoff)
        self.edges = _pointers(edges)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> Data:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Data:
        """Cut out a batch; this is what a ``DataLoader`` calls."""
        index = torch.as_tensor(indices)
        atoms, batch = _rows(self.atoms, index)
        edges, owner = _rows(self.edges, index)
        first = _pointers(self.atoms[index + 1] - self.atoms[index])
        return Data(
            z=self.z[atoms],
            pos=self.pos[atoms],
            edge_index=self.edge_index[:, edges].long() + first[owner],
            batch=batch,
            y=self.y[index],
            index=index,
        )


def _pointers(sizes: Tensor) -> Tensor:
    """Where each molecule begins, and, last, where all end."""
    return torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])


def _rows(pointers: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of the molecules ``index``, and to which of these each belongs."""
    start = pointers[index]
    sizes = pointers[index + 1] - start
    owner = torch.arange(len(index)).repeat_interleave(sizes)
    shift = start - (sizes.cumsum(0) - sizes)
    return torch.arange(len(owner)) + shift[owner], owner


def _find_edges(pos: Tensor, atoms: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Edges numbered within their molecules, and how many each molecule has."""
    edges, counts = [], []
    num_molecules = len(atoms) - 1
    for start in range(0, num_molecules, _TOGETHER):
        index = torch.arange(start, min(start + _TOGETHER, num_molecules))
        rows, batch = _rows(atoms, index)
        edge_index, _ = radius_graph(pos[rows], _reach(pos, cutoff), batch)
        owner = batch[edge_index[1]]
        first = atoms[index] - atoms[start]
        edges.append((edge_index - first[owner]).int())
        counts.append(owner.bincount(minlength=len(index)))
    return torch.cat(edges, dim=1), torch.cat(counts)


def _reach(pos: Tensor, cutoff: float) -> float:
    """The cutoff, or a length that no molecule exceeds in place of an infinite one."""
    extent = float((pos.amax(0) - pos.amin(0)).norm()) + 1.0
    return min(cutoff, extent)
