"""What trains knows no data set: another one is molecules, a split and a target."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch

from pyg_equivariant.training.data import StructureData, Target
from pyg_equivariant.training.flags import add_flags, chosen, train
from pyg_equivariant.training.settings import Settings
from pyg_equivariant.training.splits import Split
from pyg_equivariant.training.structures import Structures

ENGINE = Path(__file__).resolve().parents[2] / "pyg_equivariant" / "training"


@pytest.mark.parametrize("path", ENGINE.glob("[!_]*.py"), ids=lambda path: path.stem)
def test_no_module_names_a_data_set(path: Path) -> None:
    assert "qm9" not in path.read_text("utf-8").lower()


def springs(settings: Settings, num_workers: int = 0) -> StructureData:
    """Pairs of atoms on springs: energies of their lengths."""
    pos = torch.randn(120, 3)
    length = (pos[::2] - pos[1::2]).norm(dim=-1)
    sizes = torch.full((60,), 2)
    molecules = Structures(
        torch.ones(120).long(), pos, sizes, {"energy": (length - 1).square()}
    )
    split = Split(*torch.arange(60).split([40, 10, 10]))
    target = Target("springs", "energy", "meV", 1000.0)
    return StructureData(molecules, split, target, settings, num_workers)


def test_another_data_set_trains(tmp_path: Path, capsys) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, "none")
    words = ["--accelerator", "cpu", "--epochs", "2", "--num-layers", "1"]
    flags = parser.parse_args([*words, "--folder", str(tmp_path)])
    assert chosen(flags)["epochs"] == 2
    assert chosen(flags)["network"] == {"num_layers": 1}
    settings = Settings(
        model="painn",
        target="energy",
        preset="none",
        split="thirds",
        num_train=None,
        num_val=None,
        seed=0,
        epochs=2,
        batch_size=8,
        optimizer="adam",
        lr=1e-3,
        weight_decay=0.0,
        schedule="cosine",
        loss="l1",
        ema=0.0,
        clip=0.0,
        patience=0,
        cutoff=5.0,
        head="sum",
        references=False,
        network={"hidden_channels": 8, "num_layers": 1},
    )
    train(flags, settings, springs)
    out = capsys.readouterr().out
    assert "painn on energy of springs, split thirds, 10 test structures" in out
    assert "published       not listed" in out
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert (report["unit"], report["published_mae"]) == ("meV", None)
