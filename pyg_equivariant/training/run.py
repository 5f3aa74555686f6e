"""A run from its settings to its report, in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from pyg_equivariant.networks import find_network
from pyg_equivariant.nn import save_model

from .callbacks import run_callbacks
from .checkpoint import BEST, LAST, LastCheckpoint, load_run
from .console import show
from .curve import CurveLogger
from .data import StructureData
from .devices import on_devices
from .folder_lock import FolderLock
from .outcome import write_outcome
from .resume import check_resumable, read_settings, write_settings
from .settings import Settings
from .task import Task
from .tasks import load_task, make_task
from .warm_start import warm_start

MODEL = "model.pt"


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
        longer = check_resumable(read_settings(self.folder), self.settings)
        if longer and _is_first():
            print(longer)

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
        progress: bool = True,
        **flags: Any,
    ) -> Task:
        """Train; ``flags`` are those of Lightning's ``Trainer`` for devices."""
        L.seed_everything(self.settings.seed, verbose=False)
        settings, scaling = self._complete(data), data.scaling()
        task = make_task(settings, scaling, data.target, data.species())
        if settings.init is not None and self.last is None:
            task = warm_start(task, settings.init, data)
        steps = -(-len(data.table("train")) // self.settings.batch_size)
        trainer = L.Trainer(
            max_epochs=self.settings.epochs,
            max_time=max_time,
            gradient_clip_val=self.settings.clip or None,
            enable_progress_bar=progress,
            enable_model_summary=progress,
            callbacks=[
                *show(progress),
                *run_callbacks(self.folder, self.settings, task.monitor),
                *self.callbacks,
                LastCheckpoint(self.folder, checkpoint_every),
            ],
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
            write_settings(self.folder, self.settings)
        trainer.fit(task, data, ckpt_path=self.last)
        return task

    def test(
        self, data: StructureData, progress: bool = True, **flags: Any
    ) -> str | None:
        """Test the best weights, write the report and the model; the report's text.

        Other processes than the first return ``None``.
        """
        checkpoint = load_run(self.folder / BEST)
        task = load_task(checkpoint, data.target)
        trainer = L.Trainer(
            callbacks=list(show(progress)),
            enable_progress_bar=progress,
            logger=False,
            enable_checkpointing=False,
            use_distributed_sampler=False,
            **on_devices(**flags),
        )
        trainer.test(task, data, verbose=False)
        if not trainer.is_global_zero:
            return None
        save_model(task.network, self.folder / MODEL, task.card())
        best = {"best_epoch": checkpoint["epoch"]}
        best["best_step"] = checkpoint["global_step"]
        best["num_train"] = len(data.split.train)
        text = write_outcome(self.folder, self.settings, task, data, best)
        return f"{text}\n  the network     {self.folder / MODEL}"

    def _complete(self, data: StructureData) -> Settings:
        """The settings, with what only the training set tells."""
        names = find_network(self.settings.model).from_training_set
        told = {name: getattr(data, name)() for name in names}
        return replace(self.settings, network={**told, **self.settings.network})


def _is_first() -> bool:
    return getattr(rank_zero_only, "rank", 0) == 0
