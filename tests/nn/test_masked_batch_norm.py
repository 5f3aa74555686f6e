"""Batch normalization of rows that count, in part, or not at all."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.nn.masked_batch_norm import MaskedBatchNorm


def test_is_that_of_torch_where_variances_are_large() -> None:
    ours, theirs = MaskedBatchNorm(3, eps=1e-30), torch.nn.BatchNorm1d(3, eps=1e-30)
    for module in (ours, theirs):
        module.double()
        with torch.no_grad():
            module.weight.copy_(torch.tensor([0.5, -1.0, 2.0]))
            module.bias.copy_(torch.tensor([0.1, 0.2, -3.0]))
    for _ in range(3):
        x = 2 + torch.randn(5, 3).double()
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_rows_of_no_weight_are_as_if_absent() -> None:
    whole, part = MaskedBatchNorm(3).double(), MaskedBatchNorm(3).double()
    x = torch.randn(6, 3).double()
    keep = torch.tensor([1, 0, 1, 1, 0, 1]).bool()
    found = whole(x, keep.double())
    torch.testing.assert_close(found[keep], part(x[keep]))
    torch.testing.assert_close(whole.running_var, part.running_var)
    twice = MaskedBatchNorm(3).double()
    repeated = twice(torch.cat([x, x[:2]]))
    torch.testing.assert_close(
        MaskedBatchNorm(3).double()(x, torch.tensor([2, 2, 1, 1, 1, 1])), repeated[:6]
    )


def test_the_least_variance_is_no_addend() -> None:
    norm = MaskedBatchNorm(1, eps=4.0)
    x = torch.tensor([[-1.0], [1.0]])
    assert norm(x).flatten().tolist() == [-0.5, 0.5]
    assert norm(10 * x).flatten().tolist() == [-1.0, 1.0]


def test_no_rows_and_one_row_are_finite() -> None:
    norm = MaskedBatchNorm(2)
    norm.running_mean.fill_(7)
    assert norm(torch.zeros(0, 2)).shape == (0, 2)
    assert (norm.running_mean == 7).all()
    assert not norm(torch.ones(1, 2)).any()
    norm(torch.ones(3, 2), torch.zeros(3))
    assert norm.running_var.isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_derivatives_are_right(training: bool) -> None:
    norm = MaskedBatchNorm(2).double().train(training)
    x = torch.randn(4, 2).double().requires_grad_()
    mask = torch.tensor([1.0, 0.3, 0.0, 1.0]).double().requires_grad_()
    assert gradcheck(norm, (x, mask))
    assert gradgradcheck(norm, (x, mask))


def test_bad_input_is_named() -> None:
    norm = MaskedBatchNorm(2)
    with pytest.raises(ValueError, match="expected 2 numbers"):
        norm(torch.ones(3, 3))
    with pytest.raises(ValueError, match="one number of mask for each of 3 rows"):
        norm(torch.ones(3, 2), torch.ones(2))
    with pytest.raises(TypeError, match="float64"):
        norm(torch.ones(3, 2).double())
    with pytest.raises(ValueError, match="eps=0"):
        MaskedBatchNorm(2, eps=0)
