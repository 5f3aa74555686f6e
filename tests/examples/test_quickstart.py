"""The example of the first minute, in some seconds."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import quickstart
import torch
from torch_geometric.loader import DataLoader

from pyg_equivariant.datasets import ChargedNBody
from pyg_equivariant.nn.particles import ParticleSEGNN


def test_it_learns_and_is_equivariant(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = tmp_path / "figure.png"
    flags = (
        f"--root {tmp_path} --num-train 100 --num-valid 20 --num-test 20 --epochs 12"
    )
    monkeypatch.setattr(
        sys, "argv", ["quickstart.py", *flags.split(), "--figure", str(figure)]
    )
    quickstart.main()
    out = capsys.readouterr().out
    straight = float(re.findall(r"straight on: test error (\S+)", out)[0])
    tested = re.findall(r"test error, 20 systems: (\S+) ± (\S+)", out)[0]
    assert float(tested[0]) < 2 * straight
    assert 0 < float(tested[1]) < float(tested[0])
    found = re.findall(r"(?:rotation|reflection|translation) (\S+?)(?:,|\n)", out)
    assert len(found) == 3
    assert all(float(error) < 1e-4 for error in found)
    assert figure.stat().st_size > 10_000


def test_the_averaged_weights_that_validate_best_are_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    systems = ChargedNBody(str(tmp_path), num_samples=20)
    valid = quickstart.as_one(systems)
    network = ParticleSEGNN(hidden_channels=8, num_layers=1)
    curve = quickstart.train(network, DataLoader(systems, 10), valid, epochs=4)
    assert [epoch for epoch, _ in curve] == [0, 1, 2, 3, 4]
    best = min(error for _, error in curve[1:])
    found = float(quickstart.squared_errors(network, valid).mean())
    assert found == pytest.approx(best, rel=1e-5)
