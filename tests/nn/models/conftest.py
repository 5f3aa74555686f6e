"""Small versions of the five networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.nn.models import EGNN, SEGNN, TFN, MolecularModel, PaiNN, SchNet
from pyg_equivariant.testing import difficult_graphs

CUTOFF = 2.5
SPECIES = tuple(range(1, 10))
# In a network by default: a cutoff, one energy for each graph, species H to F.
SMALL: dict[str, tuple[type[MolecularModel], dict[str, Any]]] = {
    "SchNet": (SchNet, {"hidden_channels": 8, "num_filters": 6, "num_radial": 7}),
    "PaiNN": (PaiNN, {"hidden_channels": 8, "num_radial": 5}),
    "EGNN": (EGNN, {"hidden_channels": 8, "species": SPECIES}),
    "TFN": (TFN, {"hidden_channels": 4, "num_radial": 5, "radial_channels": (6,)}),
    "SEGNN": (
        SEGNN,
        {"hidden_channels": 10, "lmax": 1, "lmax_attr": 2, "species": SPECIES},
    ),
}
# Those with energies that are smooth at the cutoff.
SMOOTH: dict[str, dict[str, Any]] = {
    "SchNet": {},
    "PaiNN": {},
    "EGNN": {"smooth": True},
    "EGNN-moving": {"smooth": True, "update_pos": True},
    "TFN": {},
    "SEGNN": {"smooth": True},
}


def build(name: str, **kwargs: Any) -> MolecularModel:
    """A small network, float64, no parameter at zero."""
    cls, defaults = SMALL[name.partition("-")[0]]
    settings = {"num_layers": 2, "cutoff": CUTOFF, "head": "extensive"}
    model = cls(**{**settings, **defaults, **kwargs})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.double()


@pytest.fixture(name="build")
def _build() -> Callable[..., MolecularModel]:
    return build


@pytest.fixture(params=list(SMALL))
def name(request: pytest.FixtureRequest) -> str:
    """Each of the five networks in turn."""
    return request.param


@pytest.fixture(params=list(SMOOTH))
def smooth(request: pytest.FixtureRequest) -> Callable[..., MolecularModel]:
    """Each network in turn, with energies that are smooth at the cutoff."""

    def make(local: bool = False, **kwargs: Any) -> MolecularModel:
        if local and request.param == "SEGNN":  # no statistics of the whole graph
            kwargs["norm"] = None
        return build(request.param, **{**SMOOTH[request.param], **kwargs})

    return make


@pytest.fixture
def graphs(generator: torch.Generator) -> dict[str, Data]:
    """Small graphs on which networks go wrong."""
    return difficult_graphs(generator=generator)


@pytest.fixture
def crystal(generator: torch.Generator) -> Data:
    """Three atoms in a triclinic cell, smaller than the cutoff along one vector."""
    cell = torch.tensor([[3.0, 0.2, 0.0], [-0.4, 2.2, 0.3], [0.1, 0.5, 3.4]]).double()
    position = torch.rand(3, 3, generator=generator, dtype=torch.float64)
    return Data(
        z=torch.tensor([6, 1, 8]),
        pos=position @ cell,
        cell=cell.unsqueeze(0),
        pbc=torch.ones(1, 3, dtype=torch.bool),
    )
