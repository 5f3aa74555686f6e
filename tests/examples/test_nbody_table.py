"""Runs become a table, and are compared system by system."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbody
import nbody_compare
import nbody_table
import numpy as np
import pytest

from pyg_equivariant.datasets import charged_trajectories

SIZES = "--num-train 20 --num-val 5 --num-test 10 --batch-size 10 --epochs 1"
SIZES += " --hidden-channels 8 --num-layers 1"


def call(script, flags: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py", *flags.split()])
    script.main()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one network, one of another, which is told Coulomb's law."""
    root = tmp_path_factory.mktemp("nbody")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, flags in {
            "c": "--model segnn --coulomb both",
            "a": "--model egnn --lr 0.003",
            "b": "--model egnn --lr 0.003 --seed 1",
        }.items():
            flags += f" {SIZES} --root {root / 'data'} --folder {root / name}"
            call(nbody, flags, monkeypatch)
    return root


def report(folder: Path) -> dict[str, float]:
    values: dict[str, float] = json.loads((folder / "report.json").read_text())
    return values


def test_seeds_make_one_row(runs: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    figure = tmp_path / "figure.png"
    folders = " ".join(str(runs / name) for name in ("c", "b", "a", "data"))
    call(nbody_table, f"{folders} --figure {figure}", monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("EGNN"))
    seeds = [report(runs / name)["test_mse"] for name in "ab"]
    assert f"0.0070     {np.mean(seeds):.5f}" in row
    assert ", ".join(f"{seed:.5f}" for seed in seeds) in row
    told = next(line for line in lines if "Coulomb: both" in line)
    assert "0.0043" not in told
    assert lines.index(row) < lines.index(told)
    commands = [line for line in lines if line.startswith("python")]
    assert len(commands) == 2
    sizes = "--num-train 20 --num-val 5 --hidden-channels 8 --num-layers 1"
    start = "python examples/nbody.py --model egnn --epochs 1 --batch-size 10"
    assert commands[0] == f"{start} --lr 0.003 {sizes}"
    assert commands[1].endswith("--coulomb both")
    assert figure.stat().st_size > 10_000


def test_what_is_no_run_is_told(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(ValueError, match="none of 1 folders holds a finished run"):
        call(nbody_table, str(tmp_path), monkeypatch)


def test_differences_are_paired(
    runs: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    figure = tmp_path / "figure.png"
    flags = f"--a {runs / 'a'} {runs / 'b'} --b {runs / 'c'} --root {runs / 'data'}"
    call(nbody_compare, f"{flags} --figure {figure}", monkeypatch)
    out = capsys.readouterr().out
    errors = [np.load(runs / name / "errors.npy") for name in "abc"]
    difference = (errors[0] + errors[1]) / 2 - errors[2]
    spread = difference.std(ddof=1) / np.sqrt(10)
    assert f"a - b: {difference.mean():+.5f} ± {spread:.5f}" in out
    assert report(runs / "c")["test_mse"] == pytest.approx(errors[2].mean(), rel=1e-6)
    assert out.count(" to ") == nbody_compare.PARTS
    assert figure.stat().st_size > 10_000


def test_predictions_are_those_that_were_tested(runs: Path) -> None:
    guess = nbody_compare.predict(runs / "a", str(runs / "data"), 10)
    true = charged_trajectories("test", 10, (40,)).pos[:, 0]
    errors = np.square(guess - true).mean((1, 2))
    np.testing.assert_allclose(errors, np.load(runs / "a" / "errors.npy"), rtol=1e-4)


def test_worst_systems_and_encounters() -> None:
    assert nbody_compare.worst_share(np.array([1.0, 1, 1, 7]), 0.25) == 0.7
    pos = np.zeros((1, 2, 3, 3))
    pos[0, 0, :, 0] = 0, 3, 10
    pos[0, 1, :, 0] = 0, 4, 5.5
    assert nbody_compare.closest_encounters(pos) == 1.5
    closest = np.arange(10.0)
    parts = nbody_compare.by_encounter(closest[::-1], [closest])
    assert parts[0] == (0.0, 1.0, [8.5])
    assert len(parts) == nbody_compare.PARTS


def test_runs_of_different_tests_are_not_compared(
    runs: Path, tmp_path: Path, monkeypatch
) -> None:
    np.save(tmp_path / "errors.npy", np.ones(3))
    with pytest.raises(ValueError, match="a was tested on 10 systems, b on 3"):
        call(nbody_compare, f"--a {runs / 'a'} --b {tmp_path}", monkeypatch)
    with pytest.raises(ValueError, match=r"the runs were tested on \[10, 3\]"):
        call(
            nbody_compare, f"--a {runs / 'a'} {tmp_path} --b {runs / 'a'}", monkeypatch
        )
