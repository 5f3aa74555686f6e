"""What training needs, structures to train on, and the examples on the path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.nn import ForceField, PaiNN

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

for module in ("lightning", "torchmetrics", "matplotlib", "ase"):
    pytest.importorskip(module)

if str(EXAMPLES) not in sys.path:
    sys.path.insert(0, str(EXAMPLES))

CUTOFF = 3.0
REFERENCES = {1: -13.6, 8: -2041.8}


def made_up(
    count: int, crystals: int = 0, seed: int = 0, references: bool = True
) -> Any:
    """Molecules of 2 to 5 atoms; the first of them in periodic boxes.

    A network has made up their energies, forces and stress.
    """
    from pyg_equivariant.training.structures import Structures
    from pyg_equivariant.training.table import StructureTable

    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(2, 6, (count,), generator=generator)
    total = int(sizes.sum())
    z = torch.tensor([1, 8])[torch.randint(2, (total,), generator=generator)]
    pos = 1.2 * torch.randn(total, 3, generator=generator)
    cell = pbc = None
    if crystals:
        cell = torch.zeros(count, 3, 3)
        box = 4 * torch.eye(3) + 0.2 * torch.randn(crystals, 3, 3, generator=generator)
        cell[:crystals] = box
        pbc = cell.abs().sum(-1) > 0
    bare = Structures(z, pos, sizes, {}, cell, pbc)
    batch = StructureTable(bare, CUTOFF).__getitems__(range(count))
    found = _label(batch, crystals > 0).items()
    labels = {name: value.detach() for name, value in found if value is not None}
    labels["energy"] = labels["energy"].double()
    if references:
        table = torch.zeros(100, dtype=torch.float64)
        for number, energy in REFERENCES.items():
            table[number] = energy
        labels["energy"].index_add_(0, bare.batch(), table[z])
    if crystals:
        labels["stress"][crystals:] = torch.nan
    return bare._replace(labels=labels)


def _label(batch: Data, stress: bool) -> dict[str, torch.Tensor | None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        teacher = PaiNN(8, num_layers=1, cutoff=CUTOFF, head="extensive", scale=3.0)
    images = {name: batch[name] for name in ("edge_shift", "cell") if name in batch}
    size = {"batch_size": len(batch.index)}
    edges = {"edge_index": batch.edge_index, **images, **size}
    found = ForceField(teacher.eval(), stress)(batch.z, batch.pos, batch.batch, **edges)
    return {
        "energy": found.energy.squeeze(-1),
        "forces": found.forces,
        "stress": found.stress,
    }


@pytest.fixture(scope="session")
def structures() -> Callable[..., Any]:
    """See :func:`made_up`."""
    return made_up


@pytest.fixture(scope="session")
def energies_of_atoms() -> dict[int, float]:
    """What energies made up have been added for each atom."""
    return REFERENCES
