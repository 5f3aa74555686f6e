"""Errors, their standard errors, and the rates that follow them."""

from __future__ import annotations

import math

import pytest
import torch

from pyg_equivariant.training.errors import Predictions, mean_error, mean_predictor
from pyg_equivariant.training.schedules import SCHEDULES, SmoothedPlateau, make_schedule


def test_the_standard_error_is_that_of_the_mean(generator: torch.Generator) -> None:
    error = torch.randn(100_000, generator=generator, dtype=torch.float64)
    found = mean_error(error, torch.zeros_like(error))
    assert found.mae == pytest.approx(math.sqrt(2 / math.pi), rel=1e-2)
    expected = math.sqrt((1 - 2 / math.pi) / len(error))
    assert found.standard_error == pytest.approx(expected, rel=1e-2)
    assert math.isnan(mean_error(torch.ones(1), torch.zeros(1)).standard_error)


def test_the_mean_predictor_knows_only_the_training_set() -> None:
    error = mean_predictor(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 5.0, 8.0]))
    assert (error.mae, error.count) == (3.0, 3)


def test_predictions_come_back_in_order() -> None:
    metric = Predictions()
    metric.update(torch.tensor([3, 1]), torch.tensor([0.3, 0.1]), torch.ones(2))
    metric.update(torch.tensor([2, 0]), torch.tensor([0.2, 0.0]), torch.zeros(2))
    predicted, true = metric.compute()
    assert torch.equal(predicted, torch.tensor([0.0, 0.1, 0.2, 0.3]))
    assert torch.equal(true, torch.tensor([0.0, 1.0, 0.0, 1.0]))


def rates(name: str, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make_schedule(name, optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None and not isinstance(schedule, SmoothedPlateau):
            schedule.step()
    return [*found, optimizer.param_groups[0]["lr"]]


def test_schedules_end_where_they_should() -> None:
    assert rates("constant", 10)[-1] == 1.0
    assert rates("cosine", 10)[-1] == pytest.approx(0.0, abs=1e-12)
    assert rates("cosine to a tenth", 10)[-1] == pytest.approx(0.1)
    assert rates("exponential", 1000)[-1] == pytest.approx(0.96**0.01)
    steps = rates("steps", 10)
    assert steps[7:] == pytest.approx([1.0, 0.1, 0.01, 0.01])
    with pytest.raises(ValueError, match="got schedule 'none', expected one of"):
        rates("none", 10)
    assert all(rates(name, 4) for name in SCHEDULES)


def test_the_plateau_halves_when_the_smoothed_error_stays() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    plateau = SmoothedPlateau(optimizer, smoothing=0.5, patience=2)
    plateau.step(4.0)
    plateau.step(0.0)
    assert plateau.smoothed == 2.0
    for _ in range(3):
        plateau.step(2.0)
    assert optimizer.param_groups[0]["lr"] == 0.5
