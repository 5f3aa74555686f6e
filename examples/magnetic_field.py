"""Forces on molecular ions in a magnetic field: a pseudovector has to be one.

    python examples/magnetic_field.py

A mirror turns positions, velocities and forces around, but a magnetic field is an axial
vector, irreps ``1e``: currents in a loop look the same in a mirror that lies in its
plane. Two networks learn the forces q v x B, and those between charges, on ions whose
three different bonds have one handedness. One is told that the field is axial, the
other that it is a polar vector, ``1o``, like velocities. Both learn; the second one by
the handedness of the ions. In a mirror, where physics is the same, only one is right.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant import nn, o3
from pyg_equivariant.graph import Graph, complete_graph

IONS = 4  # in each system


class Ions(NamedTuple):
    """Charged molecules that move in fields, and the forces on them."""

    charge: Tensor  # [num_ions, 1]
    pos: Tensor  # [num_ions, 3]
    vel: Tensor  # [num_ions, 3]
    bonds: Tensor  # [num_ions, 3, 3], directions of three different bonds
    field: Tensor  # [num_ions, 3], that of the system
    force: Tensor  # [num_ions, 3]

    def moved(self, R: Tensor) -> Ions:
        """Turned, and reflected if R is improper, as nature does."""
        polar = (x @ R.T for x in (self.pos, self.vel, self.bonds))
        axial = torch.linalg.det(R) * self.field @ R.T
        return Ions(self.charge, *polar, axial, self.force @ R.T)

    def graph(self) -> Graph:
        """All pairs of ions of each system."""
        number = len(self.pos) // IONS
        batch = torch.arange(number).repeat_interleave(IONS)
        return Graph(self.pos, batch, number, complete_graph(len(batch), batch))


def ions(number: int, generator: torch.Generator) -> Ions:
    """Systems of ions that are turned at random, all of one handedness."""
    count = number * IONS
    pos, vel = torch.randn(2, count, 3, generator=generator)
    charge = torch.randint(1, 3, (count, 1), generator=generator).float()
    bonds = o3.rand_matrix(count, generator=generator)
    field = torch.randn(number, 3, generator=generator).repeat_interleave(IONS, 0)
    apart = pos.view(-1, IONS, 1, 3) - pos.view(-1, 1, IONS, 3)
    push = apart / (1 + apart.square().sum(-1, keepdim=True)) ** 1.5
    push = (push * charge.view(-1, 1, IONS, 1)).sum(2).view(-1, 3)
    force = charge * (0.5 * push + torch.linalg.cross(vel, field))
    return Ions(charge, pos, vel, bonds, field, force)


class Forces(torch.nn.Module):
    """A network that is told what irrep the magnetic field is."""

    def __init__(self, field: str, channels: int = 16) -> None:
        super().__init__()
        hidden = f"{2 * channels}x0e+{channels}x1o+{channels}x1e"
        self.edges = nn.EdgeEmbedding(None, nn.GaussianBasis(8, 4.0), irreps_sh="0e+1o")
        # Products of the vectors at each ion, then of their invariants, then messages
        self.products = nn.FullyConnectedTensorProduct(
            "0e+4x1o", f"0e+{field}+3x1o", hidden
        )
        self.mlp = nn.SteerableMLP(hidden, "0e", hidden, hidden, 3)
        self.conv = nn.SEGNNConv(hidden, "0e+1o", hidden, edge_dim=8)
        self.head = nn.Linear(hidden, "1o")

    def forward(self, given: Ions) -> Tensor:
        one, bonds = torch.ones_like(given.charge), given.bonds
        vectors = torch.cat([given.vel.unsqueeze(1), bonds], dim=1)
        x = torch.cat([given.charge, vectors.mT.flatten(1)], dim=-1)  # 0e+4x1o
        attr = torch.cat([one, given.field, bonds.mT.flatten(1)], dim=-1)
        x = self.mlp(self.products(x, attr))
        x = self.conv.on_edges(x, self.edges.embed(given.graph()))
        forces: Tensor = self.head(x)
        return forces


def train(network: Forces, steps: int, number: int, generator: torch.Generator) -> None:
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(steps):
        given = ions(number, generator)
        optimizer.zero_grad()
        (network(given) - given.force).square().mean().backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def error(network: Forces, given: Ions) -> float:
    """Root mean square, relative to the forces."""
    difference = network(given) - given.force
    return float((difference.square().mean() / given.force.square().mean()).sqrt())


def main() -> None:
    """Train both, and hold a mirror up to them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--systems", type=int, default=64, help="in each step")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()

    test = ions(300, torch.Generator().manual_seed(flags.seed + 1))
    turn = o3.rand_matrix(generator=torch.Generator().manual_seed(flags.seed))
    print("relative error of the forces on new systems\n")
    print(f"{'the field is':14}{'as trained':>12}{'turned':>10}{'in a mirror':>14}")
    for field, name in (("1e", "axial, 1e"), ("1o", "polar, 1o")):
        torch.manual_seed(flags.seed)
        generator = torch.Generator().manual_seed(flags.seed)
        network, start = Forces(field), time.perf_counter()
        train(network, flags.steps, flags.systems, generator)
        found = [error(network, test.moved(R)) for R in (torch.eye(3), turn, -turn)]
        line = f"{found[0]:12.3f}{found[1]:10.3f}{found[2]:14.3f}"
        print(f"{name:14}{line}   {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
