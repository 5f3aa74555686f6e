"""The fused tensor-product convolution on a CUDA device, beside its peers.

    python examples/benchmarks/gpu.py
    python examples/benchmarks/gpu.py --lmax 2 --channels 64 --edges 100000
    python examples/benchmarks/gpu.py --check

Gather, product, path weights and sum over neighbors, float32, on a periodic crystal in
which every node has 32 neighbors: by e3nn (gather, ``TensorProduct``, ``index_add``;
eager and under ``torch.compile``, which differentiates once), by cuEquivariance
(``SegmentedPolynomial`` with indices, method ``uniform_1d``) and by OpenEquivariance
(``TensorProductConv``, its deterministic algorithm on sorted edges).

Results are compared on a small crystal before anything is timed. Times are those of
CUDA events, in turns. The bandwidth counts every argument and every result once, and is
given as a share of what a copy of 1 GiB reaches on the same device.

``--check`` only compares, at a tiny size, without a device: our kernels in Triton's
interpreter, cuEquivariance by its plain method.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from convolution import (
    ORDERS,
    Function,
    arguments_of,
    as_ours,
    of_e3nn,
    product_of,
    step,
)
from timing import head, in_turns, optional, parser, rows, rule, same, skip, versions
from torch import Tensor

from pyg_equivariant.kernels import Convolution
from pyg_equivariant.o3 import TensorProductPaths

Maker = Callable[[Tensor, int], Function]


def crystal(side: int, device: str) -> tuple[Tensor, int]:
    """Edges of a periodic cubic grid to all nodes within two spacings, and its size.

    Sorted by target, then by source. The graph is symmetric.
    """
    r = torch.arange(-2, 3)
    offsets = torch.cartesian_prod(r, r, r)
    squares = offsets.square().sum(1)
    offsets = offsets[(squares > 0) & (squares <= 4)]  # 32 of them
    line = torch.arange(side)
    nodes = torch.cartesian_prod(line, line, line)
    ends = (nodes[:, None] + offsets).remainder(side)
    source = (ends @ torch.tensor([side**2, side, 1])).sort(1).values
    target = torch.arange(side**3)[:, None].expand_as(source)
    return torch.stack([source.flatten(), target.flatten()]).to(device), side**3


def draw(
    product: TensorProductPaths, nodes: int, edges: int, device: str
) -> tuple[list[Tensor], Tensor]:
    """The three inputs, and a cotangent."""
    dims = product.irreps_in1.dim, product.irreps_in2.dim, product.weight_numel
    sizes = zip((nodes, edges, edges), dims, strict=True)
    inputs = [torch.randn(*s, device=device, requires_grad=True) for s in sizes]
    return inputs, torch.randn(nodes, product.irreps_out.dim, device=device)


def ours(product: TensorProductPaths) -> Maker:
    convolve = Convolution(product)
    return lambda edges, nodes: (
        lambda x, y, w: convolve(x, y, w, edges, nodes, backend="triton")
    )


def of_cuequivariance(product: TensorProductPaths) -> Maker:
    """One operation, too: it gathers and sums by indices."""
    import cuequivariance as cue
    import cuequivariance_torch as cuet

    irreps = (product.irreps_in1, product.irreps_in2)
    in1, in2 = (cue.Irreps("O3", str(i)) for i in irreps)
    form = cue.descriptors.channelwise_tensor_product(in1, in2, [ir for _, ir in in2])
    form = form.flatten_coefficient_modes().squeeze_modes()

    def make(edges: Tensor, nodes: int) -> Function:
        method = "uniform_1d" if edges.is_cuda else "naive"
        module: Any = cuet.SegmentedPolynomial(form.polynomial, method=method)
        module.to(edges.device)
        source, target = edges
        rows_of = torch.empty(nodes, 1, device=edges.device)

        def convolve(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
            return module([w, x, y], {1: source}, {0: rows_of}, {0: target})[0]

        return convolve

    return make


def of_openequivariance(product: TensorProductPaths) -> Maker:
    import openequivariance as oeq

    irreps = (product.irreps_in1, product.irreps_in2, product.irreps_out)
    paths = [(*p[:3], p.connection, p.has_weight, p.path_weight) for p in product.paths]
    problem = oeq.TPProblem(
        *(oeq.Irreps(str(i)) for i in irreps),
        paths,
        shared_weights=False,
        internal_weights=False,
    )
    module: Any = oeq.TensorProductConv(problem, deterministic=True)

    def make(edges: Tensor, nodes: int) -> Function:
        source, target = edges[0].contiguous(), edges[1].contiguous()
        by_source = source.argsort(stable=True)
        return lambda x, y, w: module(x, y, w, target, source, by_source)

    return make


def compiled(product: TensorProductPaths) -> Maker:
    eager = on_device(product)
    return lambda edges, nodes: torch.compile(eager(edges, nodes))


def on_device(product: TensorProductPaths) -> Maker:
    """e3nn where the edges are."""
    make = of_e3nn(product)

    def placed(edges: Tensor, nodes: int) -> Function:
        make.args[0].to(edges.device)
        return make(edges, nodes)

    return placed


PEERS: dict[str, tuple[str, str, Callable[[TensorProductPaths], Maker]]] = {
    "e3nn": ("e3nn", "pip install e3nn", on_device),
    "e3nn compiled": ("e3nn", "pip install e3nn", compiled),
    "cuEquivariance": (
        "cuequivariance_torch",
        "pip install cuequivariance-torch cuequivariance-ops-torch-cu12",
        of_cuequivariance,
    ),
    "OpenEquivariance": (
        "openequivariance",
        "pip install openequivariance (it builds with a CUDA toolkit)",
        of_openequivariance,
    ),
}


def available(check: bool) -> list[str]:
    """The peers that import."""
    found = []
    for peer, (module, how, _) in PEERS.items():
        if check and peer == "e3nn compiled":
            continue
        try:
            there = optional(module) is not None
        except Exception as error:  # a library of the device that is not there
            there, how = False, f"{how} ({type(error).__name__}: {error})"
        if there:
            found.append(peer)
        else:
            skip(peer, how)
    return found


def like_ours(
    peer: str, product: TensorProductPaths, results: list[Tensor]
) -> list[Tensor]:
    return as_ours(order_of(peer), product, results)


def order_of(peer: str) -> str:
    """OpenEquivariance orders features as e3nn does."""
    return "e3nn" if peer == "OpenEquivariance" else peer


def compare(
    product: TensorProductPaths, peers: list[str], side: int, device: str
) -> list[str]:
    """The peers that run, after all results were compared."""
    edges, nodes = crystal(side, device)
    inputs, g = draw(product, nodes, edges.shape[1], device)
    function = ours(product)(edges, nodes)
    found = {order: step(function, inputs, g, order) for order in (0, 1, 2)}
    run = []
    for peer in peers:
        try:
            theirs = PEERS[peer][2](product)(edges, nodes)
            given = arguments_of(order_of(peer), product, inputs, g)
            for order in (0, 1, 2):
                if order == 2 and peer == "e3nn compiled":
                    continue
                results = like_ours(peer, product, step(theirs, *given, order))
                same(f"{peer}, {ORDERS[order]}", found[order], results)
        except (RuntimeError, ImportError, NotImplementedError) as error:
            skip(peer, f"{type(error).__name__}: {str(error).splitlines()[0]}")
        else:
            run.append(peer)
    return run


def timed(function: Callable[[], object]) -> float:
    """Milliseconds on the device."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    result = function()
    end.record()
    end.synchronize()
    del result
    return begin.elapsed_time(end)


def copy_bandwidth() -> float:
    """Bytes in a millisecond, read and written, of a large copy."""
    source = torch.empty(1 << 28, device="cuda")
    target = torch.empty_like(source)
    times = [timed(partial(target.copy_, source)) for _ in range(20)]
    return 2 * source.nbytes / statistics.median(times)


def moved(product: TensorProductPaths, nodes: int, edges: int, order: int) -> int:
    """Bytes of all arguments and results, each once."""
    inputs = nodes * product.irreps_in1.dim
    inputs += edges * (product.irreps_in2.dim + product.weight_numel)
    g = nodes * product.irreps_out.dim
    numbers = inputs + g
    if order > 0:
        numbers += inputs + g + inputs
    if order > 1:
        numbers += inputs + g + inputs + inputs
    return 4 * numbers


def fits(function: Callable[[], object]) -> bool:
    """Whether the device has memory for it; also the first, unmeasured call."""
    try:
        for _ in range(3):
            function()
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return False
    torch.cuda.synchronize()
    return True


def table(
    product: TensorProductPaths,
    peers: list[str],
    side: int,
    options: argparse.Namespace,
) -> None:
    """All rows of one size."""
    edges, nodes = crystal(side, "cuda")
    count = edges.shape[1]
    inputs, g = draw(product, nodes, count, "cuda")
    lmax = product.irreps_in1.lmax
    channels = product.irreps_in1[0].mul
    for order in options.orders:
        what = f"lmax {lmax}, {channels} ch., {count} edges, {ORDERS[order]}"
        functions: dict[str, Callable[[], object]] = {}
        for peer in ["ours", *peers]:
            if order == 2 and peer == "e3nn compiled":
                continue  # AOTAutograd differentiates once
            make = ours if peer == "ours" else PEERS[peer][2]
            given = arguments_of(order_of(peer), product, inputs, g)
            run = partial(step, make(product)(edges, nodes), *given, order)
            if fits(run):
                functions[peer] = partial(timed, run)
            else:
                print(f"{what}: no memory for {peer}")
                torch.cuda.empty_cache()
        if "ours" not in functions:
            continue
        times = in_turns(functions, options.seconds)
        rows(what, times)
        rate = moved(product, nodes, count, order) / statistics.median(times["ours"])
        print(f"{'':4}{rate / options.copied:.0%} of the copy bandwidth", flush=True)


def main(argv: list[str] | None = None) -> None:
    options_of = parser(__doc__, seconds=2.0)
    options_of.add_argument("--lmax", type=int, nargs="+", default=[2, 3])
    options_of.add_argument("--channels", type=int, nargs="+", default=[64, 128])
    options_of.add_argument("--edges", type=int, nargs="+", default=[10**5, 10**6])
    options_of.add_argument("--orders", type=int, nargs="+", default=[0, 1, 2])
    options_of.add_argument(
        "--check", action="store_true", help="compare only, without a device"
    )
    options = options_of.parse_args(argv)
    torch.manual_seed(0)
    packages = ("triton", "e3nn", "cuequivariance_torch", "openequivariance")
    if options.check:
        os.environ["TRITON_INTERPRET"] = "1"
        print(versions(*packages))
        compared = compare(product_of(1, 4), available(True), 2, "cpu")
        print(f"the same numbers as {', '.join(compared) or 'nobody: no peer is here'}")
        return
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device is here; --check compares without one")
    if options.quick:
        options.seconds, options.edges = 0.2, [10**4]
        options.lmax, options.channels = [2], [64]
    options.copied = copy_bandwidth()
    print(versions(*packages))
    print(f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")
    print(f"a copy moves {options.copied / 1e9:.2f} TB/s")
    peers = available(False)
    head()
    for lmax in options.lmax:
        for channels in options.channels:
            product = product_of(lmax, channels)
            compared = compare(product, peers, 6, "cuda")
            for edges in options.edges:
                side = max(5, round((edges / 32) ** (1 / 3)))
                table(product, compared, side, options)
    rule()


if __name__ == "__main__":
    main(sys.argv[1:])
