"""A molecule of MD17 is learned in some seconds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rmd17

SMALL = ["--epochs", "1", "--hidden-channels", "8", "--num-layers", "1"]


def springs(path: Path, frames: int) -> Path:
    """Frames of three atoms on springs, as the files of rMD17 have them."""
    rng = np.random.default_rng(frames)
    rest = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    coords = rest + 0.1 * rng.normal(size=(frames, 3, 3))
    np.savez(
        path,
        coords=coords,
        energies=-47000 + 50 * ((coords - rest) ** 2).sum((1, 2)),
        forces=-100 * (coords - rest),
        nuclear_charges=np.array([8, 1, 1], dtype=np.uint8),
    )
    return path


def test_the_published_division_is_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = springs(tmp_path / "rmd17_water_train_01.npz", 80)
    springs(tmp_path / "rmd17_water_test_01.npz", 20)
    rmd17.main([str(path), *SMALL, "--folder", str(tmp_path / "run")])
    out = capsys.readouterr().out
    assert "100 structures, 300 atoms of the elements 1, 8" in out
    assert "split as published" in out
    found = re.findall(r"a test frame: (\S+) eV, true (\S+) eV", out)[0]
    assert float(found[0]) == pytest.approx(-2038.1, abs=5.0)
    assert float(found[1]) == pytest.approx(-2038.1, abs=5.0)


def test_a_missing_division_is_one_line(tmp_path: Path) -> None:
    path = springs(tmp_path / "rmd17_water.npz", 20)
    with pytest.raises(FileNotFoundError, match=r"index_train_02\.csv"):
        rmd17.main([str(path), "--split", "2", *SMALL])


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        rmd17.main(["--help"])
    assert "published divisions" in capsys.readouterr().out
