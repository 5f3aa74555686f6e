"""What a run does between its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
)

from .checkpoint import BEST, RandomState
from .console import ProgressBar
from .settings import Settings


class Patience(EarlyStopping):
    """Lightning's early stopping, which waits anew once it is given more patience."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        patience = self.patience
        super().load_state_dict(state_dict)
        if patience > self.patience:
            self.stopped_epoch = 0
        self.patience = patience


def run_callbacks(folder: Path, settings: Settings, monitor: str) -> list[L.Callback]:
    """Those of every run, but for its last checkpoint.

    Args:
        folder: of the run.
        settings: of the run.
        monitor: what is lowest of the best weights.
    """
    callbacks: list[L.Callback] = [
        ProgressBar(),
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
        callbacks.append(EMAWeightAveraging(decay=settings.ema, use_buffers=False))
    if settings.patience:
        callbacks.append(
            Patience(
                monitor, patience=settings.patience, check_on_train_epoch_end=False
            )
        )
    return callbacks
