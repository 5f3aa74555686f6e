"""Files of ASE are read as ASE reads them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ase = pytest.importorskip("ase")
pytest.importorskip("lightning")
ase_build = pytest.importorskip("ase.build")
ase_db = pytest.importorskip("ase.db")
ase_io = pytest.importorskip("ase.io")
ase_units = pytest.importorskip("ase.units")
emt = pytest.importorskip("ase.calculators.emt")
singlepoint = pytest.importorskip("ase.calculators.singlepoint")
readers = pytest.importorskip("pyg_equivariant.training.readers")

DOUBLE = torch.float64


def metals(count: int = 3) -> list[Any]:
    """Rattled crystals of different sizes, with energy, forces and stress."""
    frames = []
    for seed in range(count):
        frame = ase_build.bulk("Cu", cubic=True).repeat((1, 1, 1 + seed % 2))
        frame.rattle(0.1, seed=seed)
        frame.calc = emt.EMT()
        frame.get_stress()
        frames.append(frame)
    return frames


def water(**info: float) -> Any:
    frame = ase_build.molecule("H2O")
    frame.info.update(info)
    return frame


def atom(symbol: str, energy: float, name: str = "energy", **info: Any) -> Any:
    frame = ase.Atoms(symbol)
    frame.info.update({name: energy, **info})
    return frame


def write(path: Path, frames: Sequence[Any]) -> Path:
    ase_io.write(path, frames)
    return path


def test_data_of_rows_are_labels(tmp_path: Path) -> None:
    frames, forces = [water(), water()], np.arange(18.0).reshape(2, 3, 3)
    with ase_db.connect(tmp_path / "a.db") as rows:
        for number, frame in enumerate(frames):
            data = {"energy": np.array([-2.0 - number]), "forces": forces[number]}
            rows.write(frame, data=data, gap=0.5 + number)
    gap = {"gap": "gap"}
    reading = readers.read_ase(tmp_path / "a.db", labels=gap, energy_unit="Hartree")
    labels = reading.structures.check().labels
    hartree = ase_units.Hartree
    assert labels["energy"].tolist() == pytest.approx([-2 * hartree, -3 * hartree])
    found = labels["forces"] / hartree
    torch.testing.assert_close(found, torch.tensor(forces).float().view(6, 3))
    assert labels["gap"].flatten().tolist() == [0.5, 1.5]
    one = readers.read_ase(f"{tmp_path / 'a.db'}@:1").structures
    assert one.sizes.tolist() == [3]


@pytest.mark.parametrize("name", ["a.extxyz", "a.traj", "a.db", "a.json"])
def test_frames_of_a_calculator(tmp_path: Path, name: str) -> None:
    frames = metals()
    path = write(tmp_path / name, frames)
    reading = readers.read_ase(path, dtype=DOUBLE)
    z, pos, sizes, labels, cell, pbc, _ = reading.structures.check()
    assert sizes.tolist() == [4, 8, 4]
    assert (z == 29).all()
    by_hand = ase_io.read(path, ":")
    assert np.array_equal(pos, np.concatenate([f.positions for f in by_hand]))
    assert np.array_equal(cell, np.stack([f.cell[:] for f in by_hand]))
    assert pbc.all()
    energies = [frame.get_potential_energy() for frame in by_hand]
    assert labels["energy"].tolist() == energies
    forces = np.concatenate([frame.get_forces() for frame in by_hand])
    assert np.array_equal(labels["forces"], forces)
    stress = np.stack([frame.get_stress(voigt=False) for frame in by_hand])
    assert np.array_equal(labels["stress"], stress)


def test_energies_are_float64_and_the_rest_as_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.extxyz", [water(energy=-123456.789012345)])
    structures = readers.read_ase(path).structures
    assert structures.labels["energy"].tolist() == [-123456.789012345]
    assert structures.pos.dtype == torch.float32
    assert readers.read_ase(path, dtype=DOUBLE).structures.pos.dtype == DOUBLE


@pytest.mark.parametrize(
    ("energy", "forces"),
    [("REF_energy", "REF_forces"), ("dft_energy", "dft_force"), ("TotEnergy", "force")],
)
def test_names_of_the_field_are_known(tmp_path: Path, energy: str, forces: str) -> None:
    frame = water(**{energy: -14.0, "temperature": 300.0})
    frame.arrays[forces] = np.arange(9.0).reshape(3, 3)
    reading = readers.read_ase(write(tmp_path / "a.extxyz", [frame]))
    assert reading.structures.labels["energy"].tolist() == [-14.0]
    assert np.array_equal(reading.structures.labels["forces"], frame.arrays[forces])
    assert reading.taken == {"energy": energy, "forces": forces}
    assert f"energy of 1, from {energy}" in reading.summary()


def test_what_could_be_several_is_asked_for(tmp_path: Path) -> None:
    frames = [water(REF_energy=-14.0, dft_energy=-15.0), water(REF_energy=-14.5)]
    path = write(tmp_path / "a.extxyz", frames)
    message = r"'REF_energy' \(of 2 structures\), 'dft_energy' \(of 1 structures\); say"
    with pytest.raises(ValueError, match=message):
        readers.read_ase(path)
    labels = readers.read_ase(path, energy="dft_energy").structures.labels
    assert labels["energy"][0] == -15.0
    assert labels["energy"][1].isnan()


def test_a_name_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.extxyz", [water(mp2=-14.0)])
    with pytest.raises(ValueError, match=r"energy='mp3', which no .* there are mp2"):
        readers.read_ase(path, energy="mp3")
    with pytest.raises(ValueError, match=r"dipole='mu', which no structure has"):
        readers.read_ase(path, labels={"dipole": "mu"})


@pytest.mark.parametrize("rows", [6, 9])
def test_a_stress_of_six_or_nine_numbers(tmp_path: Path, rows: int) -> None:
    frame = metals(1)[0]
    voigt, expected = frame.get_stress(), frame.get_stress(voigt=False)
    frame.calc = None
    frame.info["REF_stress"] = voigt if rows == 6 else expected.flatten()
    reading = readers.read_ase(write(tmp_path / "a.extxyz", [frame]), dtype=DOUBLE)
    np.testing.assert_allclose(reading.structures.labels["stress"][0], expected)


@pytest.mark.parametrize("name", ["virial", "REF_virials"])
def test_a_virial_becomes_a_stress(tmp_path: Path, name: str) -> None:
    frame = metals(1)[0]
    expected, volume = frame.get_stress(voigt=False), frame.get_volume()
    frame.calc = None
    frame.info[name] = -expected * volume
    path = write(tmp_path / "a.extxyz", [frame, water()])
    for asked in ({}, {"stress": name}):
        reading = readers.read_ase(path, **asked, dtype=DOUBLE)
        stress = reading.structures.labels["stress"]
        np.testing.assert_allclose(stress[0], expected, atol=1e-9)
        assert stress[1].isnan().all()
        assert reading.taken["stress"] == f"{name} (divided by minus the volume)"


def test_molecules_and_crystals_are_mixed(tmp_path: Path) -> None:
    boxed = water(energy=-14.0)
    boxed.set_cell([50.0, 50.0, 50.0])
    path = write(tmp_path / "a.extxyz", [boxed, metals(1)[0], ase_build.molecule("CO")])
    structures = readers.read_ase(path).structures.check()
    assert structures.pbc.tolist() == [[False] * 3, [True] * 3, [False] * 3]
    assert structures.cell[0].count_nonzero() == structures.cell[2].count_nonzero() == 0
    assert structures.labels["energy"].isnan().tolist() == [False, False, True]
    forces = structures.labels["forces"].isnan().all(1)
    assert forces.tolist() == [True] * 3 + [False] * 4 + [True] * 2
    assert readers.read_ase(f"{path}@1").structures.sizes.tolist() == [4]
    molecules = readers.read_ase(f"{path}@:1").structures
    assert molecules.cell is None
    assert "forces" not in molecules.labels
    assert len(readers.read_ase(path.rename(tmp_path / "b@1.extxyz"))[0].sizes) == 3


def test_a_layer_of_one_atom_is_no_isolated_atom(tmp_path: Path) -> None:
    layer = ase_build.fcc111("Cu", (1, 1, 1), vacuum=8.0)
    layer.info["energy"] = -3.0
    reading = readers.read_ase(write(tmp_path / "a.extxyz", [layer]), dtype=DOUBLE)
    assert reading.isolated == {}
    assert reading.structures.pbc.tolist() == [[True, True, False]]
    assert np.array_equal(reading.structures.cell[0], layer.cell[:])


def test_isolated_atoms_are_references(tmp_path: Path) -> None:
    boxed = atom("Cu", -3.0, config_type="IsolatedAtom")
    boxed.set_cell([20.0] * 3)
    boxed.pbc = True
    crystal = ase_build.bulk("Cu")  # of one atom, too
    frames = [atom("O", -2041.0), water(energy=-14.0), boxed, crystal]
    path = write(tmp_path / "a.extxyz", frames)
    reading = readers.read_ase(path)
    assert reading.isolated == {8: -2041.0, 29: -3.0}
    assert reading.structures.sizes.tolist() == [3, 1]
    assert reading.lengths == (2,)
    every = readers.read_ase(path, isolated=False)
    assert every.structures.sizes.tolist() == [1, 3, 1, 1]
    assert every.isolated == {}


def test_isolated_atoms_in_a_file_of_their_own(tmp_path: Path) -> None:
    first = write(tmp_path / "a.extxyz", [water(REF_energy=-1.0)] * 3)
    second = write(tmp_path / "b.extxyz", [atom("H", -0.5), atom("O", -75.0)])
    reading = readers.read_ase([first, second], energy_unit="Hartree")
    assert reading.lengths == (3, 0)
    assert reading.isolated[1] == pytest.approx(-0.5 * ase_units.Hartree, rel=1e-12)
    energies = reading.structures.labels["energy"]
    assert energies.tolist() == pytest.approx([-ase_units.Hartree] * 3, rel=1e-12)
    alone = readers.read_ase(second)
    assert alone.isolated == {1: -0.5, 8: -75.0}
    assert len(alone.structures.sizes) == 0


def test_two_energies_of_one_atom_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.extxyz", [atom("H", -13.6), atom("H", 0.0)])
    with pytest.raises(ValueError, match=r"atoms of H have energies -13.6 and 0.0 eV"):
        readers.read_ase(path)


def test_units_are_converted(tmp_path: Path) -> None:
    frames = metals(1)
    path = write(tmp_path / "a.extxyz", frames)
    plain = readers.read_ase(path, dtype=DOUBLE).structures
    units = {"energy_unit": "Hartree", "length_unit": "Bohr"}
    atomic = readers.read_ase(path, **units, dtype=DOUBLE).structures
    hartree, bohr = ase_units.Hartree, ase_units.Bohr
    factors = {"energy": hartree, "forces": hartree / bohr}
    factors["stress"] = hartree / bohr**3
    for name, factor in factors.items():
        torch.testing.assert_close(atomic.labels[name], plain.labels[name] * factor)
    torch.testing.assert_close(atomic.pos, plain.pos * bohr)
    torch.testing.assert_close(atomic.cell, plain.cell * bohr)
    pressure = readers.read_ase(path, stress_unit="GPa", dtype=DOUBLE).structures
    torch.testing.assert_close(
        pressure.labels["stress"], plain.labels["stress"] * ase_units.GPa
    )
    with pytest.raises(ValueError, match="got 'kcal' as the unit of an energy"):
        readers.read_ase(path, energy_unit="kcal")


def test_a_virial_is_an_energy(tmp_path: Path) -> None:
    frame = ase_build.bulk("Cu", cubic=True)
    frame.info["virial"] = np.eye(3)
    path = write(tmp_path / "a.extxyz", [frame])
    units = {"energy_unit": "Hartree", "length_unit": "Bohr"}
    stress = readers.read_ase(path, **units, dtype=DOUBLE).structures.labels["stress"]
    expected = -ase_units.Hartree / (frame.get_volume() * ase_units.Bohr**3)
    np.testing.assert_allclose(stress[0], expected * np.eye(3), rtol=1e-12)


def test_further_labels_and_inputs(tmp_path: Path) -> None:
    frames = [water(energy=-14.0, charge=1.0), water(energy=-15.0, charge=-1.0)]
    frames[0].info["REF_dipole"] = np.arange(3.0)
    for frame in frames:
        frame.arrays["q"] = np.array([-0.8, 0.4, 0.4])
    path = write(tmp_path / "a.extxyz", frames)
    asked = {"labels": {"dipole": "REF_dipole"}, "inputs": ["q", "charge"]}
    structures = readers.read_ase(path, **asked).structures.check()
    assert structures.labels["dipole"][0].tolist() == [0.0, 1.0, 2.0]
    assert structures.labels["dipole"][1].isnan().all()
    assert structures.extra["q"].tolist() == pytest.approx([-0.8, 0.4, 0.4] * 2)
    assert structures.extra["charge"].tolist() == [1.0] * 3 + [-1.0] * 3
    with pytest.raises(ValueError, match="structure 1 lacks REF_dipole; every struct"):
        readers.read_ase(path, inputs=["REF_dipole"])


def test_results_that_only_a_calculator_has(tmp_path: Path) -> None:
    frame = water()
    results = {"free_energy": -14.5, "charges": np.array([-0.8, 0.4, 0.4])}
    frame.calc = singlepoint.SinglePointCalculator(frame, **results)
    path = write(tmp_path / "a.traj", [frame])
    labels = readers.read_ase(path, labels={"charges": "charges"}).structures.labels
    assert labels["energy"].tolist() == [-14.5]
    assert labels["charges"].tolist() == pytest.approx([-0.8, 0.4, 0.4])


def test_an_infinite_number_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.extxyz", [water(energy=0.0), water(energy=np.inf)])
    with pytest.raises(ValueError, match=r"structure 1: expected energy \(energy\)"):
        readers.read_ase(path)
    frame = water()
    frame.arrays["forces"] = np.diag([0.0, 1.0, np.inf])
    path = write(tmp_path / "b.extxyz", [frame])
    with pytest.raises(ValueError, match=r"structure 0: expected forces \(forces\)"):
        readers.read_ase(path)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.unknown").write_text("nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"ASE cannot read .*a\.unknown"):
        readers.read_ase(tmp_path / "a.unknown")
    (tmp_path / "b.extxyz").touch()
    with pytest.raises(ValueError, match=r"ASE cannot read .*b\.extxyz: Empty file"):
        readers.read_ase(tmp_path / "b.extxyz")
    path = write(tmp_path / "d.traj", [water()])
    with pytest.raises(ValueError, match="holds no structure"):
        readers.read_ase(f"{path}@5:")
    with pytest.raises(FileNotFoundError):
        readers.read_ase(tmp_path / "c.extxyz")
    for wrong in (5, []):
        with pytest.raises(TypeError, match="expected a file, or a list of files, got"):
            readers.read_ase(wrong)


REAL = {
    "3bpa": (["train_300K.xyz", "iso_atoms.xyz"], 500, {1, 6, 7, 8}),
    "acac": (["test_H_transfer.xyz", "isolated_atoms.xyz"], 15, {1, 6, 8}),
    "periodic": (["Si_test.extxyz", "Mo_test.extxyz"], 48, set[int]()),
}


@pytest.mark.parametrize("folder", REAL)
def test_published_files(shared: Path, folder: str) -> None:
    names, count, isolated = REAL[folder]
    paths = [shared / "data" / folder / name for name in names]
    reading = readers.read_ase(paths, dtype=DOUBLE)
    assert len(reading.structures.check().sizes) == count
    assert set(reading.isolated) == isolated
    frames = [frame for path in paths for frame in ase_io.read(path, ":")][:count]
    energies = [frame.get_potential_energy() for frame in frames]
    assert reading.structures.labels["energy"].tolist() == energies
    if "forces" in reading.structures.labels:
        forces = np.concatenate([frame.get_forces() for frame in frames])
        assert np.array_equal(reading.structures.labels["forces"], forces)
    assert (reading.structures.cell is None) == (folder != "periodic")
