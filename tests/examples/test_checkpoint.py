"""A checkpoint is whole or not there."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from training import checkpoint as module
from training.checkpoint import AtomicCheckpointIO, RandomState, load_checkpoint


def test_a_failed_write_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "last.ckpt"
    io = AtomicCheckpointIO()
    io.save_checkpoint({"step": 1}, path)

    def half(value, file) -> None:
        file.write(b"PK")
        raise OSError("no space left on device")

    monkeypatch.setattr(module.torch, "save", half)
    with pytest.raises(OSError, match="no space"):
        io.save_checkpoint({"step": 2}, path)
    monkeypatch.undo()
    assert load_checkpoint(path) == {"step": 1}
    io.save_checkpoint({"step": 3}, path)
    assert io.load_checkpoint(path) == {"step": 3}
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_only_plain_values_are_read(tmp_path: Path) -> None:
    path = tmp_path / "bad.ckpt"
    torch.save({"x": Path("/")}, path)
    with pytest.raises(Exception, match="Weights only load failed"):
        load_checkpoint(path)


def test_random_numbers_go_on(tmp_path: Path) -> None:
    def draw() -> list[float]:
        return [float(torch.rand(())), float(np.random.randn()), random.random()]

    before = RandomState()
    path = tmp_path / "random.pt"
    np.random.randn()  # an odd number of draws leaves a second one waiting
    torch.save(before.state_dict(), path)
    expected = draw()
    after = RandomState()
    after.load_state_dict(load_checkpoint(path))
    draw()
    after.on_train_batch_start()
    assert draw() == expected
    after.on_train_batch_start()
    assert draw() != expected
