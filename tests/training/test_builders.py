"""The optimizer that settings ask for."""

from __future__ import annotations

import copy

import pytest
import torch

from pyg_equivariant.training.builders import make_optimizer
from pyg_equivariant.training.choices import choose_settings


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_one_call_moves_weights_as_many_do(structures, optimizer: str) -> None:
    settings = choose_settings(structures(4), optimizer=optimizer, weight_decay=0.1)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 1))
    moved = []
    for fused in (False, True):
        own = copy.deepcopy(network)
        steps = make_optimizer(settings, own, fused)
        assert steps.defaults["fused"] == (fused or None)
        for _ in range(5):
            steps.zero_grad()
            own(torch.ones(1, 5)).square().sum().backward()
            steps.step()
        moved.append(list(own.parameters()))
    torch.testing.assert_close(*moved)
    assert not torch.equal(moved[0][0], network[0].weight)


def test_only_weights_on_the_cpu_are_moved_so(structures) -> None:
    settings = choose_settings(structures(4))
    network = torch.nn.Linear(2, 2, device="meta")
    assert make_optimizer(settings, network, fused=True).defaults["fused"] is None


def test_unknown_optimizers_are_named(structures) -> None:
    settings = choose_settings(structures(4), optimizer="sgd")
    with pytest.raises(ValueError, match="got optimizer 'sgd', expected one of adam"):
        make_optimizer(settings, torch.nn.Linear(2, 2))
