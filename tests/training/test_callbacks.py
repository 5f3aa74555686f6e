"""Averages of weights."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.training.callbacks import moving_average


def test_an_average_forgets_how_it_began() -> None:
    update, weight = moving_average(0.9), torch.ones(1)
    kept = []
    for steps in (0, 8, 1000):
        average = torch.zeros(1)
        update([average], [weight], torch.tensor(steps))
        kept.append(1 - float(average))
    assert kept == pytest.approx([0.1, 0.5, 0.9])


def test_weights_of_all_shapes_are_averaged_at_once() -> None:
    torch.manual_seed(0)
    weights = [torch.randn(3, 2), torch.randn(5), torch.randn(())]
    averages = [torch.randn_like(weight) for weight in weights]
    expected = [a + 0.1 * (w - a) for a, w in zip(averages, weights, strict=True)]
    moving_average(0.9)(iter(averages), iter(weights), 1000)
    torch.testing.assert_close(averages, expected)
