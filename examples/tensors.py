"""Learn a polarizability: every network predicts tensors, and any irreps.

    python examples/tensors.py
    python examples/tensors.py --network schnet --irreps-out 1x2e

The target is a closed formula, the bond polarizability model: every bond adds a tensor
along its direction, more of it the longer the bond. ``irreps_out="ij=ji"`` makes a
network predict symmetric tensors (molecules, 3, 3); ``"1x2e"`` their anisotropic part
as five numbers.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from pyg_equivariant import o3
from pyg_equivariant.graph import radius_graph
from pyg_equivariant.networks import NETWORKS, find_network

BOND = 1.9  # angstrom
STRENGTH = {1: 0.4, 6: 1.2, 8: 0.8}
POLARIZABILITY = o3.CartesianTensor("ij=ji")


def bond_polarizability(z: Tensor, pos: Tensor) -> Tensor:
    """The tensor (3, 3) of a molecule, a sum over atoms and over pairs in reach."""
    strength = torch.tensor([STRENGTH[int(number)] for number in z])
    i, j = radius_graph(pos, BOND)[0]
    r = pos[j] - pos[i]
    square = r.square().sum(-1)
    fade = (1 - square / BOND**2).square()
    along = torch.einsum("e,ei,ej->ij", strength[i] * strength[j] * fade, r, r)
    return strength.sum() * torch.eye(3) + along


def molecules(count: int, generator: torch.Generator) -> list[Data]:
    """Molecules that grow at random, every atom a bond from one before."""
    out = []
    for _ in range(count):
        size = int(torch.randint(4, 8, (), generator=generator))
        species = torch.randint(3, (size,), generator=generator)
        z = torch.tensor(sorted(STRENGTH))[species]
        pos = torch.zeros(1, 3)
        while len(pos) < size:
            anchor = pos[int(torch.randint(len(pos), (), generator=generator))]
            step = torch.randn(3, generator=generator)
            length = 1.0 + 0.5 * torch.rand((), generator=generator)
            new = anchor + length * step / step.norm()
            if (pos - new).norm(dim=1).min() > 0.9:
                pos = torch.cat([pos, new.unsqueeze(0)])
        y = bond_polarizability(z, pos).unsqueeze(0)
        out.append(Data(z=z, pos=pos, y=y))
    return out


def target(y: Tensor, irreps_out: str) -> Tensor:
    """The Cartesian tensors, or their 2e, which follows the trace."""
    return y if irreps_out == "ij=ji" else POLARIZABILITY.from_cartesian(y)[:, 1:]


def turned(y: Tensor, R: Tensor, irreps_out: str) -> Tensor:
    """What was predicted, from another side."""
    return R @ y @ R.T if irreps_out == "ij=ji" else o3.rotate(irreps_out, y, R)


def predict(model: torch.nn.Module, data: Data, R: Tensor | None = None) -> Tensor:
    """For all molecules of a batch, turned or not."""
    pos = data.pos if R is None else data.pos @ R.T
    out: Tensor = model(data.z, pos, data.batch, batch_size=data.num_graphs)
    return out


def train(
    model: torch.nn.Module,
    loader: DataLoader,
    irreps_out: str,
    epochs: int,
    scale: float,
) -> None:
    """Least squares by Adam, in units of the target's spread."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(1, epochs + 1):
        total = 0.0
        for data in loader:
            difference = predict(model, data) - target(data.y, irreps_out)
            loss = (difference / scale).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
        schedule.step()
        if epoch % 5 == 0 or epoch == epochs:
            print(f"epoch {epoch:3d}  loss {total / len(loader):.4f}", flush=True)


@torch.no_grad()
def report(model: torch.nn.Module, test: Data, mean: Tensor, irreps_out: str) -> None:
    """Errors beside those of a guess, and what a turn and a mirror change."""
    y = target(test.y, irreps_out)
    found = predict(model, test)
    error, guess = ((x - y).square().mean().sqrt() for x in (found, mean))
    print(f"test error {error:.4f}, of the mean tensor {guess:.4f}")
    for name, improper in (("rotation", False), ("reflection", True)):
        R = o3.rand_matrix(improper=improper)
        change = predict(model, test, R) - turned(found, R, irreps_out)
        print(f"{name}: error {change.abs().max():.0e}")


def main() -> None:
    """Train, then compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=list(NETWORKS), default="painn")
    parser.add_argument("--irreps-out", choices=["ij=ji", "1x2e"], default="ij=ji")
    parser.add_argument("--num-train", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    flags = parser.parse_args()
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    training = molecules(flags.num_train, generator)
    test = next(iter(DataLoader(molecules(200, generator), 200)))
    whole = torch.cat([target(data.y, flags.irreps_out) for data in training])
    mean = whole.mean(0, keepdim=True)

    network = find_network(flags.network)
    size = {"hidden_channels": 32, "num_layers": 2, "cutoff": 4.0}
    if flags.network == "tfn":
        size["hidden_channels"] = 8
    local = {**network.smooth, **network.extensive}  # a sum over atoms
    model = network.model(**size, **local, irreps_out=flags.irreps_out)
    print(f"{model}, {sum(p.numel() for p in model.parameters())} weights")
    loader = DataLoader(training, batch_size=25, shuffle=True)
    scale = float((whole - mean).square().mean().sqrt())
    train(model, loader, flags.irreps_out, flags.epochs, scale)
    report(model, test, mean, flags.irreps_out)


if __name__ == "__main__":
    main()
