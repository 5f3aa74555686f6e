"""What layers and networks tell apart, and what they cannot, at any weights.

    python examples/expressivity.py

The experiments of "On the Expressive Power of Geometric Graph Neural Networks"
(https://arxiv.org/abs/2301.09308). Nothing is trained: for several random
initializations in float64, the distance between what a layer gives for either structure
of a pair, relative to the largest number in it. The second structure is turned at
random where only invariants are compared, so that equal means equal up to rounding.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import Data

from pyg_equivariant import nn, o3
from pyg_equivariant.datasets import (
    chain_pair,
    star_pair,
    twin_environments,
    twisted_pair,
)
from pyg_equivariant.networks import NETWORKS

Build = Callable[[], Module]
Pair = tuple[Data, Data]
CHANNELS, NUM_RADIAL, CUTOFF = 4, 8, 5.0
LAYERS = ("SchNetConv", "EGNNConv", "PaiNNConv", "TFNConv", "NequIPConv", "MACEConv")
LAYERS += ("SE3TransformerConv", "SEGNNConv")
NARROW: dict[str, Any] = {"hidden_channels": 8, "avg_num_neighbors": 2.0}
SMALL: dict[str, dict[str, Any]] = {
    "schnet": {},
    "dimenetplusplus": {},
    "spherenet": {},
    "egnn": {"update_pos": True, "hidden_channels": 16},
    "painn": {"hidden_channels": 16},
    "tfn": NARROW,
    "l1net": NARROW | {"hidden_channels": 4},
    "nequip": NARROW,
    "mace": NARROW,
    "allegro": NARROW | {"tensor_channels": 4},
    "cormorant": {"hidden_channels": 4, "gain": 5.0},
    "se3transformer": {"hidden_channels": 8},
    "segnn": {"hidden_channels": 32, "norm": None},
}
"""Networks that are compared, and their widths. Norms over all atoms are left out: they
tell every atom of all others at once."""
APART, EQUAL = 1e-6, 1e-10
"""Distances above the one and below the other; nothing should lie between them."""


def degrees(lmax: int, mul: int = CHANNELS) -> o3.Irreps:
    """So many copies of the harmonics of all degrees."""
    return o3.Irreps([(mul, ir) for _, ir in o3.Irreps.spherical_harmonics(lmax)])


def layer(
    name: str, lmax: int, lmax_sh: int | None = None, **arguments: object
) -> nn.EquivariantConv:
    """A layer from scalars to all degrees up to ``lmax``, as far as it has them.

    Args:
        name: of its class.
        lmax: of its output.
        lmax_sh: of the harmonics; by default the same.
        arguments: others of its own.
    """
    kind: Any = getattr(nn, name)
    if name == "SchNetConv":
        return kind(CHANNELS, CHANNELS, 16, NUM_RADIAL)
    if name == "EGNNConv":
        return kind(CHANNELS, 16, CHANNELS, edge_dim=NUM_RADIAL)
    if name == "PaiNNConv":
        return kind(CHANNELS, NUM_RADIAL)
    sh = o3.Irreps.spherical_harmonics(lmax if lmax_sh is None else lmax_sh)
    given = f"{CHANNELS}x0e", sh, degrees(lmax)
    if name == "SEGNNConv":
        arguments.setdefault("irreps_hidden", degrees(lmax, 8))
    with warnings.catch_warnings():  # of irreps that only a later product reaches
        warnings.simplefilter("ignore", UserWarning)
        return kind(*given, edge_dim=NUM_RADIAL, **arguments)


def at_center(conv: nn.EquivariantConv, graph: Data) -> Tensor:
    """Features of the center after one layer, when all atoms are alike."""
    sh = getattr(conv, "irreps_sh", "0e+1o")
    edges = nn.EdgeEmbedding(None, nn.BesselBasis(NUM_RADIAL, CUTOFF), None, sh)
    x = torch.zeros(len(graph.pos), conv.irreps_in.dim, dtype=graph.pos.dtype)
    x[:, :CHANNELS] = torch.linspace(0.5, 1.5, CHANNELS)
    found = edges.double()(graph.pos, edge_index=graph.edge_index)
    return conv.on_edges(x, found)[0]


def scalars_at_center(conv: nn.EquivariantConv, graph: Data) -> Tensor:
    """The invariants among them."""
    return at_center(conv, graph)[: conv.irreps_out.count("0e")]


def network(name: str, num_layers: int, lmax: int = 2) -> nn.MolecularModel:
    """A small network of so many layers, with degrees up to ``lmax`` if it has any."""
    known = NETWORKS[name]
    given = SMALL[name] | {"num_layers": num_layers}
    given |= dict.fromkeys(known.degrees, lmax)
    if name == "mace":
        given["lmax_hidden"] = lmax
    return known.build_small(**given)


def energy(model: nn.MolecularModel, graph: Data) -> Tensor:
    """What the network predicts for a graph of given bonds."""
    out = model(graph.z, graph.pos, edge_index=graph.edge_index)
    assert isinstance(out, Tensor)
    return out


def distances(
    build: Callable[[], Any],
    evaluate: Callable[[Any, Data], Tensor],
    pair: Pair,
    seeds: Iterable[int] = range(3),
    turn: bool = True,
) -> list[float]:
    """How far the outputs for a pair are apart, for each initialization.

    Args:
        build: makes the layer or network.
        evaluate: what is compared.
        pair: the two structures.
        seeds: of the initializations.
        turn: turn the second structure at random first, where invariants are compared.
    """
    first, second = pair
    found = []
    for seed in seeds:
        torch.manual_seed(seed)
        model = enlarge(build().double())
        turned = second.clone()
        if turn:
            turned.pos = second.pos @ o3.rand_matrix(dtype=second.pos.dtype).T
        with torch.no_grad():
            a, b = evaluate(model, first), evaluate(model, turned)
        found.append(float((a - b).abs().max() / a.abs().max()))
    return found


def enlarge(model: Module) -> Module:
    """Larger weights, so that products of many of them do not vanish.

    The displacements of EGNN begin a thousand times smaller than its messages.
    """
    layers = [*model.modules()]
    painn = any(isinstance(module, nn.PaiNNConv) for module in layers)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.2 if painn else 1.7
        for module in layers:
            if isinstance(module, nn.EGNNConv) and module.lin_x is not None:
                module.lin_x.weight.normal_(std=4.0)
    return model


def staircase(name: str, lmax: int, folds: int, seeds: Iterable[int] = (0,)) -> Tensor:
    """Distances of stars of 1, 2, ... spokes, for degrees 1, 2, ..."""
    rows = []
    for l in range(1, lmax + 1):
        stars = [star_pair(fold) for fold in range(1, folds + 1)]
        build = partial(layer, name, l)
        rows.append(
            [median(distances(build, at_center, s, seeds, False)) for s in stars]
        )
    return torch.tensor(rows, dtype=torch.float64)


def show(title: str, columns: Iterable[object], rows: dict[str, list[float]]) -> None:
    """Print a table; what is equal up to rounding is a point."""
    heads = [str(column) for column in columns]
    print(f"\n{title}\n\n{'':34}" + "".join(f"{head:>9}" for head in heads))
    for name, values in rows.items():
        cells = ("." if value < EQUAL else f"{value:.0e}" for value in values)
        print(f"{name:34}" + "".join(f"{cell:>9}" for cell in cells), flush=True)


def stars(seeds: range, lmax: int) -> None:
    """One layer and the orientation of a star."""
    folds = range(1, lmax + 2)
    found = staircase("TFNConv", lmax, folds[-1], seeds)
    rows = {f"TFNConv, l = {l}": found[l - 1].tolist() for l in range(1, lmax + 1)}
    show("Stars: features of the center, for so many spokes", folds, rows)
    kinds = {name: partial(layer, name, 2) for name in LAYERS}
    kinds["SEGNNConv, attributes to 1"] = partial(layer, "SEGNNConv", 2, 1)
    kinds["SEGNNConv, l = 4"] = partial(layer, "SEGNNConv", 4)
    kinds["SEGNNConv, l = 4, attributes to 2"] = partial(layer, "SEGNNConv", 4, 2)
    rows = {
        name: [
            median(distances(build, at_center, star_pair(fold), seeds, False))
            for fold in range(1, 6)
        ]
        for name, build in kinds.items()
    }
    show("Stars: other layers, l = 2", range(1, 6), rows)


def twins(seeds: range) -> None:
    """One layer and neighborhoods that agree in few atoms at a time."""
    kinds = {name: partial(layer, name, 2) for name in LAYERS[:5]}
    kinds["SE3TransformerConv"] = partial(layer, "SE3TransformerConv", 2)
    for steps in (0, 1, 2, 3):
        arguments = {"num_update_layers": steps, "irreps_hidden": degrees(2)}
        name = f"SEGNNConv, {steps} update layers"
        kinds[name] = partial(layer, "SEGNNConv", 2, **arguments)
    for nu in (1, 2, 3, 4):
        name = f"MACEConv, correlation {nu}"
        kinds[name] = partial(layer, "MACEConv", 2, correlation=nu)
    kinds["MACEConv, correlation 4, l = 1"] = partial(
        layer, "MACEConv", 1, correlation=4
    )
    rows = {
        name: [
            median(distances(build, scalars_at_center, twin_environments(n), seeds))
            for n in (2, 3, 4)
        ]
        for name, build in kinds.items()
    }
    show("Twins: scalars of the center, by body order", (2, 3, 4), rows)


def chains(seeds: range, length: int, depth: int) -> None:
    """Networks and the ends of a chain."""
    layers = range(1, depth + 1)
    rows = {
        name: [
            median(
                distances(partial(network, name, n), energy, chain_pair(length), seeds)
            )
            for n in layers
        ]
        for name in SMALL
    }
    title = f"Chains of {length} + 2 atoms: energies, for so many layers"
    show(f"{title} (theory: from {length // 2 + 1} on)", layers, rows)


def twists(seeds: range) -> None:
    """Networks and the torsion of two stars."""
    folds = range(2, 5)
    rows = {
        f"{name}, l = {lmax}" if NETWORKS[name].degrees else name: [
            median(distances(partial(network, name, 3, lmax), energy, pair, seeds))
            for pair in map(twisted_pair, folds)
        ]
        for name in SMALL
        for lmax in ((2, 3) if NETWORKS[name].degrees else (1,))
    }
    show("Twisted stars: energies of 3 layers, for so many spokes", folds, rows)


def main(arguments: list[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="initializations")
    parser.add_argument("--lmax", type=int, default=10, help="of the first table")
    parser.add_argument("--length", type=int, default=4, help="of chains")
    parser.add_argument("--depth", type=int, default=6, help="layers along chains")
    flags = parser.parse_args(arguments)
    seeds = range(flags.seeds)
    print(
        f"torch {torch.__version__}, float64, median of {flags.seeds} initializations"
    )
    print(f"of the relative distance; a point is below {EQUAL:.0e}")
    stars(seeds, flags.lmax)
    twins(seeds)
    chains(seeds, flags.length, flags.depth)
    twists(seeds)


if __name__ == "__main__":
    main(sys.argv[1:])
