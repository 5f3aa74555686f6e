"""Checkpoints that are whole or not there, and from which a run goes on as it was."""

from __future__ import annotations

import random
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO

from pyg_equivariant.files import first_line, whole_file

BEST = "best.ckpt"
LAST = "last.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside its place, then move it there in one step.

    Lightning writes to the system's folder for temporary files and moves the file from
    there: where that folder is another file system, the move is a copy, and a process
    killed during it leaves half a checkpoint in place of the whole one before it. It
    does not wait for the disk, either. See :func:`pyg_equivariant.files.whole_file`.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any | None = None,
    ) -> None:
        with whole_file(path) as partial, partial.open("wb") as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        return load_checkpoint(path, map_location or "cpu")


def load_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint, in which nothing but tensors and plain values is allowed.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not whole, or holds something else, such as code, which does
            not run.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        state = torch.load(path, map_location=map_location, weights_only=True)
    except UnpicklingError as error:
        raise ValueError(
            f"{path} was not read: it is damaged, or holds more than the tensors and "
            "plain values of a checkpoint, such as code, which did not run; "
            f"{_way_out(path)}"
        ) from error
    except (RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{path} is not whole ({first_line(error)}); {_way_out(path)}"
        ) from error
    if not isinstance(state, dict):
        raise ValueError(
            f"{path} is no checkpoint: it holds a {type(state).__name__}, expected a "
            f"dictionary; {_way_out(path)}"
        )
    return state


def load_run(path: str | Path) -> dict[str, Any]:
    """Read the checkpoint of a run.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it cannot be read, or is none of a run.
    """
    checkpoint = load_checkpoint(path)
    missing = {"state_dict", "hyper_parameters", "global_step"} - checkpoint.keys()
    if missing:
        raise ValueError(
            f"{path} is no checkpoint of a run: it lacks {', '.join(sorted(missing))}; "
            f"{_way_out(Path(path))}"
        )
    return checkpoint


def _way_out(path: Path) -> str:
    best = path.with_name(BEST)
    if path.name == LAST and best.is_file():
        return (
            f"copy {best} over it to go on from the best epoch so far, or delete it to "
            "begin anew"
        )
    if path.name == LAST:
        return "delete it to begin anew"
    return "take another checkpoint, such as the last.ckpt of the same run"


class LastCheckpoint(Checkpoint):
    """Keep the state of the run in one file, after some steps and after each epoch.

    ``ModelCheckpoint`` cannot do both; it also saves after the last step of an epoch,
    before the validation, which a run that resumes from there would leave out. What has
    been logged is written first, so that no part of the curve is lost.

    Args:
        folder: where ``last.ckpt`` is kept.
        every_n_steps: how many steps lie between two checkpoints of an epoch.
        every_n_epochs: after how many epochs there is one (default: 1).
    """

    def __init__(
        self, folder: str | Path, every_n_steps: int, every_n_epochs: int = 1
    ) -> None:
        self.path = Path(folder) / LAST
        self.every_n_steps = every_n_steps
        self.every_n_epochs = every_n_epochs

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        due = trainer.global_step % self.every_n_steps == 0
        if due and not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        for logger in trainer.loggers:
            logger.save()
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.flush()
        trainer.save_checkpoint(self.path, weights_only=False)


class RandomState(L.Callback):
    """Keep the state of all random numbers, of every process, in the checkpoints.

    Lightning does not. The state is put back just before the first step, after all
    that only the beginning of a run draws.
    """

    def __init__(self) -> None:
        self._restored: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        own = _random_state()
        if not _distributed():
            return {"0": own}
        states: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(states, own)
        return {str(rank): state for rank, state in enumerate(states)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        rank = torch.distributed.get_rank() if _distributed() else 0
        self._restored = state_dict.get(str(rank))

    def on_train_batch_start(self, *_: Any) -> None:
        if self._restored is not None:
            _set_random_state(self._restored)
            self._restored = None


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _random_state() -> dict[str, Any]:
    state: Any = np.random.get_state(legacy=True)
    kind, keys, position, has_gauss, cached = state
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": [kind, keys.tolist(), position, has_gauss, cached],
        "python": random.getstate(),
    }


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    random.setstate(state["python"])
