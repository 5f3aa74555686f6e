"""Normalization over a batch, with running statistics."""

from __future__ import annotations

import copy

import pytest
import torch

from pyg_equivariant.nn import EquivariantBatchNorm, EquivariantInstanceNorm
from pyg_equivariant.testing import assert_equivariant, random_irreps

close = torch.testing.assert_close


def trained(irreps, **kwargs) -> EquivariantBatchNorm:
    """With weights and statistics that are not those of the beginning."""
    module = EquivariantBatchNorm(irreps, **kwargs).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    module(3 * module.irreps_in.randn(20, -1, dtype=torch.float64))
    return module


@pytest.mark.parametrize("seed", range(12))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    module = trained(random_irreps(generator), affine=seed % 2 == 0)
    assert_equivariant(module.train(seed % 3 > 0), generator=generator)


def test_scalars_are_treated_as_by_torch() -> None:
    ours = trained("6x0e", eps=1e-3, momentum=0.3)
    theirs = torch.nn.BatchNorm1d(6, 1e-3, 0.3).double()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    x = torch.randn(50, 6, dtype=torch.float64)
    close(ours(x), theirs(x))
    close(ours.running_mean, theirs.running_mean)
    # torch keeps variances of samples, e3nn and we those of the batch
    ours.running_var.copy_(theirs.running_var)
    close(ours.eval()(x), theirs.eval()(x))


def test_a_batch_is_one_graph_of_an_instance_norm() -> None:
    irreps = "4x0e+3x0o+2x1o+3x2e"
    ours, instance = trained(irreps), EquivariantInstanceNorm(irreps).double()
    instance.load_state_dict(ours.state_dict(), strict=False)
    x = ours.irreps_in.randn(7, -1, dtype=torch.float64)
    close(ours(x), instance(x))


def test_evaluation_looks_at_no_batch_and_learns_nothing() -> None:
    module = trained("4x0e+2x1o").eval()
    before = copy.deepcopy(module.state_dict())
    x = module.irreps_in.randn(7, 2, -1, dtype=torch.float64)
    close(module(x)[:3], module(x[:3]))
    close(module(x)[0, 0], module(x[0, 0]))
    close(module.state_dict(), before)


def test_statistics_follow_the_batches() -> None:
    module = EquivariantBatchNorm("1x0e+1x1o", momentum=0.25, affine=False)
    module(torch.tensor([[2.0, 3.0, 0.0, 0.0], [4.0, 0.0, 3.0, 0.0]]))
    close(module.running_mean, torch.tensor([0.75]))
    close(module.running_var, torch.tensor([0.75 + 0.25, 0.75 + 0.75]))
    module.reset_running_stats()
    close(module.running_var, torch.ones(2))
    assert not module.running_mean.any()


def test_without_nodes_statistics_stay() -> None:
    module = EquivariantBatchNorm("2x0e+1x1o")
    assert module(torch.zeros(0, 5)).shape == (0, 5)
    assert module.running_var.tolist() == [1.0] * 3


def test_derivatives() -> None:
    module = trained("2x0e+1x1o")
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    for training in (False, True):
        frozen = copy.deepcopy(module).train(training)
        assert torch.autograd.gradcheck(frozen, (x,))
        assert torch.autograd.gradgradcheck(frozen, (x,))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="momentum is a share"):
        EquivariantBatchNorm("1x0e", momentum=1.5)
    with pytest.raises(ValueError, match="eps is a positive"):
        EquivariantBatchNorm("1x0e", eps=0.0)
