"""What a run does between its steps."""

from __future__ import annotations

from collections.abc import Callable
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
    """Lightning's early stopping, which waits anew once it is given more patience."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        patience = self.patience
        super().load_state_dict(state_dict)
        if patience > self.patience:
            self.stopped_epoch = 0
        self.patience = patience


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    r"""An exponential moving average that soon forgets how it began.

    After :math:`n` steps it keeps :math:`\min(d, (1 + n) / (10 + n))` of the past.

    Args:
        decay: :math:`d`, what it keeps at last.
    """

    def average(past: Tensor, present: Tensor, count: Tensor | int) -> Tensor:
        kept = min(decay, (1 + float(count)) / (10 + float(count)))
        return torch.lerp(present, past, kept)

    return average


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
        callbacks.append(WeightAveraging(use_buffers=False, avg_fn=average))
    if settings.patience:
        callbacks.append(
            Patience(
                monitor, patience=settings.patience, check_on_train_epoch_end=False
            )
        )
    return callbacks
