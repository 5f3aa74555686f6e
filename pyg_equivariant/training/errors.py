"""What is measured, the errors and their own standard errors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class Quantity(NamedTuple):
    """One thing whose error is reported.

    Args:
        name: in logs; empty where there is one quantity only.
        unit: of the errors.
        factor: how many of that unit make one of the predictions'.
        weight: of its loss, 0 if it is only shown.
        scale: what its loss is measured in.
    """

    name: str
    unit: str
    factor: float = 1.0
    weight: float = 1.0
    scale: float = 1.0

    @property
    def key(self) -> str:
        """A name of its own, for logs and reports."""
        unit = self.unit.replace("/", "_per_").replace("^", "")
        return f"{self.name}_{unit}".replace(".", "_") if self.name else "property"

    def named(self, stage: str, kind: str = "mae") -> str:
        """The name of an error in logs and progress bars, with its unit."""
        name = f"{self.name}_{kind}" if self.name else kind
        return f"{stage}_{name}_{self.unit.replace('/', '_per_')}"


class MeanError(NamedTuple):
    """A mean absolute error, give or take its standard error."""

    mae: float
    standard_error: float
    count: int  # type: ignore[assignment]
    rmse: float = math.nan


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
        """Predictions and true values, in the order of the structures."""
        order = dim_zero_cat(self.index).argsort(stable=True)
        return dim_zero_cat(self.predicted)[order], dim_zero_cat(self.true)[order]


def mean_error(predicted: Tensor, true: Tensor) -> MeanError:
    """The error of the mean over all labels that are not NaN, in float64."""
    known = ~true.isnan()
    error = (predicted[known].double() - true[known].double()).abs()
    count = len(error)
    deviation = float(error.std()) if count > 1 else math.nan
    return MeanError(
        float(error.mean()),
        deviation / math.sqrt(max(count, 1)),
        count,
        float(error.square().mean().sqrt()),
    )


def mean_predictor(training: Tensor, true: Tensor) -> MeanError:
    """The error of one who always says the mean of the training set."""
    mean = training.double().nanmean(0)
    return mean_error(mean.expand(true.shape), true)
