"""What a run shows on the screen."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import TQDMProgressBar

# Remarks of Lightning's that are no news here: an advertisement, a folder that holds
# what it should, workers, which loading is too fast to need, and the synchronization of
# what is the same on all processes.
_NO_NEWS = (
    *("litlogger", "TPU available", "exists and is not empty", "many workers"),
    "sync_dist",
)


class ProgressBar(TQDMProgressBar):
    """Lightning's, without the version of the log."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=10)

    def get_metrics(self, trainer: L.Trainer, model: L.LightningModule) -> Any:
        metrics = super().get_metrics(trainer, model)
        metrics.pop("v_num", None)
        return metrics


def show(progress: bool) -> Sequence[L.Callback]:
    """The progress bar, or nothing."""
    return [ProgressBar()] if progress else []


def keep_quiet() -> None:
    """Leave out of the output what is no news."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch"):
        logging.getLogger(name).addFilter(_is_news)
    for remark in _NO_NEWS:
        warnings.filterwarnings("ignore", f".*{remark}")
    warnings.filterwarnings("ignore", category=FutureWarning, module="lightning")
    warnings.filterwarnings("ignore", ".*LeafSpec")


def _is_news(record: logging.LogRecord) -> bool:
    return not any(remark in record.getMessage() for remark in _NO_NEWS)
