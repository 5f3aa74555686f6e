"""Tell shapes apart by points on their surfaces, in whatever way they are turned.

    python examples/point_clouds.py

Two networks learn from shapes that stand upright. Both go from 128 points to 32 to 8
(farthest point sampling, nearest neighbors) and then to one vector for each cloud. One
is PyG's PointNet++ on coordinates, the other pools steerable features along the same
edges. Then the shapes are turned.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn import PointNetConv, global_max_pool, global_mean_pool

from pyg_equivariant import graph, nn, o3

POINTS = 128
Shape = Callable[[int, torch.Generator], Tensor]


def directions(number: int, generator: torch.Generator, d: int = 3) -> Tensor:
    return F.normalize(torch.randn(number, d, generator=generator), dim=-1)


def sphere(number: int, generator: torch.Generator) -> Tensor:
    return directions(number, generator)


def cube(number: int, generator: torch.Generator) -> Tensor:
    pos = 2 * torch.rand(number, 3, generator=generator) - 1
    face = torch.randint(3, (number, 1), generator=generator)
    return 0.8 * pos.scatter(1, face, pos.gather(1, face).sign())


def torus(number: int, generator: torch.Generator) -> Tensor:
    a, b = (directions(number, generator, 2) for _ in range(2))
    ring = 0.9 + 0.35 * b[:, :1]
    return torch.cat([ring * a, 0.35 * b[:, 1:]], dim=-1)


def cylinder(number: int, generator: torch.Generator) -> Tensor:
    height = 2 * torch.rand(number, 1, generator=generator) - 1
    return torch.cat([0.5 * directions(number, generator, 2), 1.2 * height], dim=-1)


def cone(number: int, generator: torch.Generator) -> Tensor:
    height = torch.rand(number, 1, generator=generator).sqrt()
    around = 0.8 * height * directions(number, generator, 2)
    return torch.cat([around, 1.6 * (0.5 - height)], dim=-1)


def helix(number: int, generator: torch.Generator) -> Tensor:
    height = 2 * torch.rand(number, 1, generator=generator) - 1
    angle = 2 * torch.pi * height
    return torch.cat([0.7 * angle.cos(), 0.7 * angle.sin(), height], dim=-1)


SHAPES: list[Shape] = [sphere, cube, torus, cylinder, cone, helix]


def clouds(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Upright clouds, each of its own size, one after the other, and their classes."""
    label = torch.randint(len(SHAPES), (number,), generator=generator)
    pos = torch.stack([SHAPES[int(k)](POINTS, generator) for k in label])
    size = 1 + 0.15 * torch.randn(number, 1, 3, generator=generator)
    noise = 0.03 * torch.randn(pos.shape, generator=generator)
    return (size * pos + noise).flatten(0, 1), label


def turned(pos: Tensor, generator: torch.Generator) -> Tensor:
    """Each cloud turned in a way of its own."""
    clouds = pos.view(-1, POINTS, 3)
    R = o3.rand_matrix(len(clouds), generator=generator)
    return (clouds @ R.mT).flatten(0, 1)


# Points of a cloud to a quarter of them, each with those that are nearest
coarsen = partial(graph.pooling_graph, ratio=0.25, k=16)


class PointNet(torch.nn.Module):
    """Messages of coordinates; largest features win."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        first = nn.MLP([3, channels, channels])
        second = nn.MLP([channels + 3, channels, 2 * channels])
        self.convs = torch.nn.ModuleList(
            PointNetConv(f, add_self_loops=False) for f in (first, second)
        )
        self.head = nn.MLP([2 * channels, channels, len(SHAPES)])

    def forward(self, pos: Tensor, batch: Tensor, batch_size: int) -> Tensor:
        x = None
        for conv in self.convs:
            index, coarse = coarsen(pos, batch)
            ends = None if x is None else (x, x[index])
            x = conv(ends, (pos, coarse.pos), coarse.edge_index)
            pos, batch = coarse.pos, coarse.batch
        return self.head(global_max_pool(x, batch, batch_size))


class Steerable(torch.nn.Module):
    """Messages of irreps, steered by the harmonics of directions."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        hidden = f"{channels}x0e+{channels // 2}x1o+{channels // 2}x2e"
        self.edges = nn.EdgeEmbedding(
            None, nn.GaussianBasis(8, 1.5), irreps_sh="0e+1o+2e"
        )
        irreps = ["1x0e", hidden, f"{2 * channels}x0e"]
        self.convs = torch.nn.ModuleList(
            nn.SEGNNConv(a, "0e+1o+2e", b, hidden, 8, residual=False, aggr="mean")
            for a, b in pairwise(irreps)
        )
        self.head = nn.MLP([2 * channels, channels, len(SHAPES)])

    def forward(self, pos: Tensor, batch: Tensor, batch_size: int) -> Tensor:
        x = torch.ones_like(pos[:, :1])
        for conv in self.convs:
            index, coarse = coarsen(pos, batch)
            x = conv.on_edges((x, x[index]), self.edges.embed(coarse))
            pos, batch = coarse.pos, coarse.batch
        return self.head(global_mean_pool(x, batch, batch_size))


def classify(network: torch.nn.Module, pos: Tensor) -> Tensor:
    number = len(pos) // POINTS
    batch = torch.arange(number).repeat_interleave(POINTS)
    scores: Tensor = network(pos, batch, number)
    return scores


def train(
    network: torch.nn.Module, steps: int, number: int, generator: torch.Generator
) -> None:
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(steps):
        pos, label = clouds(number, generator)
        optimizer.zero_grad()
        F.cross_entropy(classify(network, pos), label).backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def accuracy(network: torch.nn.Module, pos: Tensor, label: Tensor) -> float:
    """The part of the clouds that are told right."""
    return float((classify(network, pos).argmax(-1) == label).double().mean())


def main() -> None:
    """Train both upright, then turn the clouds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--clouds", type=int, default=16, help="in each step")
    parser.add_argument("--test-clouds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()

    generator = torch.Generator().manual_seed(flags.seed + 1)
    pos, label = clouds(flags.test_clouds, generator)
    other = turned(pos, generator)
    print(f"{len(SHAPES)} shapes, part of {len(label)} clouds that is told right\n")
    print(f"{'network':12}{'weights':>9}{'upright':>10}{'turned':>9}")
    for kind in (PointNet, Steerable):
        torch.manual_seed(flags.seed)
        network, start = kind(), time.perf_counter()
        generator = torch.Generator().manual_seed(flags.seed)
        train(network, flags.steps, flags.clouds, generator)
        size = sum(p.numel() for p in network.parameters())
        found = [accuracy(network, x, label) for x in (pos, other)]
        spent = time.perf_counter() - start
        line = f"{found[0]:10.1%}{found[1]:9.1%}   {spent:.0f} s"
        print(f"{kind.__name__:12}{size:9,}{line}", flush=True)


if __name__ == "__main__":
    main()
