"""A run on charged particles, from its settings to its report, in a folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.utilities.seed import isolate_rng

from pyg_equivariant.nn import save_model

from ..callbacks import run_callbacks
from ..checkpoint import BEST, LAST, LastCheckpoint, load_run
from ..console import show
from ..curve import CurveLogger
from ..data import StructureData
from ..devices import on_devices
from ..folder_lock import FolderLock
from ..resume import check_resumable, read_settings, write_settings
from ..run import MODEL
from ..settings import Settings
from .clock import Clock
from .report import write_motion_report
from .task import MotionTask

VALIDATE_EVERY = 5  # epochs, as in all papers


class MotionRun:
    """Train, test and report in one folder.

    Args:
        folder: of this run: settings, checkpoints, curve, report.
        settings: what is computed, see :func:`particle_settings`.
        resume: go on from the last checkpoint of the folder, if there is one.

    Raises:
        FileExistsError: if the folder holds a run that is not to be resumed, or that
            another process is carrying out.
        ValueError: if it holds a run with other settings, or one that cannot be read.
    """

    def __init__(self, folder: Path, settings: Settings, resume: bool = False) -> None:
        self.folder = folder
        self.settings = settings
        self.last: Path | None = None
        self.first_step = 0
        self._lock = FolderLock(folder)
        try:
            if (folder / LAST).is_file():
                self._go_on(folder / LAST, resume)
        except BaseException:
            self.close()
            raise

    def _go_on(self, last: Path, resume: bool) -> None:
        if not resume:
            raise FileExistsError(
                f"{self.folder} holds a run; --resume goes on with it, --folder names "
                "another place"
            )
        self.last = last
        self.first_step = int(load_run(last)["global_step"])
        longer = check_resumable(read_settings(self.folder), self.settings)
        if longer:
            print(longer)

    def close(self) -> None:
        """Leave the folder to others."""
        self._lock.release()

    def fit(
        self,
        data: StructureData,
        max_time: str | None = None,
        progress: bool = True,
        compiled: bool = False,
        **flags: Any,
    ) -> None:
        """Train; ``flags`` are those of Lightning's ``Trainer`` for devices.

        With ``compiled``, ``torch.compile`` makes training steps faster after a minute
        or two at the start; results agree up to rounding.
        """
        with isolate_rng():
            L.seed_everything(self.settings.seed, verbose=False)
            task = MotionTask(asdict(self.settings))
            if compiled:
                task.network.compile(dynamic=False)
            every = min(VALIDATE_EVERY, self.settings.epochs)
            trainer = L.Trainer(
                max_epochs=self.settings.epochs,
                max_time=max_time,
                gradient_clip_val=self.settings.clip or None,
                check_val_every_n_epoch=every,
                log_every_n_steps=1,
                enable_progress_bar=progress,
                enable_model_summary=False,
                callbacks=[
                    *show(progress),
                    *run_callbacks(self.folder, self.settings, task.monitor),
                    Clock(),
                    LastCheckpoint(self.folder, 2**62, every),
                ],
                logger=CurveLogger(self.folder, self.first_step),
                num_sanity_val_steps=0,
                **on_devices(**flags),
            )
            write_settings(self.folder, self.settings)
            trainer.fit(task, data, ckpt_path=self.last)

    def test(self, data: StructureData, progress: bool = True, **flags: Any) -> str:
        """Test the best weights, write the report and the model; the report's text.

        Raises:
            FileNotFoundError: if training ended before the first validation.
        """
        if not (self.folder / BEST).is_file():
            raise FileNotFoundError(
                f"{self.folder} holds no weights to test: the run ended before its "
                f"first validation, which is after {VALIDATE_EVERY} epochs; allow it "
                "more time"
            )
        checkpoint = load_run(self.folder / BEST)
        with isolate_rng():
            task = MotionTask(**checkpoint["hyper_parameters"])
        task.load_state_dict(checkpoint["state_dict"])
        trainer = L.Trainer(
            callbacks=list(show(progress)),
            enable_progress_bar=progress,
            logger=False,
            enable_checkpointing=False,
            **on_devices(**flags),
        )
        trainer.test(task, data, verbose=False)
        save_model(task.network, self.folder / MODEL, task.card())
        last = load_run(self.folder / LAST)
        told = {"best_epoch": checkpoint["epoch"] + 1, "epochs": last["epoch"] + 1}
        told |= last["callbacks"].get(Clock.__name__, {})
        return write_motion_report(self.folder, task, data, told)
