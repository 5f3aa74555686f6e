"""A run from its settings to its report, in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from pyg_equivariant.networks import find_network

from .checkpoint import BEST, LAST, LastCheckpoint, RandomState, load_run
from .console import ProgressBar
from .curve import CurveLogger
from .data import StructureData
from .devices import on_devices
from .files import FolderLock, first_line, whole_file
from .outcome import write_outcome
from .settings import Settings
from .task import Task
from .tasks import load_task, make_task

SETTINGS = "settings.json"


class Run:
    """Train, test and report in one folder.

    Args:
        folder: of this run: settings, checkpoints, logs, report.
        settings: what is computed.
        resume: go on from the last checkpoint of the folder, if there is one.
        callbacks: further ones for the training.

    Raises:
        FileExistsError: if the folder holds a run that is not to be resumed, or that
            another process is carrying out.
        ValueError: if it holds a run with other settings, or one that cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        resume: bool = False,
        callbacks: Sequence[L.Callback] = (),
    ) -> None:
        self.folder = folder
        self.callbacks = callbacks
        self.settings = settings
        self._lock = FolderLock(folder) if _is_first() else None
        self.last: Path | None = None
        self.first_step = 0
        try:
            self._find(folder / LAST, resume)
        except BaseException:
            self.close()
            raise

    def _find(self, last: Path, resume: bool) -> None:
        """Find the run to go on with, if there is one."""
        if not last.is_file():
            return
        if not resume:
            raise FileExistsError(
                f"{self.folder} holds a run; --resume goes on with it, --folder names "
                "another place"
            )
        self.last = last
        self.first_step = int(load_run(last)["global_step"])
        _check_same(_read_settings(self.folder / SETTINGS), self.settings)

    def close(self) -> None:
        """Leave the folder to others."""
        if self._lock is not None:
            self._lock.release()

    def fit(
        self,
        data: StructureData,
        max_time: str | None = None,
        checkpoint_every: int = 500,
        profiler: str | None = None,
        **flags: Any,
    ) -> Task:
        """Train; ``flags`` are those of Lightning's ``Trainer`` for devices."""
        L.seed_everything(self.settings.seed, verbose=False)
        settings, scaling = self._complete(data), data.scaling()
        task = make_task(settings, scaling, data.target, data.species())
        steps = -(-len(data.table("train")) // self.settings.batch_size)
        trainer = L.Trainer(
            max_epochs=self.settings.epochs,
            max_time=max_time,
            gradient_clip_val=self.settings.clip or None,
            callbacks=self._callbacks(task, checkpoint_every),
            logger=[
                CurveLogger(self.folder, self.first_step),
                TensorBoardLogger(self.folder, name="", version="tensorboard"),
            ],
            log_every_n_steps=max(1, steps // 20),
            num_sanity_val_steps=0,
            profiler=profiler,
            use_distributed_sampler=False,
            **on_devices(**flags),
        )
        if trainer.is_global_zero:
            text = json.dumps(asdict(self.settings), indent=2)
            with whole_file(self.folder / SETTINGS) as partial:
                partial.write_text(text + "\n", encoding="utf-8")
        trainer.fit(task, data, ckpt_path=self.last)
        return task

    def test(self, data: StructureData, **flags: Any) -> str | None:
        """Test the best weights and write the report; its text, on one process."""
        checkpoint = load_run(self.folder / BEST)
        task = load_task(checkpoint, data.target)
        trainer = L.Trainer(
            callbacks=[ProgressBar()],
            logger=False,
            enable_checkpointing=False,
            use_distributed_sampler=False,
            **on_devices(**flags),
        )
        trainer.test(task, data, verbose=False)
        if not trainer.is_global_zero or not task.tested:
            return None
        best = {"best_epoch": checkpoint["epoch"]}
        best["best_step"] = checkpoint["global_step"]
        return write_outcome(self.folder, self.settings, task, data, best)

    def _complete(self, data: StructureData) -> Settings:
        """The settings, with what only the training set tells."""
        names = find_network(self.settings.model).from_training_set
        told = {name: getattr(data, name)() for name in names}
        return replace(self.settings, network={**self.settings.network, **told})

    def _callbacks(self, task: Task, checkpoint_every: int) -> list[L.Callback]:
        monitor = task.monitor
        callbacks: list[L.Callback] = [
            ProgressBar(),
            RandomState(),
            ModelCheckpoint(
                self.folder,
                filename=Path(BEST).stem,
                monitor=monitor,
                save_on_train_epoch_end=False,
                enable_version_counter=False,
            ),
        ]
        if self.settings.ema:
            callbacks.append(
                EMAWeightAveraging(decay=self.settings.ema, use_buffers=False)
            )
        if self.settings.patience:
            callbacks.append(
                EarlyStopping(
                    monitor,
                    patience=self.settings.patience,
                    check_on_train_epoch_end=False,
                )
            )
        last = LastCheckpoint(self.folder, checkpoint_every)
        return [*callbacks, *self.callbacks, last]


def _is_first() -> bool:
    return getattr(rank_zero_only, "rank", 0) == 0


def _read_settings(path: Path) -> Settings:
    try:
        return Settings(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} does not tell the settings of the run to be resumed "
            f"({first_line(error)}); put it back, or name another folder with --folder"
        ) from error


def _check_same(saved: Settings, settings: Settings) -> None:
    others = saved.differences(settings)
    if others:
        listed = ", ".join(f"{key} {a} (now {b})" for key, (a, b) in others.items())
        raise ValueError(
            f"the run to be resumed has other settings: {listed}; repeat its flags, or "
            "name another folder with --folder"
        )
