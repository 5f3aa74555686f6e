"""What a run does between its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import (
    EarlyStopping,
    ModelCheckpoint,
    WeightAveraging,
)
from torch import Tensor

from .checkpoint import BEST, RandomState
from .settings import Settings


class Patience(EarlyStopping):
    """Lightning's early stopping, of runs that are resumed.

    Lightning takes the patience of the checkpoint, whatever is asked for now, and
    trains a run that had stopped for another epoch.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_train_start(self, trainer: L.Trainer, *_: Any) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


Average = Callable[[Iterable[Tensor], Iterable[Tensor], Tensor | int], None]


def moving_average(decay: float) -> Average:
    r"""An exponential moving average that soon forgets how it began.

    After :math:`n` steps it keeps :math:`\min(d, (1 + n) / (10 + n))` of the past.

    Args:
        decay: :math:`d`, what it keeps at last.
    """

    def update(
        averages: Iterable[Tensor], weights: Iterable[Tensor], count: Tensor | int
    ) -> None:
        steps = float(count)
        kept = min(decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(averages), list(weights), 1 - kept)

    return update


def run_callbacks(folder: Path, settings: Settings, monitor: str) -> list[L.Callback]:
    """Those of every run, but for its last checkpoint.

    Args:
        folder: of the run.
        settings: of the run.
        monitor: what is lowest of the best weights.
    """
    callbacks: list[L.Callback] = [
        RandomState(),
        ModelCheckpoint(
            folder,
            filename=Path(BEST).stem,
            monitor=monitor,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        ),
    ]
    if settings.ema:
        average = moving_average(settings.ema)
        callbacks.append(WeightAveraging(use_buffers=False, multi_avg_fn=average))
    if settings.patience:
        callbacks.append(
            Patience(
                monitor, patience=settings.patience, check_on_train_epoch_end=False
            )
        )
    return callbacks
