"""What single networks of particles have besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.networks import PARTICLE_NETWORKS
from pyg_equivariant.nn.particles import LinearMotion, ParticleModel, Particles
from pyg_equivariant.testing import assert_equivariant, equivariance_error

Build = Callable[..., ParticleModel]
Run = Callable[[ParticleModel, Data], Tensor]


def _of_vectors(model: ParticleModel, data: Data) -> Callable[..., Tensor]:
    others = data.charge, data.edge_index, data.edge_attr, data.batch
    return lambda pos, vel: model(pos, vel, *others)


def test_a_network_of_ones_own_says_how_particles_move(
    run: Run, systems: dict[str, Data]
) -> None:
    class Repelled(ParticleModel):
        def move(self, particles: Particles) -> Tensor:
            target = particles.edge_index[1]
            forces = -particles.edge_attr * particles.graph.edge_vec()
            return particles.pos.index_add(0, target, forces)

    data = systems["asymmetric"]
    j, i = data.edge_index
    expected = data.pos.clone()
    for e in range(len(j)):
        expected[i[e]] += data.edge_attr[e] * (data.pos[i[e]] - data.pos[j[e]])
    torch.testing.assert_close(run(Repelled(), data), expected)
    with pytest.raises(TypeError, match="ParticleModel does not define move"):
        run(ParticleModel(), data)


def test_a_straight_line_is_what_it_says(run: Run, systems: dict[str, Data]) -> None:
    data = systems["asymmetric"]
    straight = data.pos + 0.7 * data.vel
    found = run(LinearMotion().double(), data)
    torch.testing.assert_close(found, straight, rtol=1e-6, atol=1e-6)
    mixing = LinearMotion(mixing=True).double()
    inputs = [data.pos, data.vel]
    error = equivariance_error(_of_vectors(mixing, data), ["pos", "1o"], "pos", inputs)
    assert min(error) > 0.01


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("se3_transformer", {"parity": True}),
        ("tfn", {"parity": True}),
        ("egnn", {"tanh": True, "norm_diff": True}),
        ("egnn", {"clamp": 0.1, "pos_aggr": "sum", "attention": True}),
        ("segnn", {"lmax": 2, "lmax_attr": 2}),
        ("segnn", {"coulomb": "both"}),
        ("segnn_g", {"coulomb": "edges"}),
        ("segnn", {"coulomb": "acceleration"}),
    ],
)
def test_options_commute_with_reflections_too(
    build: Build, systems: dict[str, Data], name: str, options: dict[str, Any]
) -> None:
    data = systems["two_molecules"]
    function = _of_vectors(build(PARTICLE_NETWORKS[name], **options), data)
    assert_equivariant(function, ["pos", "1o"], "pos", [data.pos, data.vel])


def test_attention_begins_with_small_steps(run: Run, systems: dict[str, Data]) -> None:
    """Its displacements have a scale of their own."""
    data = systems["two_molecules"]
    model: Any = PARTICLE_NETWORKS["se3_transformer"].build_small().double()
    once = run(model, data) - data.pos
    torch.nn.init.constant_(model.scale, 0.02)
    torch.testing.assert_close(run(model, data) - data.pos, 2 * once)
