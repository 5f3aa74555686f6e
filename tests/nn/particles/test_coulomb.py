"""What Coulomb's law tells of particles is the law, softened."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.graph import neighbor_graph
from pyg_equivariant.nn.particles import Particles, ParticleSEGNN
from pyg_equivariant.nn.particles.coulomb import (
    SOFTENING,
    coulomb_acceleration,
    coulomb_invariants,
)


@pytest.fixture
def particles(generator: torch.Generator) -> Particles:
    """Two systems of all pairs."""
    draw = {"generator": generator, "dtype": torch.float64}
    pos, vel = torch.randn(7, 3, **draw), torch.randn(7, 3, **draw)
    charge = torch.randn(7, 1, **draw)
    graph = neighbor_graph(pos, None, torch.tensor([0, 0, 0, 1, 1, 1, 1]))
    j, i = graph.edge_index
    return Particles(graph, vel, charge, charge[j] * charge[i])


def test_accelerations_are_those_of_a_softened_potential(particles: Particles) -> None:
    pos = particles.pos.requires_grad_()
    j, i = particles.edge_index
    energy = 0
    for e in range(len(j)):
        square = (pos[j[e]] - pos[i[e]]).square().sum() + SOFTENING**2
        energy = energy + particles.edge_attr[e] / square.sqrt() / 2
    (gradient,) = torch.autograd.grad(energy, pos)
    torch.testing.assert_close(coulomb_acceleration(particles), -gradient)


def test_invariants_of_edges_are_what_they_say(particles: Particles) -> None:
    """And particles that leave each other have a positive third one."""
    j, i = particles.edge_index
    found = coulomb_invariants(particles)
    for e in range(len(j)):
        apart = particles.pos[j[e]] - particles.pos[i[e]]
        relative = particles.vel[j[e]] - particles.vel[i[e]]
        length = (apart.square().sum() + SOFTENING**2).sqrt()
        charges = particles.edge_attr[e, 0]
        expected = [charges / length, charges / length**2]
        expected += [relative @ apart / length, relative.norm()]
        torch.testing.assert_close(found[e], torch.stack(expected))


def test_what_else_is_told_is_refused() -> None:
    with pytest.raises(ValueError, match=r"coulomb is one of .*, got 'all'"):
        ParticleSEGNN(8, coulomb="all")
