"""Solids are learned, and the stress is the derivative of the energy."""

from __future__ import annotations

import re
from pathlib import Path

import ase.io
import numpy as np
import periodic
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

pytestmark = pytest.mark.usefixtures("same_threads")


def strained_copper(count: int, seed: int) -> list[Atoms]:
    """Triclinic cells of a few atoms, with energies and forces."""
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        atoms = bulk("Cu").repeat((2, 1, 1))
        strain = np.eye(3) + 0.03 * random.normal(size=(3, 3))
        atoms.set_cell(atoms.cell[:] @ strain, scale_atoms=True)
        atoms.rattle(0.1, rng=random)
        atoms.calc = EMT()
        found = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **found)
        frames.append(atoms)
    return frames


def test_a_solid_is_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part, count in (("train", 12), ("test", 4)):
        ase.io.write(tmp_path / f"Cu_{part}.extxyz", strained_copper(count, count))
    words = [str(tmp_path), "--elements", "Cu", "--model", "painn", "--cutoff", "4"]
    words += ["--hidden-channels", "8", "--num-layers", "1", "--minutes", "0"]
    periodic.main([*words, "--folder", str(tmp_path / "runs")])
    out = capsys.readouterr().out
    found = re.findall(r"(?:test structure|strained cells) +(-?\d+\.\d+)", out)
    assert float(found[0]) == pytest.approx(float(found[1]), rel=1e-4, abs=1e-3)
    assert float(found[0]) != 0
    assert re.search(r"Cu .* meV/atom .* meV/A .*best epoch 0", out)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Si_train\.extxyz"):
        periodic.main([str(tmp_path)])
