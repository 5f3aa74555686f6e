"""Structures come from any source, divided as asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ase = pytest.importorskip("ase")
pytest.importorskip("lightning")
ase_io = pytest.importorskip("ase.io")
ase_build = pytest.importorskip("ase.build")
choices = pytest.importorskip("pyg_equivariant.training.choices")
own_data = pytest.importorskip("pyg_equivariant.training.own_data")


def waters(count: int) -> list[Any]:
    frames = []
    for index in range(count):
        frame = ase_build.molecule("H2O")
        frame.rattle(0.05, seed=index)
        frame.info["energy"] = -470.0 + 0.01 * index
        frames.append(frame)
    return frames


def write(path: Path, frames: list[Any]) -> Path:
    ase_io.write(path, frames)
    return path


def test_isolated_atoms_of_another_file_are_references(tmp_path: Path) -> None:
    water = write(tmp_path / "water.xyz", waters(8))
    atoms = []
    for symbol, energy in (("H", -13.5), ("O", -440.0)):
        atoms.append(ase.Atoms(symbol))
        atoms[-1].info["energy"] = energy
    alone = write(tmp_path / "atoms.xyz", atoms)
    divided = own_data.divide([water, str(alone)])
    assert tuple(map(len, divided.split)) == (6, 1, 1)
    assert divided.name == "water.xyz"
    training = divided.structures.select(divided.split.train)
    data = own_data.open_data(divided, choices.choose_settings(training))
    assert data.scaling().atomref[1] == -13.5
    assert data.scaling().atomref[8] == -440.0
    plain = own_data.divide(water)
    fitted = own_data.open_data(plain, choices.choose_settings(training)).scaling()
    assert fitted.atomref[1] == pytest.approx(-470.0 / 3, abs=0.1)


def test_files_to_validate_and_to_test_on(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.xyz", waters(n)) for n in (4, 2, 3)]
    divided = own_data.divide(*paths)
    assert tuple(map(len, divided.split)) == (4, 2, 3)
    assert divided.division == "2.xyz, 3.xyz"
    assert len(divided.structures.sizes) == 9
