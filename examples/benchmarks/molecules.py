"""Batches of QM9 molecules, or of random ones of their size."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.graph import radius_graph


class Molecules(NamedTuple):
    """A batch: atoms, the molecule of each, and edges within the cutoff."""

    z: Tensor
    pos: Tensor
    batch: Tensor
    edge_index: Tensor
    count: int
    source: str

    def __str__(self) -> str:
        return (
            f"{self.count} {self.source}: {len(self.z)} atoms, "
            f"{self.edge_index.shape[1]} edges"
        )


def molecules(count: int, root: str | None, cutoff: float = 5.0) -> Molecules:
    """The first of a seeded permutation of QM9, or random molecules without a root."""
    if root is None:
        generator = torch.Generator().manual_seed(0)
        drawn = [random_molecule(generator) for _ in range(count)]
    else:
        drawn = from_qm9(count, root)
    z = torch.cat([atoms for atoms, _ in drawn])
    pos = torch.cat([places for _, places in drawn])
    sizes = torch.tensor([len(atoms) for atoms, _ in drawn])
    batch = torch.arange(count).repeat_interleave(sizes)
    edge_index, _ = radius_graph(pos, cutoff, batch)
    source = "random molecules" if root is None else "QM9 molecules"
    return Molecules(z, pos, batch, edge_index, count, source)


def from_qm9(count: int, root: str) -> list[tuple[Tensor, Tensor]]:
    from torch_geometric.datasets import QM9

    dataset = QM9(root)
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(dataset), generator=generator)[:count]
    return [(dataset[int(i)].z, dataset[int(i)].pos) for i in chosen]


def random_molecule(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Nine heavy atoms 1.5 angstrom from a neighbor, and hydrogens at 1.1 angstrom."""
    heavy = torch.tensor([6, 6, 6, 7, 8])
    pos, z = [torch.zeros(3)], [6]
    hydrogens = int(torch.randint(7, 12, (), generator=generator))
    for k in range(1, 9 + hydrogens):
        length = 1.5 if k < 9 else 1.1
        choices = min(k, 9)
        for _ in range(50):  # a place where nothing is, or the last one tried
            at = int(torch.randint(choices, (), generator=generator))
            step = torch.randn(3, generator=generator)
            new = pos[at] + length * step / step.norm()
            if torch.stack(pos).sub(new).norm(dim=1).min() > 0.99 * length:
                break
        pos.append(new)
        kind = int(heavy[torch.randint(5, (), generator=generator)])
        z.append(kind if k < 9 else 1)
    return torch.tensor(z), torch.stack(pos)
