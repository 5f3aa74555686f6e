"""Crystals are made, learned and compared in some seconds."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import crystals
import pytest

SMALL = [
    *("--epochs", "1", "--hidden-channels", "8"),
    *("--num-layers", "1", "--cutoff", "4.0"),
]


def test_alloys_are_learned_with_their_stress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crystals.main([*SMALL, "--count", "20", "--folder", str(tmp_path)])
    out = capsys.readouterr().out
    assert "20 structures, 160 atoms of the elements 29, 79, 20 periodic" in out
    assert "stress of 20, from stress" in out
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["num_test_stress_meV_per_A3"] == 2 * 9
    rows = [line.split() for line in out.splitlines() if line.startswith("       1")]
    assert [float(row[0]) for row in rows] == [10.72, 11.66, 12.66, 13.72]
    assert [float(row[1]) for row in rows] == [0.023, -0.007, 0.03, 0.118]


def test_a_file_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.extxyz"
    ase.io.write(path, crystals.alloys(20))
    crystals.main([str(path), *SMALL, "--folder", str(tmp_path / "run")])
    assert "volume" not in capsys.readouterr().out
    assert (tmp_path / "run" / "model.pt").is_file()


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        crystals.main(["--help"])
    assert "no download" in capsys.readouterr().out
