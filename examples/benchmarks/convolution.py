"""The fused tensor-product convolution beside e3nn's gather, product and scatter.

Every row is a ratio of medians taken in turns in this process, on the same numbers,
after the results were compared. Run from the root of the repository::

    python examples/benchmarks/convolution.py --lmax 2 --channels 64
    python examples/benchmarks/convolution.py --lmax 4 6 --channels 16
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from pyg_equivariant.kernels import Convolution
from pyg_equivariant.o3 import Irreps, TensorProduct

Function = Callable[[Tensor, Tensor, Tensor], Tensor]


def product_of(lmax: int, channels: int) -> TensorProduct:
    """All depth-wise paths between features and harmonics up to ``lmax``."""
    harmonics = Irreps.spherical_harmonics(lmax)
    return TensorProduct.depthwise(
        Irreps([(channels, ir) for _, ir in harmonics]), harmonics, keep=harmonics
    )


def ours(product: TensorProduct, edges: Tensor, nodes: int) -> Function:
    convolve = Convolution(product)
    return lambda x, y, w: convolve(x, y, w, edges, nodes)


def theirs(product: TensorProduct, edges: Tensor, nodes: int, jit: bool) -> Function:
    """The same in e3nn. Features are in e3nn's order, the path weights in both."""
    import e3nn.o3

    paths = [(*p[:3], p.connection, p.has_weight, p.path_weight) for p in product.paths]
    module: Callable[..., Tensor] = e3nn.o3.TensorProduct(
        str(product.irreps_in1),
        str(product.irreps_in2),
        str(product.irreps_out),
        paths,
        shared_weights=False,
        internal_weights=False,
    )
    source, target = edges

    def convolve(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        messages = module(x[source], y, w)
        out = messages.new_zeros(nodes, messages.shape[1])
        return out.index_add(0, target, messages)

    if jit:
        return torch.compile(convolve)
    return convolve


def step(
    function: Function, inputs: list[Tensor], g: Tensor, order: int
) -> list[Tensor]:
    """The value (0), and its first (1) or first and second derivatives (2)."""
    if order == 0:
        with torch.no_grad():
            return [function(*inputs)]
    out = function(*inputs)
    first = torch.autograd.grad(out, inputs, g, create_graph=order == 2)
    if order == 1:
        return [out.detach(), *first]
    second = torch.autograd.grad(first, inputs, [t.detach() for t in inputs])
    return [out.detach(), *(t.detach() for t in first), *second]


def medians(
    functions: dict[str, Callable[[], object]], seconds: float
) -> dict[str, float]:
    """Milliseconds of each, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times[min(times)]) < 3:
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            times[name].append(1e3 * (time.perf_counter() - begin))
    return {name: statistics.median(values) for name, values in times.items()}


def table(
    lmax: int, channels: int, nodes: int, edges: int, options: argparse.Namespace
) -> None:
    torch.manual_seed(0)
    product = product_of(lmax, channels)
    edge_index = torch.randint(nodes, (2, edges))
    edge_index = edge_index[:, edge_index[1].argsort()]
    in1, out = product.irreps_in1, product.irreps_out
    sizes = (
        (nodes, in1.dim),
        (edges, product.irreps_in2.dim),
        (edges, product.weight_numel),
    )
    inputs = [torch.randn(*size, requires_grad=True) for size in sizes]
    g = torch.randn(nodes, out.dim)
    peers = ["e3nn"] + ["e3nn compiled"] * options.compile
    x_e3nn = in1.to_mul_ir(inputs[0].detach()).contiguous().requires_grad_()
    g_e3nn = out.to_mul_ir(g).contiguous()
    runs = {"ours": (ours(product, edge_index, nodes), inputs, g)}
    for peer in peers:
        function = theirs(product, edge_index, nodes, peer != "e3nn")
        runs[peer] = (function, [x_e3nn, *inputs[1:]], g_e3nn)
    print(
        f"\nlmax {lmax}, {channels} channels, {len(product.paths)} paths, {edges} edges"
    )
    begin = time.perf_counter()
    step(*runs["ours"], 1)
    print(f"  first call: {time.perf_counter() - begin:.2f} s")
    names = ("forward", "forward + backward", "double backward")
    for order in options.orders:
        found = step(*runs["ours"], order)
        for peer in peers:
            if order == 2 and peer != "e3nn":
                continue  # AOTAutograd differentiates once
            expected = step(*runs[peer], order)
            for i, (a, b) in enumerate(zip(found, expected, strict=True)):
                if i in (1, 4):
                    b = in1.from_mul_ir(b)
                elif i == 0:
                    b = out.from_mul_ir(b)
                error = float((a - b).abs().max() / b.abs().max())
                if error > 1e-5:
                    raise SystemExit(f"{peer}: derivative {i} differs by {error:.1e}")
        del found, expected
        functions = {
            name: partial(step, *run, order)
            for name, run in runs.items()
            if order < 2 or name in ("ours", "e3nn")
        }
        times = medians(functions, options.seconds)
        ratios = ", ".join(
            f"{times[p] / times['ours']:.1f}x {p}" for p in times if p != "ours"
        )
        listed = ", ".join(f"{name} {t:.1f}" for name, t in times.items())
        print(f"  {names[order]:20} {ratios}   (ms: {listed})")


def peak(
    which: str, lmax: int, channels: int, nodes: int, edges: int, order: int
) -> None:
    """Print by how many MB one step raises the peak memory of this process."""
    product = product_of(lmax, channels)
    edge_index = torch.randint(nodes, (2, edges))
    function = (
        ours(product, edge_index, nodes)
        if which == "ours"
        else theirs(product, edge_index, nodes, False)
    )
    shapes = ((nodes, product.irreps_in1.dim), (edges, product.irreps_in2.dim))
    inputs = [torch.randn(*s, requires_grad=True) for s in shapes]
    inputs.append(torch.randn(edges, product.weight_numel, requires_grad=True))
    g = torch.randn(nodes, product.irreps_out.dim)
    small = edge_index[:, :1] * 0
    warm = (
        ours(product, small, nodes)
        if which == "ours"
        else theirs(product, small, nodes, False)
    )
    step(warm, [inputs[0], inputs[1][:1], inputs[2][:1]], g, order)
    before = highest()
    step(function, inputs, g, order)
    print(highest() - before)


def highest() -> float:
    """The most memory that this process has held, in MB (Linux)."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise SystemExit("peak memory is read from /proc/self/status, which is not here")


def memory(
    arguments: list[str], lmax: int, channels: int, options: argparse.Namespace
) -> None:
    sizes = [str(n) for n in (lmax, channels, options.nodes, options.edges, 1)]
    found = {}
    for which in ("ours", "e3nn"):
        command = [sys.executable, arguments[0], "--peak", which, *sizes]
        found[which] = float(subprocess.check_output(command, text=True))
    ratio = found["e3nn"] / max(found["ours"], 1e-9)
    listed = ", ".join(f"{name} {mb:.0f}" for name, mb in found.items())
    print(f"  peak memory          {ratio:.1f}x e3nn   (MB: {listed})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lmax", type=int, nargs="+", default=[2])
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--nodes", type=int, default=1500)
    parser.add_argument("--edges", type=int, default=30_000)
    parser.add_argument("--orders", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--compile", action="store_true", help="e3nn compiled too")
    parser.add_argument("--memory", action="store_true", help="peak memory too")
    parser.add_argument("--peak", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak(options.peak[0], *map(int, options.peak[1:]))
        return
    import e3nn

    print(f"torch {torch.__version__}, e3nn {e3nn.__version__}, {platform.machine()}, ")
    print(f"{torch.get_num_threads()} threads, float32")
    for lmax in options.lmax:
        table(lmax, options.channels, options.nodes, options.edges, options)
        if options.memory:
            memory(sys.argv, lmax, options.channels, options)


if __name__ == "__main__":
    main()
