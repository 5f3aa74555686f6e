"""Small versions of the networks of the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.networks import NETWORKS, Network
from pyg_equivariant.nn.models import MolecularModel
from pyg_equivariant.o3 import rand_matrix
from pyg_equivariant.testing import difficult_graphs

CUTOFF = 2.5
BY_MODEL = {network.model.__name__: network for network in NETWORKS.values()}
# Every network, and its other configurations that tests go through.
SMOOTH = {
    f"{name}-{variant}" if variant else name: (network, arguments)
    for name, network in BY_MODEL.items()
    for variant, arguments in {"": {}, **network.variants}.items()
}


def build(name: str, **kwargs: Any) -> MolecularModel:
    """A small network, float64, no parameter at zero."""
    settings = {"num_layers": 2, "cutoff": CUTOFF, "head": "extensive"}
    model = BY_MODEL[name].build_small(**{**settings, **kwargs})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.double()


@pytest.fixture
def rotations() -> Callable[[str], Tensor]:
    """Rotations of a group: one proper, one improper, as far as there are such."""

    def draw(group: str) -> Tensor:
        R = rand_matrix(2, dtype=torch.float64)
        if group == "T(3)":
            return torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
        return torch.stack([R[0], R[1] if group == "SO(3)" else -R[1]])

    return draw


@pytest.fixture(name="build")
def _build() -> Callable[..., MolecularModel]:
    return build


@pytest.fixture(params=list(BY_MODEL))
def name(request: pytest.FixtureRequest) -> str:
    """Each network of the registry in turn."""
    return request.param


@pytest.fixture
def group(name: str) -> str:
    """Under which the network of this turn is equivariant."""
    return BY_MODEL[name].group


class Smooth(NamedTuple):
    """Builds a network with energies that are smooth at the cutoff."""

    network: Network
    arguments: Mapping[str, Any]

    def __call__(self, local: bool = False, **kwargs: Any) -> MolecularModel:
        """A small one; ``local`` if no statistics of a graph may enter."""
        network = self.network
        extensive = network.extensive if local else {}
        settings = {**self.arguments, **network.smooth, **extensive, **kwargs}
        if "irreps_in" in settings:  # in place of atomic numbers
            for argument in network.of_species:
                settings.pop(argument, None)
        return build(network.model.__name__, **settings)


@pytest.fixture(params=list(SMOOTH))
def smooth(request: pytest.FixtureRequest) -> Smooth:
    """Each in turn."""
    return Smooth(*SMOOTH[request.param])


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
