"""Learn how charged particles move: no data, no download, about a minute.

    python examples/quickstart.py

A small SEGNN is given positions, velocities and charges of five particles and predicts
how far each of them will have moved a while later.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from pyg_equivariant.datasets import ChargedNBody
from pyg_equivariant.nn.particles import ParticleModel, ParticleSEGNN
from pyg_equivariant.testing import equivariance_error


def predict(network: ParticleModel, data: Data) -> Tensor:
    """The positions after the motion."""
    edges = data.edge_index, data.edge_attr, data.batch
    moved: Tensor = network(data.pos, data.vel, data.charge, *edges)
    return moved


@torch.no_grad()
def squared_errors(network: ParticleModel, data: Data) -> Tensor:
    """Of every system, over particles and coordinates, as in the papers."""
    return (predict(network, data) - data.y).square().view(data.num_graphs, -1).mean(1)


def train(
    network: ParticleModel, loader: DataLoader, valid: Data, epochs: int
) -> list[tuple[int, float]]:
    """Train, and keep the averaged weights that validate best; returns those errors."""
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    schedule = CosineAnnealingLR(optimizer, epochs * len(loader))
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    curve = [(0, float(squared_errors(network, valid).mean()))]
    best, start = math.inf, time.perf_counter()
    for epoch in range(1, epochs + 1):
        for data in loader:
            optimizer.zero_grad()
            loss = (predict(network, data) - data.y).square().mean()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
        error = float(squared_errors(average.module, valid).mean())
        curve.append((epoch, error))
        if error < best:
            best, weights = error, deepcopy(average.module.state_dict())
        if epoch % 3 == 1 or epoch == epochs:
            elapsed = time.perf_counter() - start
            print(f"{elapsed:5.0f} s  epoch {epoch:3d}  validation error {error:.4f}")
    network.load_state_dict(weights)
    return curve


def as_one(systems: ChargedNBody) -> Data:
    """All of them in one batch."""
    return next(iter(DataLoader(systems, len(systems))))


def baselines(train: Data, test: Data) -> dict[str, float]:
    """Errors of two guesses that need no network."""
    moved = train.y - train.pos
    duration = float((moved * train.vel).sum() / train.vel.square().sum())
    straight = test.pos + duration * test.vel
    return {
        "stay where they are": float((test.pos - test.y).square().mean()),
        "go straight on": float((straight - test.y).square().mean()),
    }


def check_equivariance(network: ParticleModel, systems: ChargedNBody) -> str:
    """How much the predictions differ if everything is turned, mirrored or moved."""
    some = next(iter(DataLoader(systems, 2)))
    others = some.charge, some.edge_index, some.edge_attr, some.batch
    error = equivariance_error(
        lambda pos, vel: network(pos, vel, *others),
        ["pos", "1o"],
        "pos",
        [some.pos, some.vel],
    )
    return ", ".join(f"{name} {value:.0e}" for name, value in error._asdict().items())


def draw(
    path: Path,
    curve: list[tuple[int, float]],
    guesses: dict[str, float],
    test: Data,
    predicted: Tensor,
) -> None:
    """The falling error, and one system as it was, is and was predicted."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot(*zip(*curve, strict=True), label="SEGNN")
    for (name, error), style in zip(guesses.items(), (":", "--"), strict=True):
        left.axhline(error, color="grey", linestyle=style, label=name)
    left.set(xlabel="epoch", ylabel="validation error", yscale="log")
    left.legend()

    before, after, guess = test.pos[:5], test.y[:5], predicted[:5]
    for a, b in zip(before, after, strict=True):
        right.plot([a[0], b[0]], [a[1], b[1]], color="grey", linewidth=1, zorder=0)
    right.scatter(before[:, 0], before[:, 1], c=test.charge[:5, 0], cmap="coolwarm")
    right.plot(*after[:, :2].T, "o", color="grey", fillstyle="none", label="moved to")
    right.plot(*guess[:, :2].T, "x", color="black", label="predicted")
    right.set(xlabel="x", ylabel="y", title="five particles, by charge")
    right.legend()
    right.margins(0.1)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Train, then check what was promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", help="where to keep the simulated trajectories")
    parser.add_argument("--num-train", type=int, default=3000)
    parser.add_argument("--num-valid", type=int, default=500)
    parser.add_argument("--num-test", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--figure", type=Path, default=Path("quickstart.png"))
    flags = parser.parse_args()

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        root = flags.root or folder
        training = ChargedNBody(root, "train", flags.num_train)
        validating = ChargedNBody(root, "val", flags.num_valid)
        testing = ChargedNBody(root, "test", flags.num_test)
    loader = DataLoader(training, batch_size=50, shuffle=True)
    whole, valid, test = map(as_one, (training, validating, testing))
    guesses = baselines(whole, test)
    for name, error in guesses.items():
        print(f"particles {name}: test error {error:.4f}")

    network = ParticleSEGNN(hidden_channels=40, num_layers=3)
    print(f"{network}, {sum(p.numel() for p in network.parameters())} weights")
    curve = train(network, loader, valid, flags.epochs)

    errors = squared_errors(network, test)
    spread = float(errors.std()) / math.sqrt(len(errors))
    print(
        f"test error, {len(errors)} systems: {float(errors.mean()):.4f} ± {spread:.4f}"
    )
    print("papers, 10,000 and 1,000 epochs: EGNN 0.0070, SEGNN 0.0043")

    print(f"equivariance error: {check_equivariance(network, testing)}")
    with torch.no_grad():
        draw(flags.figure, curve, guesses, test, predict(network, test))
    print(f"figure: {flags.figure}")


if __name__ == "__main__":
    main()
