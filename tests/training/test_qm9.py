"""The command of the main job, from its flags to its report."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from itertools import cycle
from pathlib import Path

import pytest
import qm9
import torch
from torch_geometric.datasets import QM9

from pyg_equivariant.training.builders import build_network
from pyg_equivariant.training.checkpoint import BEST, load_checkpoint
from pyg_equivariant.training.curve import CURVE, read_curve
from pyg_equivariant.training.errors import MeanError, mean_error
from pyg_equivariant.training.qm9.data import QM9Molecules, open_qm9
from pyg_equivariant.training.qm9.presets import PRESETS, settle
from pyg_equivariant.training.qm9.targets import TARGETS
from pyg_equivariant.training.references import Scaling
from pyg_equivariant.training.report import write_report
from pyg_equivariant.training.settings import Settings
from pyg_equivariant.training.tasks import load_task

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--epochs", "2", "--hidden-channels", "8", "--num-layers", "1")


def run(folder: Path, root: Path, model: str, target: str, *flags: str) -> None:
    places = ["--root", str(root), "--folder", str(folder), "--accelerator", "cpu"]
    small = [*SMALL, "--batch-size", "20"]
    qm9.main(["--model", model, "--target", target, *places, *small, *flags])


@pytest.mark.parametrize(
    ("model", "target"),
    zip(PRESETS, cycle(["r2", "mu", "U0", "gap", "alpha"]), strict=False),
)
def test_the_report_tells_the_error_of_the_best_weights(
    qm9_root: Path, tmp_path: Path, model: str, target: str, capsys
) -> None:
    run(tmp_path, qm9_root, model, target)
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    out = capsys.readouterr().out
    assert "test MAE" in out
    assert "mean predictor" in out
    assert (tmp_path / "report.png").stat().st_size > 10_000

    task = load_task(load_checkpoint(tmp_path / BEST))
    data = QM9Molecules(qm9_root, task.settings)
    table = data.table("test")
    batch = table.__getitems__(range(len(table)))
    with torch.no_grad():
        error = mean_error(task(batch)[target].squeeze(-1), batch.labels[target])
    factor = TARGETS[target].factor
    assert report["test_mae"] == pytest.approx(factor * error.mae, rel=1e-4)
    assert report["standard_error"] == pytest.approx(
        factor * error.standard_error, rel=1e-4
    )
    assert report["num_test"] == len(data.split.test) == error.count
    published = PRESETS[model].published
    known = {} if published is None else published.mae
    assert report["published_mae"] == known.get(target)


def test_training_lowers_the_error(qm9_root: Path, tmp_path: Path) -> None:
    run(tmp_path, qm9_root, "egnn", "U0", "--epochs", "30", "--lr", "0.003")
    errors = [
        row["val_mae_meV"]
        for row in read_curve(tmp_path / CURVE).values()
        if "val_mae_meV" in row
    ]
    assert len(errors) == 30
    assert min(errors[-5:]) < 0.8 * errors[0]


def test_it_stops_early_and_in_time(qm9_root: Path, tmp_path: Path) -> None:
    flags = ("--epochs", "50", "--lr", "0", "--patience", "2")
    run(tmp_path / "early", qm9_root, "schnet", "U0", *flags)
    assert len(_epochs(tmp_path / "early")) == 3
    flags = ("--epochs", "100000", "--max-time", "00:00:00:02")
    run(tmp_path / "time", qm9_root, "schnet", "U0", *flags)
    assert 1 <= len(_epochs(tmp_path / "time")) < 100_000


def _epochs(folder: Path) -> set[float]:
    return {row["epoch"] for row in read_curve(folder / CURVE).values()}


def test_a_run_is_never_overwritten(qm9_root: Path, tmp_path: Path) -> None:
    run(tmp_path, qm9_root, "schnet", "U0")
    before = read_curve(tmp_path / CURVE)
    with pytest.raises(FileExistsError, match="holds a run; --resume goes on with it"):
        run(tmp_path, qm9_root, "schnet", "U0")
    with pytest.raises(ValueError, match=r"other settings: lr 0\.001 \(now 0\.5\)"):
        run(tmp_path, qm9_root, "schnet", "U0", "--resume", "--lr", "0.5")
    run(tmp_path, qm9_root, "schnet", "U0", "--resume")
    assert read_curve(tmp_path / CURVE) == before


@pytest.mark.parametrize(
    ("model", "target", "flags", "message"),
    [
        ("pain", "U0", (), "got network 'pain', expected one of schnet, lieresnet"),
        ("painn", "u0", (), "got target 'u0', expected one of mu, alpha"),
        ("painn", "U0", ("--preset", "x"), "got preset 'x', expected one of schnet"),
        ("painn", "U0", ("--split", "x"), "got split 'x', expected cormorant"),
        ("painn", "U0", ("--schedule", "x"), "got schedule 'x', expected one of"),
        ("painn", "U0", ("--num-train", "0"), "got an empty training set"),
    ],
)
def test_what_is_wrong_is_named(
    qm9_root: Path, tmp_path: Path, model: str, target: str, flags, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(tmp_path, qm9_root, model, target, *flags)


def test_a_missing_data_set_is_explained(tmp_path: Path, monkeypatch) -> None:
    def offline(self: QM9) -> None:
        raise OSError("no network")

    monkeypatch.setattr(QM9, "download", offline)
    with pytest.raises(FileNotFoundError) as error:
        open_qm9(tmp_path / "qm9")
    message = str(error.value)
    assert "no network" in message
    assert str(tmp_path / "qm9" / "raw") in message
    assert str(tmp_path / "qm9" / "processed" / "data_v3.pt") in message
    assert "https://" in message
    assert "--root" in message


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model", PRESETS)
def test_every_weight_is_trained(model: str, target: str) -> None:
    settings = settle(model, target, network={"hidden_channels": 8, "num_layers": 2})
    scaling = Scaling(0.0, 1.0, [0.0] * 100 if settings.references else None)
    network = build_network(settings, scaling)
    z, pos = torch.tensor([8, 1, 1, 6]), torch.randn(4, 3)
    network(z, pos).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_settings_survive_their_file() -> None:
    settings = settle("painn", "mu", network={"num_layers": 2}, lr=0.1)
    again = Settings(**json.loads(json.dumps(asdict(settings))))
    assert again == settings
    assert settings.differences(settle("painn", "mu", lr=0.1)) == {
        "network": ({"cutoff": 5.0, "num_layers": 2}, {"cutoff": 5.0})
    }
    infinite = settle("egnn", "U0")
    assert Settings(**json.loads(json.dumps(asdict(infinite)))) == infinite


def test_presets_choose_as_the_papers_do() -> None:
    assert settle("egnn", "gap").lr == 1e-3
    assert settle("egnn", "alpha").lr == 5e-4
    assert settle("painn", "mu").head == "dipole_magnitude"
    assert settle("segnn", "U0").references
    other = settle("painn", "U0", "egnn")
    assert (other.split, other.cutoff) == ("cormorant", 5.0)


def test_the_report_shows_as_many_digits_as_are_known(tmp_path: Path) -> None:
    text = write_report(
        tmp_path / "run",
        settle("painn", "U0"),
        TARGETS["U0"],
        MeanError(12.3456, 0.0789, 10_831),
        MeanError(8139.4, 61.2, 10_831),
        (5.85, "dimenet"),
        {},
    )
    assert "12.346 ± 0.079 meV" in text
    assert "8139 ± 61 meV" in text
    assert "5.85 meV" in text


def test_two_processes_make_the_same_run(qm9_root: Path, tmp_path: Path) -> None:
    flags = ("--num-train", "80", "--ema", "0.9")
    run(tmp_path / "one", qm9_root, "schnet", "U0", *flags)
    places = ["--root", str(qm9_root), "--folder", str(tmp_path / "two")]
    machine = ["--batch-size", "10", "--accelerator", "cpu", "--devices", "2"]
    command = [sys.executable, "examples/qm9.py", "--model", "schnet", "--target", "U0"]
    result = subprocess.run(
        [*command, *flags, *SMALL, *places, *machine],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    one, two = (read_curve(tmp_path / name / CURVE) for name in ("one", "two"))
    assert one.keys() == two.keys()
    for step, row in one.items():
        assert row == pytest.approx(two[step], rel=1e-4)
    reports = [
        json.loads((tmp_path / name / "report.json").read_text("utf-8"))
        for name in ("one", "two")
    ]
    assert reports[0]["num_test"] == reports[1]["num_test"] == 11
    assert reports[0]["test_mae"] == pytest.approx(reports[1]["test_mae"], rel=1e-4)
