"""A run that was stopped and resumed is the run that was not stopped."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch

from pyg_equivariant.training.checkpoint import BEST, LAST, load_checkpoint
from pyg_equivariant.training.choices import choose_settings
from pyg_equivariant.training.curve import CURVE, read_curve
from pyg_equivariant.training.own_data import divide, open_data
from pyg_equivariant.training.qm9.data import QM9Molecules
from pyg_equivariant.training.qm9.presets import settle
from pyg_equivariant.training.resume import SETTINGS
from pyg_equivariant.training.run import Run
from pyg_equivariant.training.settings import Settings

CPU = {"accelerator": "cpu", "devices": 1}
STEPS = 5  # of an epoch: 100 molecules, 20 at once


class PowerFailureError(Exception):
    """What stands in for the loss of power."""


class Stop(L.Callback):
    """Give up at a step, or at the end of an epoch, without any farewell."""

    def __init__(self, step: int, hook: str = "on_train_batch_end") -> None:
        self.step = step
        setattr(self, hook, self._stop)

    def _stop(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise PowerFailureError


class Noise(L.Callback):
    """Random numbers in every step, which have to go on as they were."""

    def on_after_backward(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        for parameter in task.parameters():
            chance = random.random() * np.random.rand()
            parameter.grad += 1e-3 * chance * torch.randn_like(parameter)


def make(preset: str, **chosen: Any) -> Settings:
    network = {"hidden_channels": 8, "num_layers": 1}
    chosen = {"batch_size": 20, "num_train": 100, "num_val": 10, **chosen}
    return settle("schnet", "U0", preset, network, epochs=3, **chosen)


def fit(
    folder: Path, root: Path, settings: Settings, every: int, *stop: L.Callback
) -> dict[str, Any]:
    run = Run(folder, settings, resume=True, callbacks=[Noise(), *stop])
    run.fit(QM9Molecules(root, settings), checkpoint_every=every, **CPU)
    return load_checkpoint(folder / LAST)


def same(a: Any, b: Any, path: str = "") -> None:
    """Equal to the last bit, all through."""
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            same(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), path
        for i, pair in enumerate(zip(a, b, strict=True)):
            same(*pair, f"{path}/{i}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    else:
        assert a == b, path


def assert_same_run(a: Path, b: Path) -> None:
    one, other = load_checkpoint(a / LAST), load_checkpoint(b / LAST)
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step"):
        same(one[key], other[key], key)
    for key in ("current_model_state", "averaging_state", "plateau"):
        same(one.get(key), other.get(key), key)
    same(one["callbacks"]["RandomState"], other["callbacks"]["RandomState"], "random")
    same(
        load_checkpoint(a / BEST)["state_dict"],
        load_checkpoint(b / BEST)["state_dict"],
        "best",
    )
    assert read_curve(a / CURVE) == read_curve(b / CURVE)


PRESETS = {
    "plateau": make("painn", ema=0.9, clip=1.0),
    "cosine": make("egnn"),
    "steps": make("segnn", patience=50),
}


@pytest.fixture(scope="module")
def whole(qm9_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The runs that nobody stopped."""
    folders = {}
    for name, settings in PRESETS.items():
        folders[name] = tmp_path_factory.mktemp(name)
        fit(folders[name], qm9_root, settings, 2)
    return folders


def test_a_run_leaves_its_curve_and_its_checkpoints(whole: dict[str, Path]) -> None:
    rows = read_curve(whole["plateau"] / CURVE)
    assert sorted(rows) == list(range(3 * STEPS))
    assert all({"loss", "lr", "train_mae_meV"} <= row.keys() for row in rows.values())
    validated = [step for step, row in rows.items() if "val_mae_meV" in row]
    assert validated == [4, 9, 14]
    assert load_checkpoint(whole["plateau"] / LAST)["global_step"] == 3 * STEPS


@pytest.mark.parametrize(
    ("preset", "step"),
    [
        *(("plateau", step) for step in (1, 3, 5, 6, 8, 10, 13)),
        *(("cosine", 3), ("cosine", 6), ("steps", 8), ("steps", 13)),
    ],
)
def test_stopped_after_a_step(
    whole: dict[str, Path], qm9_root: Path, tmp_path: Path, preset: str, step: int
) -> None:
    settings = PRESETS[preset]
    with pytest.raises(PowerFailureError):
        fit(tmp_path, qm9_root, settings, 2, Stop(step))
    fit(tmp_path, qm9_root, settings, 2)
    assert_same_run(whole[preset], tmp_path)


@pytest.mark.parametrize(
    ("preset", "hook"),
    [
        ("plateau", "on_validation_start"),
        ("plateau", "on_validation_end"),
        ("plateau", "on_train_epoch_end"),
        ("cosine", "on_validation_end"),
    ],
)
def test_stopped_around_a_validation(
    whole: dict[str, Path], qm9_root: Path, tmp_path: Path, preset: str, hook: str
) -> None:
    settings = PRESETS[preset]
    with pytest.raises(PowerFailureError):
        fit(tmp_path, qm9_root, settings, 2, Stop(10, hook))
    fit(tmp_path, qm9_root, settings, 2)
    assert_same_run(whole[preset], tmp_path)


def test_stopped_three_times(
    whole: dict[str, Path], qm9_root: Path, tmp_path: Path
) -> None:
    settings = PRESETS["plateau"]
    for step in (4, 9, 12):
        with pytest.raises(PowerFailureError):
            fit(tmp_path, qm9_root, settings, 3, Stop(step))
    fit(tmp_path, qm9_root, settings, 3)
    assert_same_run(whole["plateau"], tmp_path)


def test_the_best_checkpoint_stands_in_for_the_last(
    qm9_root: Path, tmp_path: Path
) -> None:
    settings = PRESETS["cosine"]
    with pytest.raises(PowerFailureError):
        fit(tmp_path, qm9_root, settings, 2, Stop(13))
    last, best = tmp_path / LAST, tmp_path / BEST
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"last\.ckpt is not whole .*; copy .*best"):
        fit(tmp_path, qm9_root, settings, 2)
    shutil.copy(best, last)
    assert fit(tmp_path, qm9_root, settings, 2)["global_step"] == 3 * STEPS
    assert sorted(read_curve(tmp_path / CURVE)) == list(range(3 * STEPS))


@pytest.mark.parametrize("text", ["", "{", "{}", "[]"])
def test_settings_that_are_lost_are_named(
    qm9_root: Path, tmp_path: Path, text: str
) -> None:
    settings = PRESETS["cosine"]
    with pytest.raises(PowerFailureError):
        fit(tmp_path, qm9_root, settings, 2, Stop(3))
    (tmp_path / SETTINGS).write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"settings\.json does not tell") as error:
        Run(tmp_path, settings, resume=True)
    assert "\n" not in str(error.value)


def test_a_potential_goes_on_where_it_stopped(structures, tmp_path: Path) -> None:
    """With stress, averaged weights, clipped gradients, and no published division."""

    def run(folder: Path, *stop: L.Callback) -> None:
        settings = choose_settings(training, "painn", **chosen)
        run = Run(folder, settings, resume=True, callbacks=[Noise(), *stop])
        run.fit(open_data(divided, settings), checkpoint_every=2, **CPU)

    divided = divide(structures(50, crystals=25))
    training = divided.structures.select(divided.split.train)
    network = {"hidden_channels": 8, "num_layers": 1}
    chosen: dict[str, Any] = {"network": network, "epochs": 3, "cutoff": 3.0}
    chosen |= {"ema": 0.9, "clip": 1.0, "batch_size": 8}
    run(tmp_path / "whole")
    for step in (3, 5, 11):
        with pytest.raises(PowerFailureError):
            run(tmp_path / "parts", Stop(step))
    run(tmp_path / "parts")
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
