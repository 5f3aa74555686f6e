"""Networks and systems that tests of simulations share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn.models import MolecularModel

CUTOFF = 3.5


@pytest.fixture
def build() -> Callable[..., MolecularModel]:
    """Small networks whose energies vary by about an electron volt."""

    def make(name: str = "painn", seed: int = 0, **arguments: Any) -> MolecularModel:
        torch.manual_seed(seed)
        network = NETWORKS[name]
        takes = inspect.signature(network.model).parameters
        species = {"species": (1, 6, 8, 29)} if "species" in takes else {}
        given = {**species, **network.smooth, **network.extensive, **arguments}
        model = network.build_small(**{"cutoff": CUTOFF, **given}).double().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
        return model

    return make
