"""Optimizers of a run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pyg_equivariant.training.builders import make_optimizer
from pyg_equivariant.training.motion import particle_settings


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_steps_are_one_call_and_those_of_torch(kind: str) -> None:
    settings = particle_settings("egnn", optimizer=kind, lr=0.01, weight_decay=0.1)
    networks, steps = [], []
    for own in (True, False):
        torch.manual_seed(0)
        network = torch.nn.Linear(3, 2)
        options: dict[str, Any] = {"lr": 0.01, "weight_decay": 0.1, "fused": False}
        plain = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
        steps.append(
            make_optimizer(settings, network)
            if own
            else plain(network.parameters(), **options)
        )
        networks.append(network)
    assert steps[0].defaults["fused"] is True
    for _ in range(5):
        for network, optimizer in zip(networks, steps, strict=True):
            optimizer.zero_grad()
            network(torch.ones(4, 3)).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(networks[0].weight, networks[1].weight)


def test_parameters_elsewhere_choose_for_themselves() -> None:
    network = torch.nn.Linear(3, 2, device="meta")
    optimizer = make_optimizer(particle_settings("egnn"), network)
    assert optimizer.defaults["fused"] is None


def test_an_unknown_optimizer_is_named() -> None:
    settings = particle_settings("egnn", optimizer="sgd")
    with pytest.raises(ValueError, match="got optimizer 'sgd', expected one of adam"):
        make_optimizer(settings, torch.nn.Linear(3, 2))
