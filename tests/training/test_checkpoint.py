"""A checkpoint is whole or not there."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyg_equivariant.training import checkpoint as module
from pyg_equivariant.training.checkpoint import (
    BEST,
    LAST,
    AtomicCheckpointIO,
    RandomState,
    load_checkpoint,
    load_run,
)


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
    with pytest.raises(OSError, match=r"last\.ckpt could not be written \(no space"):
        io.save_checkpoint({"step": 2}, path)
    monkeypatch.undo()
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]
    assert load_checkpoint(path) == {"step": 1}
    io.save_checkpoint({"step": 3}, path)
    assert io.load_checkpoint(path) == {"step": 3}
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


class Payload:
    """What a pickle may do to those who load it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    path, target = tmp_path / LAST, tmp_path / "ran"
    state = {"state_dict": {}, "hyper_parameters": {}, "global_step": 1}
    torch.save({**state, "x": Payload(target)}, path)
    torch.load(path, weights_only=False)
    assert target.is_file()
    target.unlink()
    for load in (load_checkpoint, load_run, AtomicCheckpointIO().load_checkpoint):
        with pytest.raises(
            ValueError, match="such as code, which did not run"
        ) as error:
            load(path)
        assert "\n" not in str(error.value)
    path.write_bytes(pickle.dumps(Payload(target)))
    with pytest.raises(ValueError, match="such as code, which did not run"):
        load_checkpoint(path)
    assert not target.exists()


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_a_part_of_a_checkpoint_is_noticed(tmp_path: Path, part: float) -> None:
    path = tmp_path / LAST
    torch.save({"x": torch.rand(1000)}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ValueError, match=r"last\.ckpt .*delete it to begin") as error:
        load_checkpoint(path)
    assert "\n" not in str(error.value)
    (tmp_path / BEST).touch()
    with pytest.raises(ValueError, match=r"copy .*best\.ckpt over it"):
        load_checkpoint(path)
    with pytest.raises(ValueError, match=r"best\.ckpt .*take another checkpoint"):
        load_checkpoint(tmp_path / BEST)


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*weights\.pt"):
        load_run(path)
    torch.save({"state_dict": {}, "global_step": 1}, path)
    with pytest.raises(ValueError, match="of a run: it lacks hyper_parameters"):
        load_run(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="it holds a list, expected a dictionary"):
        load_run(path)


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
