"""A network of your own, from our layers, learns energies and forces in plain PyTorch.

    python examples/own_network.py

The data need no download: clusters of gold and copper, shaken, with the energies and
forces of ASE's effective medium theory. Everything else is an ordinary PyG pipeline: a
list of ``Data``, a ``DataLoader``, a loop.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import torch
from ase.calculators.emt import EMT
from ase.cluster import Octahedron
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import global_add_pool

from pyg_equivariant import nn
from pyg_equivariant.transforms import from_ase


class Network(torch.nn.Module):
    """Atoms embedded, convolved twice, and their scalars summed to an energy."""

    def __init__(self, cutoff: float = 5.0, channels: int = 16) -> None:
        super().__init__()
        basis, envelope = nn.BesselBasis(8, cutoff), nn.PolynomialCutoff(cutoff)
        self.edges = nn.EdgeEmbedding(cutoff, basis, envelope, irreps_sh="0e+1o+2e")
        self.embedding = torch.nn.Embedding(100, channels)
        self.first = nn.PaiNNConv(channels, edge_dim=8)
        self.last = nn.TFNConv(self.first.irreps_out, "0e+1o+2e", "16x0e", edge_dim=8)
        self.out = nn.MLP([16, 16, 1])

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        """One energy for each graph."""
        edges = self.edges(pos, batch)
        x = self.first.on_edges(self.embedding(z), edges)
        x = self.last.on_edges(x, edges)
        return global_add_pool(self.out(x), batch)


def shaken_clusters(count: int, seed: int) -> list[Data]:
    """Octahedra of 19 atoms, with energies and forces."""
    random = np.random.default_rng(seed)
    graphs = []
    for _ in range(count):
        atoms = Octahedron("Cu", 3)
        atoms.numbers[random.random(len(atoms)) < 0.5] = 79
        atoms.set_cell(atoms.cell * 1.05, scale_atoms=True)
        atoms.positions += random.normal(scale=0.12, size=atoms.positions.shape)
        atoms.calc = EMT()
        atoms.get_forces()
        graphs.append(from_ase(atoms))
    return graphs


def force_error(model: nn.ForceField, graphs: list[Data]) -> tuple[float, float]:
    """The mean absolute error of the forces, and of saying zero, in meV/angstrom."""
    data = next(iter(DataLoader(graphs, len(graphs))))
    forces = model.eval()(data.z, data.pos, data.batch).forces
    error, size = (forces - data.force).abs().mean(), data.force.abs().mean()
    return 1000 * float(error), 1000 * float(size)


def main(arguments: list[str]) -> tuple[float, float]:
    """Train and test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--num-train", type=int, default=60)
    flags = parser.parse_args(arguments)

    torch.manual_seed(0)
    graphs, others = shaken_clusters(flags.num_train, 0), shaken_clusters(50, 1)
    model = nn.ForceField(Network())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, flags.epochs)
    for _ in range(flags.epochs):
        model.train()
        for data in DataLoader(graphs, batch_size=10, shuffle=True):
            energy, forces, _ = model(data.z, data.pos, data.batch)
            per_atom = (energy.squeeze(-1) - data.energy) / data.batch.bincount()
            loss = per_atom.square().mean() + (forces - data.force).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    error, size = force_error(model, others)
    print(f"forces: error {error:.1f} meV/A, of a mean size of {size:.1f} meV/A")
    return error, size


if __name__ == "__main__":
    main(sys.argv[1:])
