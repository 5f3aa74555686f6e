"""A run from its settings to its report, in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    TQDMProgressBar,
)
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy

from .checkpoint import (
    BEST,
    LAST,
    AtomicCheckpointIO,
    LastCheckpoint,
    RandomState,
    load_checkpoint,
)
from .curve import CURVE, CurveLogger
from .errors import MeanError, mean_predictor
from .molecules import QM9Molecules
from .report import draw_report, write_report
from .settings import Settings
from .task import PropertyTask

SETTINGS = "settings.json"


class Run:
    """Train, test and report in one folder.

    Args:
        folder: of this run: settings, checkpoints, logs, report.
        settings: what is computed.
        resume: go on from the last checkpoint of the folder, if there is one.
        callbacks: further ones for the training.

    Raises:
        FileExistsError: if the folder holds a run that is not to be resumed.
        ValueError: if it holds a run with other settings.
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
        last = folder / LAST
        if last.is_file() and not resume:
            raise FileExistsError(
                f"{folder} holds a run; --resume goes on with it, --run names another "
                "folder"
            )
        self.last = last if last.is_file() else None
        self.first_step = 0
        if self.last is not None:
            checkpoint = load_checkpoint(self.last)
            self.first_step = int(checkpoint["global_step"])
            _check_same(checkpoint["hyper_parameters"]["settings"], settings)

    def fit(
        self,
        data: QM9Molecules,
        max_time: str | None = None,
        checkpoint_every: int = 500,
        **flags: Any,
    ) -> PropertyTask:
        """Train; ``flags`` are those of Lightning's ``Trainer`` for devices."""
        L.seed_everything(self.settings.seed, verbose=False)
        task = PropertyTask(self._with_data(data).to_dict(), data.scaling()._asdict())
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
            use_distributed_sampler=False,
            **_devices(**flags),
        )
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.settings.to_dict(), indent=2)
            (self.folder / SETTINGS).write_text(text + "\n", encoding="utf-8")
        trainer.fit(task, data, ckpt_path=self.last)
        return task

    def test(self, data: QM9Molecules, **flags: Any) -> str | None:
        """Test the best weights and write the report; its text, on one process."""
        checkpoint = load_checkpoint(self.folder / BEST)
        task = PropertyTask(**checkpoint["hyper_parameters"])
        task.load_state_dict(checkpoint["state_dict"])
        trainer = L.Trainer(
            logger=False,
            enable_checkpointing=False,
            use_distributed_sampler=False,
            **_devices(**flags),
        )
        trainer.test(task, data, verbose=False)
        predicted, true, error = task.collect()
        if not trainer.is_global_zero:
            return None
        return self._report(task, data, (predicted, true), error, checkpoint)

    def _report(
        self,
        task: PropertyTask,
        data: QM9Molecules,
        values: tuple[Any, Any],
        error: MeanError,
        checkpoint: dict[str, Any],
    ) -> str:
        target = task.target
        training = data.rows("train")[3].double() * target.factor
        text = write_report(
            self.folder,
            self.settings,
            target,
            error,
            mean_predictor(training, values[1]),
            {"best_epoch": checkpoint["epoch"], "best_step": checkpoint["global_step"]},
        )
        names = (task.named("train"), task.named("val"))
        figure = self.folder / "report.png"
        draw_report(figure, self.folder / CURVE, names, target.unit, values)
        return f"{text}\n  written to      {self.folder / 'report.json'}, {figure.name}"

    def _with_data(self, data: QM9Molecules) -> Settings:
        """The settings, with what only the training set tells."""
        return self.settings

    def _callbacks(
        self, task: PropertyTask, checkpoint_every: int
    ) -> Sequence[L.Callback]:
        monitor = task.named("val")
        callbacks: list[L.Callback] = [
            TQDMProgressBar(refresh_rate=10),
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


def _check_same(saved: dict[str, Any], settings: Settings) -> None:
    others = Settings.from_dict(saved).differences(settings)
    if others:
        listed = ", ".join(
            f"{key} {old} (now {new})" for key, (old, new) in others.items()
        )
        raise ValueError(
            f"the run to be resumed has other settings: {listed}; repeat its flags, or "
            "name another folder with --run"
        )


def _devices(
    accelerator: str = "auto",
    devices: int = 1,
    num_nodes: int = 1,
    precision: str = "32-true",
) -> dict[str, Any]:
    """Flags of the ``Trainer``, one process for each device.

    Buffers are constants here. Were they sent around before each step, a process with
    one validation batch more than another would wait for ever. Weights that a property
    does not need get no gradient.
    """
    parallel = devices * num_nodes > 1
    return {
        "accelerator": accelerator,
        "devices": devices,
        "num_nodes": num_nodes,
        "precision": precision,
        "plugins": [AtomicCheckpointIO()],
        "strategy": DDPStrategy(broadcast_buffers=False, find_unused_parameters=True)
        if parallel
        else "auto",
    }
