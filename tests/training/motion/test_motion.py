"""Charged particles are learned as the papers do, and a stopped run goes on."""

from __future__ import annotations

import json
import math
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyg_equivariant.datasets import ChargedNBody
from pyg_equivariant.nn import load_model
from pyg_equivariant.training.checkpoint import BEST, LAST, load_checkpoint
from pyg_equivariant.training.curve import CURVE, read_curve
from pyg_equivariant.training.motion import (
    MotionRun,
    particle_data,
    particle_settings,
)

QUIET: dict[str, Any] = {"progress": False, "accelerator": "cpu"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where few trajectories are kept."""
    return str(tmp_path_factory.mktemp("nbody"))


def small(model: str, **chosen: Any) -> Any:
    network = {"hidden_channels": 4, "num_layers": 2}
    sizes = {"num_train": 40, "num_val": 10, "batch_size": 20}
    return particle_settings(model, network, **{**sizes, **chosen})


def fit(root: str, folder: Path, settings: Any, resume: bool = False) -> str:
    with closing(MotionRun(folder, settings, resume)) as run:
        data = particle_data(root, settings, num_test=10)
        run.fit(data, **QUIET)
        return run.test(data, **QUIET)


def test_settings_are_those_of_the_paper() -> None:
    settings = particle_settings("egnn")
    assert (settings.lr, settings.batch_size, settings.epochs) == (5e-4, 100, 10_000)
    assert (settings.schedule, settings.ema, settings.loss) == ("constant", 0, "mse")
    assert settings.network == {"hidden_channels": 64, "num_layers": 4}
    assert particle_settings("tfn", {"num_layers": 2}, lr=None).lr == 1e-3


def test_structures_are_the_particles(root: str) -> None:
    data = particle_data(root, small("egnn"), num_test=10)
    graphs = ChargedNBody(root, "test", 10)
    batch = next(iter(data.test_dataloader()))
    for k in range(10):
        nodes, edges = slice(5 * k, 5 * k + 5), slice(20 * k, 20 * k + 20)
        assert torch.equal(batch.pos[nodes], graphs[k].pos)
        assert torch.equal(batch.extra["vel"][nodes], graphs[k].vel)
        assert torch.equal(batch.labels["position"][nodes], graphs[k].y)
        pairs = {
            tuple(pair) for pair in (batch.edge_index[:, edges] - 5 * k).T.tolist()
        }
        assert pairs == {tuple(pair) for pair in graphs[k].edge_index.T.tolist()}


def test_the_report_is_of_all_test_systems(root: str, tmp_path: Path) -> None:
    text = fit(root, tmp_path, small("egnn", epochs=2))
    report = json.loads((tmp_path / "report.json").read_text())
    model = load_model(tmp_path / "model.pt")
    errors = []
    for data in ChargedNBody(root, "test", 10):
        given = data.pos, data.vel, data.charge, data.edge_index, data.edge_attr
        with torch.no_grad():
            errors.append((model(*given) - data.y).double().square().mean())
    found = torch.stack(errors)
    assert report["test_mse"] == pytest.approx(float(found.mean()), rel=1e-5)
    spread = float(found.std()) / math.sqrt(10)
    assert report["standard_error"] == pytest.approx(spread, rel=1e-4)
    assert report["published_mse"] == 0.0070
    assert f"{report['test_mse']:.5f} ± {report['standard_error']:.5f}" in text
    assert (tmp_path / "curve.png").stat().st_size > 10_000


def test_straight_lines_are_learned(root: str, tmp_path: Path) -> None:
    """The network of one parameter finds the least squares."""
    chosen = {"num_train": 40, "num_val": 10, "batch_size": 40}
    settings = particle_settings("linear", epochs=200, lr=0.01, **chosen)
    fit(root, tmp_path, settings)
    found = load_checkpoint(tmp_path / LAST)["state_dict"]["network.time"]
    training = particle_data(root, settings, 10).subset("train")
    vel = training.extra["vel"]
    moved = training.labels["position"] - training.pos
    duration = (moved * vel).sum() / vel.square().sum()
    torch.testing.assert_close(found, duration.view(1), rtol=1e-3, atol=0)
    curve = [
        row["val_mse"]
        for row in read_curve(tmp_path / CURVE).values()
        if "val_mse" in row
    ]
    assert len(curve) == 40


def test_the_best_of_the_validations_is_tested(root: str, tmp_path: Path) -> None:
    fit(root, tmp_path, small("mpnn", epochs=30, lr=0.03))
    curve = read_curve(tmp_path / CURVE)
    errors = {
        row["epoch"]: row["val_mse"] for row in curve.values() if "val_mse" in row
    }
    best = min(errors, key=lambda epoch: errors[epoch])
    assert load_checkpoint(tmp_path / BEST)["epoch"] == best
    assert json.loads((tmp_path / "report.json").read_text())["best_epoch"] == best + 1


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_stopped_run_goes_on_as_it_was(root: str, tmp_path: Path, ema: float) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    fit(root, whole, small("segnn", epochs=10, ema=ema))
    fit(root, halves, small("segnn", epochs=5, ema=ema))
    fit(root, halves, small("segnn", epochs=10, ema=ema), resume=True)
    states = [
        load_checkpoint(folder / LAST)["state_dict"] for folder in (whole, halves)
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    curves = [read_curve(folder / CURVE) for folder in (whole, halves)]
    assert curves[0] == curves[1]


def test_time_goes_on_where_it_stopped(root: str, tmp_path: Path) -> None:
    def seconds() -> float:
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["epochs"] == epochs
        assert report["processor_seconds"] > 0
        return float(report["wall_seconds"])

    epochs = 5
    fit(root, tmp_path, small("egnn", epochs=5))
    first = seconds()
    checkpoint = torch.load(tmp_path / LAST, weights_only=False)
    checkpoint["callbacks"]["Clock"]["wall_seconds"] += 100
    torch.save(checkpoint, tmp_path / LAST)
    epochs = 10
    fit(root, tmp_path, small("egnn", epochs=10), resume=True)
    assert 100 + first < seconds() < 200 + first


@pytest.mark.slow
def test_compiled_steps_learn_the_same(root: str, tmp_path: Path) -> None:
    settings = small("egnn", epochs=5)
    errors = []
    for compiled in (False, True):
        folder = tmp_path / str(compiled)
        with closing(MotionRun(folder, settings)) as run:
            data = particle_data(root, settings, num_test=10)
            run.fit(data, compiled=compiled, **QUIET)
            run.test(data, **QUIET)
        errors.append(np.load(folder / "errors.npy"))
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-3)


def test_a_run_is_not_overwritten(root: str, tmp_path: Path) -> None:
    fit(root, tmp_path, small("egnn", epochs=1))
    with pytest.raises(FileExistsError, match="--resume"):
        MotionRun(tmp_path, small("egnn", epochs=1))
    with pytest.raises(ValueError, match=r"lr 0\.0005 \(now 0\.1\)"):
        MotionRun(tmp_path, small("egnn", epochs=1, lr=0.1), resume=True)


def test_a_run_without_weights_is_told_so(root: str, tmp_path: Path) -> None:
    settings = small("egnn")
    run = MotionRun(tmp_path, settings)
    with closing(run), pytest.raises(FileNotFoundError, match="more time"):
        run.test(particle_data(root, settings, num_test=10), **QUIET)


def test_nobodys_random_numbers_are_used_up(root: str, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    fit(root, tmp_path, small("egnn", epochs=1))
    assert torch.equal(torch.get_rng_state(), before)
