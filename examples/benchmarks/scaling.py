"""How time and memory of a training step grow with edges and atoms.

    python examples/benchmarks/scaling.py --folder FOLDER

The convolution (lmax 2, 16 channels) for 10^3 to 10^6 edges, and all networks
(of small width) for growing numbers of molecules. Every size is measured in a process
of its own: the least processor time of a training step, which other work disturbs
least, and by how much the first one raises the peak memory. A power law is fitted to
the larger half of the sizes: 1 is linear.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from molecules import molecules
from timing import fresh, parser, rise, versions

from pyg_equivariant.kernels import Convolution
from pyg_equivariant.networks import NETWORKS, find_network
from pyg_equivariant.o3 import Irreps, TensorProductPaths

# Networks are 64 scalars wide, unless stated otherwise.
WIDTHS: dict[str, dict[str, Any]] = {
    "schnet": {"hidden_channels": 64, "num_filters": 64},
    "tfn": {"hidden_channels": 16},
    "segnn": {"hidden_channels": 32},
}


def convolution(edges: int) -> tuple[Callable[[], object], int, int]:
    """Forward and backward by all inputs, 20 edges to a node."""
    harmonics = Irreps.spherical_harmonics(2)
    irreps = Irreps([(16, ir) for _, ir in harmonics])
    product = TensorProductPaths.depthwise(irreps, harmonics, keep=harmonics)
    convolve, nodes = Convolution(product), max(edges // 20, 1)
    edge_index = torch.randint(nodes, (2, edges))
    x = torch.randn(nodes, irreps.dim, requires_grad=True)
    y = torch.randn(edges, harmonics.dim, requires_grad=True)
    w = torch.randn(edges, product.weight_numel, requires_grad=True)

    def step() -> object:
        out = convolve(x, y, w, edge_index, nodes)
        return torch.autograd.grad(out, (x, y, w), torch.ones_like(out))

    return step, edges, nodes


def network(name: str, count: int) -> tuple[Callable[[], object], int, int]:
    """Forward and backward to the parameters, on ``count`` random molecules."""
    m = molecules(count, None)
    width = WIDTHS.get(name, {"hidden_channels": 64})
    model = find_network(name).model(cutoff=5.0, num_layers=2, **width)

    def step() -> object:
        edges = m.edge_index.clone()
        energy = model(m.z, m.pos, m.batch, edges, batch_size=count)
        energy.square().mean().backward()
        return model.zero_grad()

    return step, m.edge_index.shape[1], len(m.z)


def measure(name: str, size: int, seconds: float) -> None:
    """Print edges, nodes, milliseconds and MB of one size."""
    torch.manual_seed(0)
    made = convolution if name == "convolution" else None
    small, *_ = made(20) if made else network(name, 1)
    small()  # kernels are built, lazy imports done
    step, edges, nodes = made(size) if made else network(name, size)
    megabytes = rise(step)
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < seconds:
        before = time.process_time()
        step()
        times.append(1e3 * (time.process_time() - before))
    print(edges, nodes, min(times), megabytes)


def exponent(x: list[float], y: list[float]) -> float:
    """The slope of ``log y`` against ``log x`` over the larger half."""
    half = max(0, min(len(x) // 2, len(x) - 2))
    a = torch.tensor([[math.log(v), 1.0] for v in x[half:]])
    b = torch.tensor([[math.log(max(v, 1e-3))] for v in y[half:]])
    return float(torch.linalg.lstsq(a, b).solution[0])


def figure(found: dict[str, list[list[float]]], folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawing, axes = pyplot.subplots(2, 2, figsize=(10, 8), sharey="row")
    columns = ((0, "edges"), (1, "atoms"))
    values = ((2, "training step / ms"), (3, "peak memory / MB"))
    for row, (k, label) in zip(axes, values, strict=True):
        for ax, (column, along) in zip(row, columns, strict=True):
            for name, rows in found.items():
                ax.loglog(
                    [r[column] for r in rows], [r[k] for r in rows], "o-", label=name
                )
            ax.set(xlabel=along, ylabel=label)
            ax.grid(alpha=0.3)
    axes[0][0].legend()
    folder.mkdir(parents=True, exist_ok=True)
    drawing.tight_layout()
    drawing.savefig(folder / "scaling.png", dpi=150)
    print(f"figure: {folder / 'scaling.png'}")


def series(
    name: str, sizes: list[int], options: argparse.Namespace
) -> list[list[float]]:
    """All sizes of one curve, printed, and the exponents."""
    found = []
    for size in sizes:
        given = ["--measure", name, str(size), "--seconds", str(options.seconds)]
        if options.threads:
            given += ["--threads", str(options.threads)]
        numbers = [float(word) for word in fresh(__file__, *given).split()]
        found.append(numbers)
        edges, nodes, milliseconds, megabytes = numbers
        print(
            f"{name:12} {edges:9.0f} {nodes:9.0f} {milliseconds:10.2f} "
            f"{megabytes:10.1f}",
            flush=True,
        )
    edges, nodes, milliseconds, megabytes = map(list, zip(*found, strict=True))
    print(
        f"{name:12} exponents: time {exponent(edges, milliseconds):.2f} in edges, "
        f"{exponent(nodes, milliseconds):.2f} in atoms; memory "
        f"{exponent(edges, megabytes):.2f} in edges, "
        f"{exponent(nodes, megabytes):.2f} in atoms"
    )
    return found


def main(argv: list[str] | None = None) -> None:
    options_of = parser(__doc__, seconds=2.0)
    options_of.add_argument("--folder", type=Path, help="where the figure goes")
    options_of.add_argument(
        "--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS)
    )
    options_of.add_argument(
        "--edges", type=int, nargs="+", default=[10**3, 10**4, 10**5, 3 * 10**5, 10**6]
    )
    options_of.add_argument(
        "--molecules", type=int, nargs="+", default=[4, 16, 64, 256, 1024]
    )
    options_of.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = options_of.parse_args(argv)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.measure:
        measure(options.measure[0], int(options.measure[1]), options.seconds)
        return
    if options.quick:
        options.edges, options.molecules, options.seconds = [100, 1000], [1, 2], 0.0
    print(f"{versions()}, {torch.get_num_threads()} thread(s), float32")
    print(f"{'':12} {'edges':>9} {'atoms':>9} {'ms':>10} {'MB':>10}")
    found = {"convolution": series("convolution", options.edges, options)}
    for name in options.networks:
        found[name] = series(name, options.molecules, options)
    if options.folder is not None:
        figure(found, options.folder)


if __name__ == "__main__":
    main(sys.argv[1:])
