"""The tables of errors are made at tiny sizes, in budgets of no time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

Load = Callable[[str], Any]


@pytest.fixture
def water(tmp_path: Path) -> str:
    """Twelve molecules with energies and forces."""
    random = np.random.default_rng(0)
    frames = []
    for _ in range(12):
        atoms = molecule("H2O")
        atoms.positions += random.normal(0.0, 0.1, (3, 3))
        atoms.calc = EMT()
        found = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **found)
        frames.append(atoms)
    ase.io.write(tmp_path / "water.xyz", frames)
    return str(tmp_path / "water.xyz")


def test_potentials(load: Load, water: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--train", water, "--tests", water, "--networks", "painn", "schnet"]
    load("potential_errors").main([*words, "--num-val", "4", "--seconds", "0"])
    head, *rows = capsys.readouterr().out.splitlines()[3:]
    assert head.split() == ["network", "epochs", "processor", "water"]
    assert [row.split()[0:2] for row in rows] == [["painn", "1"], ["schnet", "1"]]
    for row in rows:
        mae, rmse = map(float, row.split()[-1].split("/"))
        assert 0 < mae < rmse


def test_qm9(load: Load, qm9_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--root", str(qm9_root), "--num-train", "20", "--num-val", "5"]
    load("qm9_errors").main([*words, "--networks", "schnet", "--seconds", "0"])
    name, epochs, *_ = capsys.readouterr().out.splitlines()[-1].split()
    assert (name, epochs) == ("schnet", "1")
