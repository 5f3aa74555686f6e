"""Epochs that fit into a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pyg_equivariant.training import budget
from pyg_equivariant.training.splits import Split


@pytest.mark.parametrize("count", [950, 20])
def test_epochs_by_the_time_of_a_structure(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start of 7 s, and 10 ms for each structure; validation counts half."""
    asked = []

    def fit(folder: Path, split: Split, epochs: int, **_: Any) -> None:
        asked.append((len(split.train), epochs))
        clock.append(clock[-1] + 7 + 0.01 * len(split.train) * epochs)

    clock = [0.0]
    monkeypatch.setattr(budget, "fit", fit)
    monkeypatch.setattr(budget.time, "process_time", lambda: clock[-1])
    split = Split(torch.arange(count), torch.arange(50), torch.arange(1000))
    found = budget.epochs_within(97.5, split, data="x")
    few, more = min(count, 50), min(count, 150)
    assert asked == [(few, 1), (few, 1), (more, 1)]
    assert found == (10 if count == 950 else 21_666)


def test_no_time_is_one_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "fit", lambda **_: print("not to be seen"))
    split = Split(*(torch.arange(5),) * 3)
    assert budget.epochs_within(0.0, split) == 1


def test_a_training_is_silent(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(budget, "fit", lambda **_: print("not to be seen"))
    assert budget.processor_time(tmp_path) >= 0
    assert capsys.readouterr().out == ""
