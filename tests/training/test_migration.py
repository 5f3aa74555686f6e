"""Checkpoints and folders of earlier runs, which all were of QM9, still serve."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import ase
import ase.io
import predict
import pytest
import torch

from pyg_equivariant.nn import TFN
from pyg_equivariant.training.checkpoint import (
    BEST,
    AtomicCheckpointIO,
    load_checkpoint,
)
from pyg_equivariant.training.qm9.data import QM9Molecules
from pyg_equivariant.training.qm9.presets import settle
from pyg_equivariant.training.qm9.targets import TARGETS
from pyg_equivariant.training.run import Run
from pyg_equivariant.training.settings import Settings
from pyg_equivariant.training.tasks import load_task

# settings.json, and what a checkpoint held, before checkpoints held their target
SETTINGS: dict[str, Any] = {
    **{"model": "tfn", "target": "U0", "preset": "tfn", "split": "cormorant"},
    **{"num_train": None, "num_val": None, "seed": 0, "epochs": 1, "batch_size": 32},
    **{"optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0},
    **{"schedule": "cosine to a tenth", "loss": "l1", "ema": 0.0, "clip": 0.0},
    **{"patience": 0, "cutoff": 5.0, "head": "sum", "references": True},
    "network": {"cutoff": 5.0, "hidden_channels": 4, "num_layers": 1},
}
SCALING = {"mean": -0.5, "scale": 2.0, "atomref": [0.1 * z for z in range(100)]}


def settled() -> Any:
    network = {"hidden_channels": 4, "num_layers": 1}
    return settle("tfn", "U0", network=network, epochs=1)


def test_the_same_flags_make_the_same_settings() -> None:
    """Else a run of before could not be resumed."""
    assert Settings(**SETTINGS) == settled()


def test_an_old_checkpoint_predicts(tmp_path: Path) -> None:
    network = TFN(**SETTINGS["network"], avg_num_neighbors=7.0, atomref=torch.ones(100))
    told = {"network": {**SETTINGS["network"], "avg_num_neighbors": 7.0}}
    weights = {f"network.{k}": v for k, v in network.state_dict().items()}
    old = {
        "hyper_parameters": {"settings": {**SETTINGS, **told}, "scaling": SCALING},
        "state_dict": weights,
        "global_step": 0,
    }
    with pytest.raises(TypeError, match="target"):
        load_task(old)
    task = load_task(old, TARGETS["U0"])
    assert (task.target.unit, task.target.factor) == ("meV", 1000.0)
    assert all(torch.equal(task.state_dict()[name], w) for name, w in weights.items())

    AtomicCheckpointIO().save_checkpoint(old, tmp_path / "old.ckpt")
    water = ase.Atoms("OH2", [[0.0, 0.0, 0.1], [0.0, 0.8, -0.5], [0.0, -0.8, -0.5]])
    ase.io.write(tmp_path / "water.xyz", water)
    paths = [tmp_path / name for name in ("old.ckpt", "water.xyz", "out.csv")]
    predict.main([str(paths[0]), str(paths[1]), "--out", str(paths[2])])
    formula, atomization, _ = paths[2].read_text("utf-8").splitlines()[1].split(",")
    z, pos = torch.tensor([8, 1, 1]), torch.from_numpy(water.positions).float()
    value = 1000 * float(network(z, pos).detach())
    assert (formula, float(atomization)) == ("H2O", pytest.approx(value, rel=1e-5))


def test_an_old_folder_is_taken_up(qm9_root: Path, tmp_path: Path) -> None:
    data = QM9Molecules(qm9_root, settled())
    run = Run(tmp_path, settled())
    run.fit(data, accelerator="cpu")
    report = run.test(data, accelerator="cpu")
    for path in tmp_path.glob("*.ckpt"):
        checkpoint = load_checkpoint(path)
        assert checkpoint["hyper_parameters"].pop("target") == asdict(TARGETS["U0"])
        del checkpoint["hyper_parameters"]["species"]
        assert checkpoint["hyper_parameters"].keys() == {"settings", "scaling"}
        AtomicCheckpointIO().save_checkpoint(checkpoint, path)
    again = Run(tmp_path, settled(), resume=True)
    again.fit(data, accelerator="cpu")
    assert again.test(data, accelerator="cpu") == report
    assert "target" not in load_checkpoint(tmp_path / BEST)["hyper_parameters"]
