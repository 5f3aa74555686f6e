"""Graphs that the tests of transforms share."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data, HeteroData


def molecule(generator: torch.Generator, size: int) -> Data:
    """Atoms with velocities, spins, forces, a dipole and an energy, in float64."""
    vel, spin, force, pos = torch.randn(4, size, 3, generator=generator).double()
    return Data(
        z=torch.randint(1, 9, (size,), generator=generator),
        pos=1.2 * pos,
        vel=vel,
        spin=spin,
        force=force,
        dipole=torch.randn(1, 3, generator=generator).double(),
        energy=torch.randn(1, generator=generator).double(),
    )


def crystal(generator: torch.Generator, size: int) -> Data:
    """A molecule in a triclinic cell that is smaller than the cutoffs of the tests."""
    data = molecule(generator, size)
    data.cell = 2.5 * torch.eye(3) + torch.rand(1, 3, 3, generator=generator)
    data.cell = data.cell.double()
    data.pbc = torch.tensor([[True, True, False]])
    return data


@pytest.fixture
def molecules(generator: torch.Generator) -> list[Data]:
    return [molecule(generator, size) for size in (5, 1, 8, 3)]


@pytest.fixture
def crystals(generator: torch.Generator) -> list[Data]:
    return [crystal(generator, size) for size in (2, 4, 1)]


@pytest.fixture
def complex_(generator: torch.Generator) -> HeteroData:
    """A protein and a ligand with positions, and a family without."""
    data = HeteroData()
    data["protein"].pos = 4 * torch.rand(30, 3, generator=generator).double()
    data["ligand"].pos = 4 * torch.rand(4, 3, generator=generator).double()
    data["ligand"].vel = torch.randn(4, 3, generator=generator).double()
    data["family"].x = torch.ones(1, 2)
    return data
