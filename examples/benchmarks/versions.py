"""Two checkouts of this package in turns: what a change made faster or slower.

    git worktree add ../before SOME_COMMIT
    python examples/benchmarks/versions.py --before ../before

One process for each checkout holds the same networks, layers and operators, with the
same random numbers. Calls alternate between the two, so that other load on the machine
meets both. A row prints milliseconds, smallest and median, and the ratio before / after
of each: above 1 is faster now. Results are compared first.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
Call = Callable[[], Any]


def derivatives(call: Callable[..., Any], inputs: list[Any], order: int) -> Any:
    """The value (0), its gradients (1), and those of a loss of gradients (2)."""
    import torch

    if order == 0:
        with torch.no_grad():
            return call(*inputs)
    leaves = [x.requires_grad_() for x in inputs]
    out = call(*leaves)
    first = torch.autograd.grad(
        (out * out).sum(), leaves, create_graph=order > 1, materialize_grads=True
    )
    if order == 1:
        return first
    loss = sum(g.square().sum() for g in first)
    return torch.autograd.grad(loss, leaves, materialize_grads=True)


def orders(name: str, call: Callable[..., Any], *inputs: Any) -> Iterator[Any]:
    for order, what in enumerate(("forward", "backward", "double backward")):
        yield f"{name}, {what}", partial(derivatives, call, list(inputs), order)


def operators() -> Iterator[tuple[str, Call]]:
    """The convolution and the harmonics."""
    import torch

    from pyg_equivariant import nn, o3
    from pyg_equivariant.kernels import Convolution

    paths = getattr(o3, "TensorProductPaths", None) or o3.TensorProduct
    for lmax, channels, edges in ((2, 64, 30_000), (4, 16, 30_000), (2, 16, 1000)):
        irreps_sh = o3.Irreps.spherical_harmonics(lmax)
        irreps = o3.Irreps([(channels, ir) for _, ir in irreps_sh])
        product = paths.depthwise(irreps, irreps_sh, keep=irreps)
        nodes = edges // 20
        edge_index = torch.randint(nodes, (2, edges))
        edge_index = edge_index[:, edge_index[1].argsort()]
        sizes = (
            (nodes, irreps.dim),
            (edges, irreps_sh.dim),
            (edges, product.weight_numel),
        )
        convolve = Convolution(product)

        def call(
            x: Any, y: Any, w: Any, f: Any = convolve, at: Any = edge_index
        ) -> Any:
            return f(x, y, w, at, x.shape[0])

        name = f"convolution, lmax {lmax}, {channels} channels, {edges} edges"
        yield from orders(name, call, *(torch.randn(*size) for size in sizes))
    irreps_sh = o3.Irreps.spherical_harmonics(6)
    if hasattr(nn, "SphericalHarmonics"):
        harmonics = nn.SphericalHarmonics(irreps_sh)
    else:
        from pyg_equivariant import kernels

        harmonics = kernels.SphericalHarmonics(irreps_sh)
    for count in (4000, 30_000):
        name = f"harmonics, lmax 6, {count} vectors"
        yield from orders(name, harmonics, torch.randn(count, 3))


def layers(m: Any) -> Iterator[tuple[str, Call]]:
    """Each layer on the edges of molecules."""
    import torch

    from pyg_equivariant import nn
    from pyg_equivariant.o3 import Irreps

    nodes, edges = len(m.z), m.edge_index.shape[1]
    sh, irreps = Irreps.spherical_harmonics(2), Irreps("32x0e+32x1o+32x2e")
    edge_sh, attr = sh.randn(edges, -1), torch.rand(edges, 20)
    vec, length = torch.randn(edges, 3), 5 * torch.rand(edges)
    x, at = torch.randn(nodes, 128), m.edge_index
    schnet = nn.SchNetConv(128, 128, 128, 20, 5.0)
    yield from orders("SchNetConv", lambda x, a: schnet(x, at, length, a), x, attr)
    painn, v = nn.PaiNNConv(128, 20, 5.0), torch.randn(nodes, 3, 128)
    yield from orders(
        "PaiNNConv",
        lambda x, v, r, a: torch.cat([t.flatten() for t in painn(x, v, at, r, a)]),
        *(x, v, vec, attr),
    )
    egnn = nn.EGNNConv(128, 128, 128, attention=True)
    yield from orders(
        "EGNNConv",
        lambda x, p: torch.cat(egnn(x, p, at), dim=-1),
        *(x, m.pos.clone()),
    )
    tfn = nn.TFNConv(irreps, sh, irreps, 20)
    features = irreps.randn(nodes, -1)
    yield from orders(
        "TFNConv", lambda x, y, a: tfn(x, at, y, a), features, edge_sh, attr
    )
    segnn = nn.SEGNNConv(irreps, sh, irreps, edge_dim=1)
    node_attr = sh.randn(nodes, -1)
    yield from orders(
        "SEGNNConv",
        lambda x, y, a: segnn(x, at, y, node_attr, a),
        *(features, edge_sh, attr[:, :1].contiguous()),
    )


def networks(m: Any) -> Iterator[tuple[str, Call]]:
    """Each network, in three kinds of steps."""
    import torch

    from pyg_equivariant import nn

    def energy(model: Any, pos: Any) -> Any:
        edges = m.edge_index.clone()
        return model(m.z, pos, m.batch, edges, batch_size=m.count)

    def forward(model: Any) -> Any:
        with torch.no_grad():
            return energy(model, m.pos)

    def train(model: Any) -> Any:
        loss = energy(model, m.pos).square().mean()
        loss.backward()
        model.zero_grad()
        return loss.detach()

    def forces(model: Any) -> Any:
        pos = m.pos.detach().requires_grad_()
        out = energy(model, pos)
        (gradient,) = torch.autograd.grad(out.sum(), pos, create_graph=True)
        (out.square().mean() + gradient.square().mean()).backward()
        model.zero_grad()
        return gradient.detach()

    steps = {"forward": forward, "training step": train, "energy + force": forces}
    names = ("SchNet", "PaiNN", "EGNN", "TFN", "SEGNN", "NequIP", "MACE")
    for name in (name for name in names if hasattr(nn, name)):
        torch.manual_seed(0)
        model = getattr(nn, name)(cutoff=5.0)
        for what, step in steps.items():
            yield f"{name}, {m.count} molecules, {what}", partial(step, model)


def workloads(wanted: list[str]) -> dict[str, Call]:
    """All rows by name."""
    from itertools import chain

    import torch
    from molecules import molecules

    torch.manual_seed(0)
    few, many = molecules(4, None), molecules(32, None)
    rows = chain(operators(), layers(many), networks(few), networks(many))
    return {name: call for name, call in rows if any(w in name for w in wanted)}


def work(wanted: list[str], threads: int) -> None:
    """Answer on standard output what is asked on standard input."""
    import torch

    torch.set_num_threads(threads)
    calls = workloads(wanted)
    print("\t".join(calls), flush=True)
    for line in sys.stdin:
        name, seconds = line.rstrip("\n").split("\t")
        begin, times = time.perf_counter(), []
        while not times or time.perf_counter() - begin < float(seconds):
            start = time.perf_counter()
            out = calls[name]()
            times.append(1e3 * (time.perf_counter() - start))
        parts = out if isinstance(out, tuple) else (out,)
        checksum = sum(float(t.double().abs().sum()) for t in parts)
        print(f"{min(times)}\t{statistics.median(times)}\t{checksum}", flush=True)


class Worker:
    """A process that holds one checkout."""

    def __init__(self, folder: Path, options: Any) -> None:
        command = [sys.executable, str(HERE), "--work", *options.rows]
        path = os.pathsep.join([str(folder), str(HERE.parent)])
        self.process = subprocess.Popen(
            [*command, "--threads", str(options.threads)],
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names = self.answer()

    def answer(self) -> list[str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a process failed")
        return line.rstrip("\n").split("\t")

    def ask(self, name: str, seconds: float) -> list[float]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\t{seconds}\n")
        self.process.stdin.flush()
        return [float(word) for word in self.answer()]


def main(argv: list[str] | None = None) -> None:
    import argparse

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--before", type=Path, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", nargs="+", default=[""], help="parts of row names")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.work:
        work(options.work, options.threads)
        return
    if options.before is None:
        parser.error("--before names the other checkout")
    sides = [
        Worker(options.before.resolve(), options),
        Worker(HERE.parents[2], options),
    ]
    head = f"{'milliseconds':58} {'before':>17} {'after':>17}  min   median"
    print(head, flush=True)
    for name in sides[0].names:
        found = [[side.ask(name, 0.0)[2]] for side in sides]
        turns: list[list[list[float]]] = [[], []]
        for k in range(options.rounds):
            for side in (0, 1) if k % 2 else (1, 0):
                turns[side].append(sides[side].ask(name, options.seconds))
        least = [min(t[0] for t in turn) for turn in turns]
        middle = [statistics.median(t[1] for t in turn) for turn in turns]
        (a,), (b,) = found
        differ = "" if abs(a - b) <= 1e-3 * max(abs(a), 1e-6) else f"  {a:.6g} {b:.6g}!"
        cells = [f"{x:8.3f} {y:8.3f}" for x, y in zip(least, middle, strict=True)]
        ratios = f"{least[0] / least[1]:.3f} {middle[0] / middle[1]:.3f}"
        print(f"{name:58} {cells[0]} {cells[1]}  {ratios}{differ}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
