"""Losses over the labels that are there."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.training.losses import LOSSES, masked_loss


@pytest.mark.parametrize("kind", LOSSES)
def test_missing_labels_count_for_nothing(kind: str) -> None:
    predicted = torch.randn(6, 3, requires_grad=True)
    true = torch.randn(6, 3)
    true[2:] = torch.nan
    loss = masked_loss(kind, predicted, true, 2.0)
    torch.testing.assert_close(loss, masked_loss(kind, predicted[:2], true[:2], 2.0))
    loss.backward()
    assert predicted.grad[:2].all()
    assert not predicted.grad[2:].any()


def test_means_over_parts_are_the_mean_over_all() -> None:
    """What processes do: one has two labels, the other none."""
    predicted, true = torch.randn(4), torch.randn(4)
    true[2:] = torch.nan
    mean = torch.tensor(1.0)
    parts = [
        masked_loss("l1", predicted[part], true[part], count=mean)
        for part in (slice(2), slice(2, 4))
    ]
    whole = masked_loss("l1", predicted, true)
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


def test_without_labels_there_is_a_gradient_of_zero() -> None:
    predicted = torch.randn(3, requires_grad=True)
    loss = masked_loss("mse", predicted, torch.full((3,), torch.nan))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert predicted.grad.tolist() == [0.0] * 3


def test_each_kind_is_what_its_name_says() -> None:
    zero, error = torch.zeros(2), torch.tensor([0.1, -4.0])
    assert masked_loss("l1", error, zero, 2.0) == pytest.approx(1.025)
    assert masked_loss("mse", error, zero, 2.0) == pytest.approx(2.00125)
    # squares up to a tenth of the scale, then straight on
    huber = (0.05**2 / 2 + 0.1 * (2.0 - 0.05)) / 0.1 / 2
    assert masked_loss("huber", error, zero, 2.0) == pytest.approx(huber)
    with pytest.raises(ValueError, match="got loss 'l2', expected one of l1, mse"):
        masked_loss("l2", error, zero)
