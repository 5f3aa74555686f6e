"""The mean absolute error, its own standard error, and the predictions behind it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class MeanError(NamedTuple):
    """A mean absolute error, give or take its standard error."""

    mae: float
    standard_error: float
    count: int


class Predictions(Metric):
    """Predictions beside the truth, gathered from all processes.

    ``torchmetrics.MeanAbsoluteError`` gives no standard error and keeps no predictions.
    Every process hands in its own samples, as many as it has, so each counts once.
    """

    full_state_update = False
    index: list[Tensor]
    predicted: list[Tensor]
    true: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("index", "predicted", "true"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, index: Tensor, predicted: Tensor, true: Tensor) -> None:
        self.index.append(index)
        self.predicted.append(predicted.detach())
        self.true.append(true)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Predictions and true values, in the order of the molecules."""
        order = dim_zero_cat(self.index).argsort()
        return dim_zero_cat(self.predicted)[order], dim_zero_cat(self.true)[order]


def mean_error(predicted: Tensor, true: Tensor) -> MeanError:
    """The error of the mean over these molecules, in float64."""
    error = (predicted.double() - true.double()).abs()
    count = len(error)
    deviation = float(error.std()) if count > 1 else math.nan
    return MeanError(float(error.mean()), deviation / math.sqrt(max(count, 1)), count)


def mean_predictor(training: Tensor, true: Tensor) -> MeanError:
    """The error of one who always says the mean of the training set."""
    mean = training.double().mean()
    return mean_error(torch.full_like(true, float(mean), dtype=torch.float64), true)
