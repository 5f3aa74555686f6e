"""From a file of structures to a potential, its errors and its predictions."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
import torch

from pyg_equivariant.__main__ import main
from pyg_equivariant.nn import ForceField, load_model

ROOT = Path(__file__).resolve().parents[2]
SMALL = "--accelerator cpu --hidden-channels 8 --num-layers 1 --lr 0.01 --cutoff 4"


def fit(folder: Path, *words: str | Path, small: str = SMALL) -> None:
    main(["fit", *map(str, words), *small.split(), "--folder", str(folder)])


@pytest.fixture(scope="module")
def trained(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    fit(folder, files / "crystals.xyz", "--epochs", "4")
    return folder


def test_a_file_makes_a_potential_with_stress(trained: Path) -> None:
    report = json.loads((trained / "report.json").read_text("utf-8"))
    assert report["target"] == "energy+forces+stress"
    assert report["dataset"] == "crystals.xyz"
    assert report["num_test_stress_meV_per_A3"] == 5 * 9
    forces = report["test_forces_meV_per_A_mae"]
    assert forces < report["mean_predictor_forces_meV_per_A_mae"]


def test_test_repeats_the_report_and_takes_other_files(
    trained: Path, files: Path, tmp_path: Path, capsys
) -> None:
    from pyg_equivariant.training.own_data import divide

    split = divide(files / "crystals.xyz").split
    frames = ase.io.read(files / "crystals.xyz", index=":")
    path = tmp_path / "test.xyz"
    ase.io.write(path, [frames[i] for i in split.test.tolist()])
    capsys.readouterr()
    main(["test", str(trained), str(path)])
    out = capsys.readouterr().out
    report = json.loads((trained / "report.json").read_text("utf-8"))
    shown = {
        unit: float(mae) for mae, unit in re.findall(r"MAE +(\S+) .* (\S+)\n", out)
    }
    assert shown["meV/A"] == pytest.approx(
        report["test_forces_meV_per_A_mae"], rel=1e-3
    )
    assert shown["meV"] == pytest.approx(report["test_energy_meV_mae"], rel=1e-2)
    assert shown["meV/A^3"] == pytest.approx(report["test_stress_meV_per_A3_mae"], 1e-3)
    main(["test", str(trained / "best.ckpt"), str(files / "clusters.xyz")])
    out = capsys.readouterr().out
    assert "meV/A\n" in out
    assert "stress" not in out
    with pytest.raises(SystemExit, match=r"error: .*no checkpoint .*best\.ckpt"):
        main(["test", str(tmp_path), str(path)])


@pytest.mark.parametrize("name", ["crystals", "clusters"])
def test_predictions_are_those_of_the_model(
    trained: Path, files: Path, tmp_path: Path, name: str, capsys
) -> None:
    model, out = trained / "model.pt", tmp_path / "out.xyz"
    source = files / f"{name}.xyz"
    main(["predict", str(model), str(source), "--out", str(out), "--batch-size", "7"])
    assert capsys.readouterr().out.startswith("formula\tenergy (eV)\n")
    main(["predict", str(model), str(source), "--out", str(tmp_path / "out.csv")])
    rows = list(csv.reader((tmp_path / "out.csv").open(encoding="utf-8")))
    network = load_model(model).double()
    field = ForceField(network, compute_stress=name == "crystals").eval()
    for frame, row in zip(ase.io.read(out, index=":"), rows[1:], strict=True):
        z, pos = torch.tensor(frame.numbers), torch.tensor(frame.positions)
        box = {}
        if name == "crystals":
            box = {
                "cell": torch.tensor(np.array(frame.cell)),
                "pbc": torch.tensor(True),
            }
        energy, forces, stress = field(z, pos, **box)
        assert frame.get_potential_energy() == pytest.approx(float(energy), rel=1e-5)
        assert float(row[1]) == pytest.approx(frame.get_potential_energy(), abs=1e-4)
        np.testing.assert_allclose(frame.get_forces(), forces.numpy(), atol=1e-4)
        if stress is not None:
            found = frame.get_stress(voigt=False)
            np.testing.assert_allclose(found, stress[0].numpy(), atol=1e-5)


def test_an_unknown_element_is_refused(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "gold.xyz"
    ase.io.write(path, [ase.Atoms("Cu2", np.eye(3)[:2]), ase.Atoms("Au")])
    message = r"error: structure 1 .*there are Au in all, and it knows Al, Cu"
    with pytest.raises(SystemExit, match=message):
        main(["predict", str(trained / "model.pt"), str(path)])


def test_validation_and_test_files_resume_and_init(
    files: Path, trained: Path, tmp_path: Path, capsys
) -> None:
    crystals, clusters = files / "crystals.xyz", files / "clusters.xyz"
    words = (crystals, "--valid", clusters, "--test", clusters, "--num-train", "10")
    run = tmp_path / "run"
    fit(run, *words, "--epochs", "1", "--forces-weight", "3")
    settings = json.loads((run / "settings.json").read_text("utf-8"))
    assert settings["weights"]["forces"] == 3.0
    assert settings["split"] == "clusters.xyz, clusters.xyz"
    with pytest.raises(SystemExit, match=r"error: .* holds a run; --resume goes on"):
        fit(run, *words, "--epochs", "1", "--forces-weight", "3")
    fit(run, *words, "--epochs", "2", "--forces-weight", "3", "--resume")
    assert "1 epochs become 2, schedule 'cosine': the rate is now" in (
        capsys.readouterr().out
    )
    fine = tmp_path / "fine"
    begun = f"--accelerator cpu --epochs 1 --init {trained / 'model.pt'}"
    fit(fine, crystals, small=begun)
    assert load_model(fine / "model.pt").arguments["hidden_channels"] == 8


def test_names_and_units_of_a_file(files: Path, tmp_path: Path, capsys) -> None:
    frames = ase.io.read(files / "crystals.xyz", index=":12")
    for frame in frames:
        frame.info["my_energy"] = 1000 * frame.get_potential_energy()
        frame.calc = None
    path = tmp_path / "own.xyz"
    ase.io.write(path, frames)
    own = ("--energy", "my_energy", "--energy-unit", "meV", "--epochs", "1")
    fit(tmp_path / "run", path, *own)
    report = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))
    assert report["target"] == "energy"
    assert report["mean_predictor_energy_meV_mae"] < 1e4
    with pytest.raises(SystemExit, match=r"error: .*none\.xyz"):
        fit(tmp_path / "none", tmp_path / "none.xyz")


def test_rmd17_as_it_is_published(tmp_path: Path) -> None:
    root, random = tmp_path / "rmd17", np.random.default_rng(0)
    (root / "npz_data").mkdir(parents=True)
    (root / "splits").mkdir()
    coords = random.normal(0, 1, (1200, 3, 3)).round(3)
    arrays = {"coords": coords, "nuclear_charges": np.array([8, 1, 1])}
    arrays["energies"] = np.linalg.norm(coords, axis=2).sum(1) - 48000
    arrays["forces"] = -coords / np.linalg.norm(coords, axis=2, keepdims=True)
    np.savez(root / "npz_data" / "rmd17_water.npz", **arrays)
    for number in range(1, 6):
        order = random.permutation(1200)
        for part, index in (("train", order[:100]), ("test", order[100:140])):
            path = root / "splits" / f"index_{part}_{number:02d}.csv"
            np.savetxt(path, index, fmt="%d")
    words = ("rmd17", "--molecule", "water", "--root", root, "--split", "2")
    fit(tmp_path / "run", *words, "--epochs", "1")
    report = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))
    assert report["dataset"] == "rmd17_water"
    assert report["num_test_energy_meV"] == 40
    assert report["split"] == "2 of 5"


def test_each_command_tells_what_it_takes(capsys) -> None:
    for words in (
        ["fit", "qm9"],
        ["fit", "rmd17"],
        ["fit", "x"],
        ["test"],
        ["predict"],
    ):
        with pytest.raises(SystemExit) as end:
            main([*words, "--help"])
        assert end.value.code == 0
    assert "usage: python -m pyg_equivariant predict" in capsys.readouterr().out
    main(["fit"])
    assert "rmd17 --molecule NAME" in capsys.readouterr().out


@pytest.mark.slow
def test_two_processes_make_a_potential(files: Path, tmp_path: Path) -> None:
    """Of molecules and crystals, where one process may have no stress in a batch."""
    both = tmp_path / "both.xyz"
    frames = [
        frame
        for name in ("clusters", "crystals")
        for frame in ase.io.read(files / f"{name}.xyz", index=":20")
    ]
    ase.io.write(both, frames)
    words = [str(both), "--num-train", "32", "--epochs", "2", "--schedule", "constant"]
    fit(tmp_path / "one", *words, "--batch-size", "2")
    command = [sys.executable, "-m", "pyg_equivariant", "fit", *words, *SMALL.split()]
    machine = ["--devices", "2", "--batch-size", "1", "--folder", str(tmp_path / "two")]
    ran = subprocess.run(
        [*command, *machine],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    one, two = (
        json.loads((tmp_path / name / "report.json").read_text("utf-8"))
        for name in ("one", "two")
    )
    assert one["num_test_energy_meV"] == two["num_test_energy_meV"] == 4
    errors = [run["test_forces_meV_per_A_mae"] for run in (one, two)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-4)
