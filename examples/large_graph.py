"""A large sparse system on one core: edges, a forward pass and a training step.

    python examples/large_graph.py

20,000 atoms as dense as in matter, periodic in all directions: how long each part
takes, and how much memory the process has had at most.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from pyg_equivariant import graph, nn

DENSITY = 0.05  # atoms in a cubic Angstrom


def peak() -> float:
    """The most memory that the process has had, in GB."""
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@contextmanager
def measured(what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    elapsed = time.perf_counter() - start
    print(f"{what:40}{elapsed:8.2f} s{peak():8.2f} GB", flush=True)


def matter(number: int) -> tuple[Tensor, Tensor]:
    """Atoms near the sites of a cubic lattice, some of them vacant, and the box."""
    side = math.ceil(number ** (1 / 3))
    spacing = (number / DENSITY) ** (1 / 3) / side
    sites = torch.cartesian_prod(*[torch.arange(float(side))] * 3)
    sites = sites[torch.randperm(len(sites))[:number]]
    pos = spacing * (sites + 0.1 * torch.randn(number, 3))
    return pos, spacing * side * torch.eye(3)


def main() -> None:
    """Build a box of atoms and train a network on it once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--atoms", type=int, default=20_000)
    parser.add_argument("--cutoff", type=float, default=4.0)
    parser.add_argument("--neighbors", type=int, default=12, help="of knn_graph")
    parser.add_argument("--channels", type=int, default=16)
    flags = parser.parse_args()

    torch.manual_seed(0)
    pos, cell = matter(flags.atoms)
    z = torch.randint(1, 9, (flags.atoms,))
    model = nn.PaiNN(flags.channels, num_layers=2, cutoff=flags.cutoff)
    field = nn.ForceField(model)
    print(f"{flags.atoms} atoms in a box of {float(cell[0, 0]):.1f} A, {model}")
    print(f"{'':40}{'time':>10}{'peak':>11}\n{'at the start':40}{peak():18.2f} GB")

    with measured(f"the {flags.neighbors} nearest of each atom"):
        edge_index, _ = graph.knn_graph(pos, flags.neighbors, cell=cell)
    with measured(f"{flags.atoms // 100} atoms far from each other"):
        graph.fps(pos, ratio=0.01)
    with measured(f"all pairs within {flags.cutoff:g} A"):
        edge_index, edge_shift = graph.radius_graph(pos, flags.cutoff, cell=cell)
    print(f"{edge_index.shape[1]} edges, {edge_index.shape[1] / flags.atoms:.1f} each")

    given = {"edge_index": edge_index, "edge_shift": edge_shift, "cell": cell}
    with measured("forward pass: the energy"), torch.no_grad():
        energy = model(z, pos, **given)
    with measured("energy and forces"):
        field.eval()(z, pos, **given)
    optimizer = torch.optim.Adam(model.parameters())
    with measured("training step: loss of energy and forces"):
        predicted = field.train()(z, pos, **given)
        loss = (predicted.energy / flags.atoms).square().sum()
        loss = loss + predicted.forces.square().mean()
        loss.backward()
        optimizer.step()
    largest = predicted.forces.norm(dim=-1).max()
    print(f"energy {energy.item():.3f}, largest force {largest:.3f}")


if __name__ == "__main__":
    main()
