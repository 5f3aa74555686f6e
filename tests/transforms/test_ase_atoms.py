from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_equivariant.transforms import (
    AddEdgeVectors,
    AddRadiusGraph,
    RandomOrthogonal,
    from_ase,
    to_ase,
)

ase = pytest.importorskip("ase")
ase_build = pytest.importorskip("ase.build")
ase_io = pytest.importorskip("ase.io")
singlepoint = pytest.importorskip("ase.calculators.singlepoint")


def strained() -> Any:
    """A sheared slab with velocities and all results."""
    rng = np.random.default_rng(0)
    atoms = ase_build.bulk("NaCl", "rocksalt", a=5.6)
    atoms.rattle(0.1, seed=1)
    atoms.pbc = [True, True, False]
    atoms.set_velocities(rng.normal(size=(2, 3)))
    atoms.calc = singlepoint.SinglePointCalculator(
        atoms,
        energy=-12.25,
        forces=rng.normal(size=(2, 3)),
        stress=rng.normal(size=6),
        dipole=rng.normal(size=3),
    )
    return atoms


def test_there_and_back() -> None:
    atoms = strained()
    data = from_ase(atoms, dtype=torch.float64)
    back = to_ase(data)
    assert list(back.numbers) == [11, 17]
    for name in ("positions", "pbc"):
        assert np.array_equal(getattr(back, name), getattr(atoms, name))
    assert np.array_equal(back.cell[:], atoms.cell[:])
    np.testing.assert_allclose(back.get_velocities(), atoms.get_velocities())
    for name, value in atoms.calc.results.items():
        assert np.array_equal(back.calc.results[name], value), name
    again = from_ase(back, dtype=torch.float64)
    assert again.keys() == data.keys()
    assert all(
        torch.allclose(again[k].double(), data[k].double()) for k in data.to_dict()
    )


def test_what_a_graph_of_atoms_holds() -> None:
    data = from_ase(strained())
    shapes = {name: tuple(x.shape) for name, x in data.to_dict().items()}
    assert shapes == {
        "pos": (2, 3),
        "z": (2,),
        "cell": (1, 3, 3),
        "pbc": (1, 3),
        "vel": (2, 3),
        "energy": (1,),
        "force": (2, 3),
        "stress": (1, 3, 3),
        "dipole": (1, 3),
    }
    assert data.pos.dtype == data.energy.dtype == torch.float32
    assert data.z.dtype == torch.long
    assert data.pbc.tolist() == [[True, True, False]]


def test_the_stress_is_the_matrix_that_ase_means() -> None:
    atoms = strained()
    data = from_ase(atoms, dtype=torch.float64)
    assert np.array_equal(data.stress[0].numpy(), atoms.get_stress(voigt=False))
    turned = RandomOrthogonal()(data)
    torch.testing.assert_close(
        torch.linalg.eigvalsh(turned.stress), torch.linalg.eigvalsh(data.stress)
    )
    traction = data.force[0] @ data.stress[0] @ data.dipole[0]
    again = turned.force[0] @ turned.stress[0] @ turned.dipole[0]
    torch.testing.assert_close(again, traction)


@pytest.mark.parametrize("crystal_first", [True, False])
def test_molecules_and_crystals_make_one_batch(crystal_first: bool) -> None:
    """Where PyG's collation raises, or leaves out the cells of those that follow."""
    atoms = [ase_build.bulk("Si"), ase_build.molecule("H2O")]
    atoms = atoms if crystal_first else atoms[::-1]
    graphs = [AddRadiusGraph(3.0)(from_ase(a, torch.float64)) for a in atoms]
    batch = Batch.from_data_list(graphs)
    assert batch.pbc.all(1).tolist() == [crystal_first, not crystal_first]
    singly = torch.cat([AddEdgeVectors()(data).edge_vec for data in graphs])
    assert torch.equal(AddEdgeVectors()(batch).edge_vec, singly)


def test_molecules_may_have_no_cell() -> None:
    water = ase_build.molecule("H2O")
    assert not to_ase(from_ase(water)).pbc.any()
    data = from_ase(water, periodic=False)
    assert "cell" not in data
    assert "pbc" not in data
    with pytest.raises(ValueError, match=r"periodic=False leaves the cell out, but"):
        from_ase(ase_build.bulk("Si"), periodic=False)


def test_distances_are_those_of_ase(shared: Path) -> None:
    neighborlist = pytest.importorskip("ase.neighborlist")
    transforms = (AddRadiusGraph(4.0), AddEdgeVectors())
    for element in ("Si", "Li", "Mo"):
        path = shared / "data" / "periodic" / f"{element}_test.extxyz"
        for atoms in ase_io.read(path, "::8"):
            data = from_ase(atoms, dtype=torch.float64)
            assert float(data.energy) == atoms.get_potential_energy()
            assert np.array_equal(data.force.numpy(), atoms.get_forces())
            for transform in transforms:
                data = transform(data)
            expected = np.sort(neighborlist.neighbor_list("d", atoms, 4.0))
            np.testing.assert_allclose(
                np.sort(data.edge_length.numpy()), expected, atol=1e-10
            )


def test_further_arrays_are_kept_by_name() -> None:
    atoms = ase_build.molecule("H2O")
    atoms.arrays["charge"] = np.array([-0.8, 0.4, 0.4])
    atoms.info["temperature"] = 300.0
    atoms.set_tags([0, 1, 1])
    data = from_ase(atoms, keep=("charge", "temperature", "tags"))
    assert data.charge.shape == (3,)
    assert data.temperature.tolist() == [300.0]
    assert data.tags.dtype == torch.int64
    with pytest.raises(ValueError, match="keep names 'mass', the atoms have"):
        from_ase(atoms, keep=["mass"])


def test_further_results_are_kept_by_name() -> None:
    atoms = ase_build.molecule("H2O")
    results = {"free_energy": -1.5, "charges": np.arange(3.0)}
    atoms.calc = singlepoint.SinglePointCalculator(atoms, **results)
    atoms.calc.results["polarizability"] = np.eye(3)
    data = from_ase(atoms, keep=("free_energy", "charges", "polarizability"))
    assert data.free_energy.tolist() == [-1.5]
    assert data.charges.tolist() == [0.0, 1.0, 2.0]
    assert data.polarizability.shape == (1, 3, 3)
    with pytest.raises(ValueError, match=r"'magmoms', the atoms have .*'free_energy'"):
        from_ase(atoms, keep=["magmoms"])


def test_the_atoms_are_not_shared() -> None:
    atoms = ase_build.molecule("H2O")
    before = atoms.positions.copy()
    from_ase(atoms, dtype=torch.float64).pos += 1.0
    assert np.array_equal(atoms.positions, before)


def test_without_ase_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ase", None)
    with pytest.raises(ImportError, match="pip install ase"):
        to_ase(Data(z=torch.ones(1), pos=torch.zeros(1, 3)))


def test_bad_input_is_one_clear_line() -> None:
    with pytest.raises(TypeError, match=r"expected ase\.Atoms, got str"):
        from_ase("H2O")  # type: ignore[arg-type]
    data = from_ase(ase_build.molecule("H2O"))
    with pytest.raises(ValueError, match=r"the data lack \['z'\]"):
        to_ase(Data(pos=data.pos))
    with pytest.raises(ValueError, match="takes one graph, got a batch of 2"):
        to_ase(Batch.from_data_list([data, data]))
