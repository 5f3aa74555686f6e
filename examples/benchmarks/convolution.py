"""The fused tensor-product convolution beside e3nn and cuEquivariance.

    python examples/benchmarks/convolution.py --compile --memory
    python examples/benchmarks/convolution.py --lmax 4 6 --channels 16 --memory

Gather, product, path weights and sum over neighbors, on the same numbers; results are
compared before they are timed. Peers gather, multiply and ``index_add``: e3nn's
``TensorProduct``, the same under ``torch.compile`` (which differentiates once), and
``ChannelWiseTensorProduct`` of cuequivariance-torch on its CPU path.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from timing import (
    fresh,
    head,
    in_turns,
    optional,
    parser,
    rise,
    rows,
    rule,
    same,
    skip,
    start,
)
from torch import Tensor

from pyg_equivariant.kernels import Convolution
from pyg_equivariant.o3 import Irreps, TensorProductPaths

Function = Callable[[Tensor, Tensor, Tensor], Tensor]
ORDERS = ("forward", "forward + backward", "double backward")


def product_of(lmax: int, channels: int) -> TensorProductPaths:
    """All depth-wise paths between features and harmonics up to ``lmax``."""
    harmonics = Irreps.spherical_harmonics(lmax)
    return TensorProductPaths.depthwise(
        Irreps([(channels, ir) for _, ir in harmonics]), harmonics, keep=harmonics
    )


def scattered(messages: Function, edges: Tensor, nodes: int) -> Function:
    """Gather, ``messages``, sum."""
    source, target = edges

    def convolve(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        m = messages(x[source], y, w)
        return m.new_zeros(nodes, m.shape[1]).index_add(0, target, m)

    return convolve


def ours(product: TensorProductPaths) -> Callable[[Tensor, int], Function]:
    convolve = Convolution(product)
    return lambda edges, nodes: lambda x, y, w: convolve(x, y, w, edges, nodes)


def of_e3nn(product: TensorProductPaths) -> Callable[[Tensor, int], Function]:
    """Features are in e3nn's order, the path weights in the same order as ours."""
    import e3nn.o3

    paths = [(*p[:3], p.connection, p.has_weight, p.path_weight) for p in product.paths]
    module: Any = e3nn.o3.TensorProduct(
        str(product.irreps_in1),
        str(product.irreps_in2),
        str(product.irreps_out),
        paths,
        shared_weights=False,
        internal_weights=False,
    )
    return partial(scattered, module)


def compiled(product: TensorProductPaths) -> Callable[[Tensor, int], Function]:
    eager = of_e3nn(product)
    return lambda edges, nodes: torch.compile(eager(edges, nodes))


def of_cuequivariance(product: TensorProductPaths) -> Callable[[Tensor, int], Function]:
    """With our layout, ``ir_mul``, which suits it best."""
    import cuequivariance as cue
    import cuequivariance_torch as cuet

    irreps_in = [
        cue.Irreps("O3", str(i)) for i in (product.irreps_in1, product.irreps_in2)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: Any = cuet.ChannelWiseTensorProduct(
            *irreps_in,
            [ir for _, ir in cue.Irreps("O3", str(product.irreps_in2))],
            layout=cue.ir_mul,
            shared_weights=False,
            internal_weights=False,
            method="naive",
        )
    return partial(scattered, module)


PEERS = {
    "ours": ours,
    "e3nn": of_e3nn,
    "e3nn compiled": compiled,
    "cuEquivariance": of_cuequivariance,
}


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


def weight_order(product: TensorProductPaths) -> Tensor:
    """Path weights sorted by output block, as cuEquivariance has them."""
    start, blocks = 0, []
    for path in product.paths:
        size = product.irreps_in1[path.i_in1].mul
        blocks.append((path.i_out, torch.arange(start, start + size)))
        start += size
    return torch.cat([block for _, block in sorted(blocks, key=lambda b: b[0])])


def arguments_of(
    peer: str, product: TensorProductPaths, inputs: list[Tensor], g: Tensor
) -> tuple[list[Tensor], Tensor]:
    """The same numbers as the peer orders them."""
    x, y, w = (t.detach() for t in inputs)
    if peer.startswith("e3nn"):
        x = product.irreps_in1.to_mul_ir(x).contiguous()
        g = product.irreps_out.to_mul_ir(g).contiguous()
    elif peer == "cuEquivariance":
        w = w[:, weight_order(product)]
    return [t.requires_grad_() for t in (x, y, w)], g


def as_ours(
    peer: str, product: TensorProductPaths, results: list[Tensor]
) -> list[Tensor]:
    """Results of a peer in our order."""
    results = list(results)
    for i in range(len(results)):
        if peer.startswith("e3nn") and i in (0, 1, 4):
            irreps = product.irreps_in1 if i else product.irreps_out
            results[i] = irreps.from_mul_ir(results[i])
        elif peer == "cuEquivariance" and i in (3, 6):
            results[i] = results[i][:, weight_order(product).argsort()]
    return results


def draw(
    product: TensorProductPaths, nodes: int, edges: int
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Edges sorted by target, the three inputs, and a cotangent."""
    edge_index = torch.randint(nodes, (2, edges))
    edge_index = edge_index[:, edge_index[1].argsort()]
    sizes = (
        (nodes, product.irreps_in1.dim),
        (edges, product.irreps_in2.dim),
        (edges, product.weight_numel),
    )
    inputs = [torch.randn(*size, requires_grad=True) for size in sizes]
    return edge_index, inputs, torch.randn(nodes, product.irreps_out.dim)


def table(lmax: int, peers: list[str], options: argparse.Namespace) -> None:
    """All rows of one size."""
    product = product_of(lmax, options.channels)
    edge_index, inputs, g = draw(product, options.nodes, options.edges)
    runs = {
        peer: (
            PEERS[peer](product)(edge_index, options.nodes),
            *arguments_of(peer, product, inputs, g),
        )
        for peer in ["ours", *peers]
    }
    for order in options.orders:
        begin = time.perf_counter()
        found = step(*runs["ours"], order)
        if order == 1 and 0 not in options.orders:
            print(f"first call: {time.perf_counter() - begin:.2f} s")
        functions = {"ours": partial(step, *runs["ours"], order)}
        for peer in peers:
            if order == 2 and peer == "e3nn compiled":
                continue  # AOTAutograd differentiates once
            theirs = as_ours(peer, product, step(*runs[peer], order))
            same(f"{peer}, {ORDERS[order]}", found, theirs)
            functions[peer] = partial(step, *runs[peer], order)
        what = f"lmax {lmax}, {len(product.paths)} paths, {ORDERS[order]}"
        rows(what, in_turns(functions, options.seconds))


def memory(lmax: int, peers: list[str], options: argparse.Namespace) -> None:
    """Each peak in a process of its own."""
    sizes = [str(n) for n in (lmax, options.channels, options.nodes, options.edges)]
    for order in {1, max(options.orders)} - {0}:
        found = {
            peer: [float(fresh(__file__, "--peak", peer, *sizes, str(order)))]
            for peer in ["ours", *peers]
            if peer != "e3nn compiled"
        }
        rows(f"lmax {lmax}, peak memory (MB), {ORDERS[order]}", found)


def peak(
    which: str, lmax: int, channels: int, nodes: int, edges: int, order: int
) -> None:
    """Print by how many MB one step raises the peak memory of this process."""
    product = product_of(lmax, channels)
    edge_index, inputs, g = draw(product, nodes, edges)
    convolution = PEERS[which](product)
    small = [inputs[0], inputs[1][:1], inputs[2][:1]]
    step(convolution(edge_index[:, :1], nodes), small, g, order)
    print(rise(partial(step, convolution(edge_index, nodes), inputs, g, order)))


def available(options: argparse.Namespace) -> list[str]:
    """The peers that are installed and wanted."""
    peers = []
    if optional("e3nn") is None:
        skip("e3nn", "pip install e3nn")
    else:
        peers += ["e3nn"] + ["e3nn compiled"] * options.compile
    if optional("cuequivariance_torch") is None:
        skip("cuEquivariance", "pip install cuequivariance-torch")
    else:
        peers.append("cuEquivariance")
    return peers


def main(argv: list[str] | None = None) -> None:
    options_of = parser(__doc__)
    options_of.add_argument("--lmax", type=int, nargs="+", default=[2])
    options_of.add_argument("--channels", type=int, default=64)
    options_of.add_argument("--nodes", type=int, default=1500)
    options_of.add_argument("--edges", type=int, default=30_000)
    options_of.add_argument("--orders", type=int, nargs="+", default=[0, 1, 2])
    options_of.add_argument("--compile", action="store_true", help="e3nn compiled too")
    options_of.add_argument("--memory", action="store_true", help="peak memory too")
    options_of.add_argument("--peak", nargs=6, help=argparse.SUPPRESS)
    options = options_of.parse_args(argv)
    if options.peak:
        peak(options.peak[0], *map(int, options.peak[1:]))
        return
    if options.quick:
        options.channels, options.nodes, options.edges, options.seconds = 4, 20, 90, 0.0
    peers = available(options)
    start(options, "e3nn", "cuequivariance_torch")
    sizes = f"{options.nodes} nodes, {options.edges} random edges"
    print(f"{options.channels} channels, {sizes}")
    head()
    for lmax in options.lmax:
        table(lmax, peers, options)
        if options.memory:
            memory(lmax, peers, options)
    rule()


if __name__ == "__main__":
    main(sys.argv[1:])
