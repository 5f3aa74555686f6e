"""Learn how charged particles move: no data, no download, less than a minute.

    python examples/quickstart.py

A small SEGNN is given positions, velocities and charges of five particles and predicts
how far each of them will have moved a while later.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import count
from pathlib import Path

import torch
from torch import Tensor
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
def mean_squared_error(network: ParticleModel, data: Data) -> float:
    """Over systems, particles and coordinates, as in the papers."""
    return float((predict(network, data) - data.y).square().mean())


def train(
    network: ParticleModel, loader: DataLoader, test: Data, seconds: float
) -> list[tuple[float, float]]:
    """Train for a while; returns times and test errors."""
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    curve = [(0.0, mean_squared_error(network, test))]
    start = time.perf_counter()
    for epoch in count(1):
        for data in loader:
            spent = (time.perf_counter() - start) / seconds
            optimizer.param_groups[0]["lr"] = 5e-3 * max(1 - spent, 0.01)
            optimizer.zero_grad()
            loss = (predict(network, data) - data.y).square().mean()
            loss.backward()
            optimizer.step()
        elapsed = time.perf_counter() - start
        curve.append((elapsed, mean_squared_error(network, test)))
        if epoch % 3 == 1 or elapsed > seconds:
            print(f"{elapsed:5.0f} s  epoch {epoch:3d}  test error {curve[-1][1]:.4f}")
        if elapsed > seconds:
            return curve
    return curve


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
    curve: list[tuple[float, float]],
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
    left.set(xlabel="seconds of training", ylabel="test error", yscale="log")
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
    parser.add_argument("--num-test", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=35.0, help="of training")
    parser.add_argument("--figure", type=Path, default=Path("quickstart.png"))
    flags = parser.parse_args()

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        root = flags.root or folder
        training = ChargedNBody(root, "train", flags.num_train)
        testing = ChargedNBody(root, "test", flags.num_test)
    loader = DataLoader(training, batch_size=50, shuffle=True)
    whole = next(iter(DataLoader(training, len(training))))
    test = next(iter(DataLoader(testing, len(testing))))
    guesses = baselines(whole, test)
    for name, error in guesses.items():
        print(f"particles {name}: test error {error:.4f}")

    print("papers, after hours on 3,000 systems: EGNN 0.0070, SEGNN 0.0043")

    network = ParticleSEGNN(hidden_channels=40, num_layers=3)
    print(f"{network}, {sum(p.numel() for p in network.parameters())} weights")
    curve = train(network, loader, test, flags.seconds)

    print(f"equivariance error: {check_equivariance(network, testing)}")
    with torch.no_grad():
        draw(flags.figure, curve, guesses, test, predict(network, test))
    print(f"figure: {flags.figure}")


if __name__ == "__main__":
    main()
