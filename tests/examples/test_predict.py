"""A checkpoint and a file of molecules make predictions."""

from __future__ import annotations

import csv
from pathlib import Path

import ase
import ase.io
import predict
import pytest
import torch

from pyg_equivariant.training.checkpoint import BEST, load_checkpoint
from pyg_equivariant.training.qm9.data import QM9Molecules
from pyg_equivariant.training.qm9.presets import settle
from pyg_equivariant.training.qm9.targets import FREE_ATOMS
from pyg_equivariant.training.run import Run
from pyg_equivariant.training.tasks import load_task

WATER = ase.Atoms("OH2", [[0.0, 0.0, 0.1], [0.0, 0.8, -0.5], [0.0, -0.8, -0.5]])


@pytest.fixture(scope="module")
def checkpoints(qm9_root: Path, tmp_path_factory: pytest.TempPathFactory):
    found = {}
    for target in ("U0", "mu"):
        network = {"hidden_channels": 8, "num_layers": 1}
        settings = settle("painn", target, network=network, epochs=1)
        folder = tmp_path_factory.mktemp(target)
        data = QM9Molecules(qm9_root, settings)
        Run(folder, settings).fit(data, accelerator="cpu")
        found[target] = folder / BEST
    return found


def rows(checkpoint: Path, molecules: Path, out: Path) -> list[list[str]]:
    predict.main([str(checkpoint), str(molecules), "--out", str(out)])
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_energies_of_atomization_and_in_total(
    checkpoints: dict[str, Path], tmp_path: Path, capsys
) -> None:
    path = tmp_path / "molecules.xyz"
    methane = ase.Atoms(
        "CH4", [[0, 0, 0], [1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]
    )
    ase.io.write(path, [WATER, methane])
    head, *found = rows(checkpoints["U0"], path, tmp_path / "out.csv")
    assert head == ["formula", "U0 of atomization (meV)", "U0 (meV)"]
    assert [row[0] for row in found] == ["H2O", "CH4"]
    assert "CH4" in capsys.readouterr().out

    task = load_task(load_checkpoint(checkpoints["U0"]))
    for row, atoms in zip(found, ase.io.read(path, index=":"), strict=True):
        z = torch.from_numpy(atoms.numbers).long()
        pos = torch.from_numpy(atoms.positions).float()
        with torch.no_grad():
            expected = 1000 * float(task.network(z, pos))
        free = 1000 * sum(FREE_ATOMS["U0"][int(number)] for number in z)
        assert float(row[1]) == pytest.approx(expected, rel=1e-5)
        assert float(row[2]) - float(row[1]) == pytest.approx(free, abs=1e-5)


def test_a_dipole_moment(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "water.xyz"
    ase.io.write(path, WATER)
    head, row = rows(checkpoints["mu"], path, tmp_path / "out.csv")
    assert head == ["formula", "mu (D)"]
    assert float(row[1]) >= 0


def test_what_the_network_does_not_know_is_refused(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "molecules.xyz"
    ase.io.write(path, [WATER, ase.Atoms("SH2", WATER.positions)])
    message = "structure 1 .* not trained on; there are S in all, .*knows H, C, N, O, F"
    with pytest.raises(ValueError, match=message):
        rows(checkpoints["mu"], path, tmp_path / "out.csv")


def test_what_is_no_whole_checkpoint_is_one_line(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    molecules, broken = tmp_path / "water.xyz", tmp_path / BEST
    ase.io.write(molecules, WATER)
    data = checkpoints["mu"].read_bytes()
    broken.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"best\.ckpt is not whole") as error:
        predict.main([str(broken), str(molecules)])
    assert "\n" not in str(error.value)
    torch.save({"x": WATER}, broken)
    with pytest.raises(ValueError, match="such as code, which did not run"):
        predict.main([str(broken), str(molecules)])
    with pytest.raises(FileNotFoundError, match="there is no file"):
        predict.main([str(tmp_path / "none.ckpt"), str(molecules)])
