"""Small versions of the rows of the table of charged particles, and particles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.networks import PARTICLE_NETWORKS, ParticleNetwork
from pyg_equivariant.nn.particles import ParticleModel
from pyg_equivariant.testing import difficult_graphs


def build(row: ParticleNetwork, **arguments: Any) -> ParticleModel:
    """A small network, float64, no parameter at zero."""
    model = row.build_small(**arguments)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.double()


def run(model: ParticleModel, data: Data) -> Tensor:
    """The positions after the motion."""
    given = data.pos, data.vel, data.charge, data.edge_index, data.edge_attr
    return model(*given, data.batch)


@pytest.fixture(name="build")
def _build() -> Callable[..., ParticleModel]:
    return build


@pytest.fixture(name="run")
def _run() -> Callable[[ParticleModel, Data], Tensor]:
    return run


@pytest.fixture(params=list(PARTICLE_NETWORKS))
def row(request: pytest.FixtureRequest) -> ParticleNetwork:
    """Each row in turn."""
    return PARTICLE_NETWORKS[request.param]


@pytest.fixture
def systems(generator: torch.Generator) -> dict[str, Data]:
    """Particles at small graphs on which networks go wrong."""
    found = {}
    for name, graph in difficult_graphs(generator=generator).items():
        nodes, edges = len(graph.pos), graph.edge_index.shape[1]
        draw = {"generator": generator, "dtype": torch.float64}
        found[name] = Data(
            pos=graph.pos,
            vel=torch.randn(nodes, 3, **draw),
            charge=torch.randn(nodes, 1, **draw),
            edge_index=graph.edge_index,
            edge_attr=torch.randn(edges, 1, **draw),
            batch=graph.batch,
        )
    return found
