"""Every row of the table of charged particles trains in one script."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbody
import pytest

from pyg_equivariant.networks import PARTICLE_NETWORKS
from pyg_equivariant.training.motion import particle_data, particle_settings


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where few trajectories are kept."""
    return tmp_path_factory.mktemp("nbody")


@pytest.mark.parametrize("model", PARTICLE_NETWORKS)
def test_a_row_is_trained_and_resumed(
    model: str, root: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = f"--model {model} --root {root} --folder {tmp_path} --num-train 20"
    flags += " --num-val 5 --num-test 5 --batch-size 10 --ema 0.9"
    if model != "linear":
        width = 3 if model in ("tfn", "se3_transformer") else 8
        flags += f" --hidden-channels {width} --num-layers 2"
    for more in ("--epochs 1", "--epochs 2 --resume"):
        monkeypatch.setattr(sys, "argv", ["nbody.py", *flags.split(), *more.split()])
        nbody.main()
    out = capsys.readouterr().out
    assert f"{PARTICLE_NETWORKS[model].title} on charged particles, 5 test" in out
    assert "1 epochs become 2" in out
    assert json.loads((tmp_path / "report.json").read_text())["model"] == model


def test_larger_systems_have_nothing_published(
    root: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = f"--model egnn --root {root} --folder {tmp_path} --num-train 4 --num-val 2"
    flags += " --num-test 2 --batch-size 2 --hidden-channels 4 --num-layers 1"
    flags += " --epochs 1"
    for more in ("--num-particles 7", "--num-particles 8 --resume"):
        monkeypatch.setattr(sys, "argv", ["nbody.py", *flags.split(), *more.split()])
        if "8" in more:
            with pytest.raises(ValueError, match=r"split 7 particles \(now 8"):
                nbody.main()
        else:
            nbody.main()
    assert "published" not in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["published_mse"] is None
    settings = particle_settings("egnn", num_train=4, num_val=2)
    data = particle_data(str(root), settings, num_test=2, num_particles=7)
    assert data.structures.sizes.tolist() == [7] * 8
