"""What share of this machine's peak the kernels of a potential reach.

The peaks are measured: arithmetic by a large matrix product, memory by a large copy.
Arithmetic of the convolution is counted as its kernel does it, of each edge and
channel; memory is each argument read once and each result written once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from pyg_equivariant.kernels.paths import Paths, couplings

Counts = dict[str, float]


def shares(side: Any, batch: dict[str, Any], step: Callable[..., object]) -> Counts:
    """Peaks, the largest parts of a step, and what the widest convolution reaches."""
    found = peaks()
    flops, bandwidth = found.values()
    for name, share in largest_parts(lambda: step(side, batch)).items():
        found[f"energy + force step, % in {name}"] = share
    layers = [m for m in side.module.modules() if hasattr(m, "convolve")]
    if layers:
        layer: Any = max(layers, key=lambda m: m.convolve.product.weight_numel)
        for what, reached in reach(layer.convolve, batch).items():
            of = flops if "GFLOP/s" in what else bandwidth
            found[what] = reached
            found[f"{what}, % of peak"] = 100 * reached / of
    return found


def best(function: Callable[[], object], calls: int = 15) -> float:
    """The least seconds of a call."""
    times = []
    for _ in range(calls):
        before = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - before)
        del result
    return min(times)


def peaks() -> Counts:
    a, b = torch.randn(2, 2048, 2048)
    product = torch.empty(2048, 2048)
    source, target = torch.ones(2, 2**26)
    multiply = best(lambda: torch.mm(a, b, out=product))
    copy = best(lambda: target.copy_(source))
    return {
        "matrix product, GFLOP/s": 2e-9 * 2048**3 / multiply,
        "copy, GB/s": 8e-9 * 2**26 / copy,
    }


def largest_parts(step: Callable[[], object], count: int = 5) -> Counts:
    """Percentages of the processors' time."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step()
    events: Any = profiled.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    events = sorted(events, key=lambda event: -event.self_cpu_time_total)
    return {e.key: 100 * e.self_cpu_time_total / total for e in events[:count]}


def reach(convolve: Any, batch: dict[str, Any]) -> Counts:
    """Of a convolution and of its derivatives."""
    product, edge_index = convolve.product, batch["edge_index"]
    nodes, edges = len(batch["z"]), edge_index.shape[1]
    x = torch.randn(nodes, product.irreps_in1.dim, requires_grad=True)
    y = torch.randn(edges, product.irreps_in2.dim, requires_grad=True)
    w = torch.randn(edges, product.weight_numel, requires_grad=True)
    out = convolve(x, y, w, edge_index, nodes)
    cotangent = torch.ones_like(out)

    def forward() -> Tensor:
        with torch.no_grad():
            return convolve(x, y, w, edge_index, nodes)

    def backward() -> object:
        return torch.autograd.grad(out, (x, y, w), cotangent, retain_graph=True)

    given = sum(t.numel() for t in (x, y, w))
    once, twice = given + out.numel(), 2 * given + out.numel()
    found: Counts = {}
    for name, call, numbers, arithmetic in (
        ("convolution", forward, once, edges * operations(product)[0]),
        ("its derivatives", backward, twice, edges * operations(product)[1]),
    ):
        seconds = best(call)
        found[f"{name}, GFLOP/s"] = 1e-9 * arithmetic / seconds
        found[f"{name}, GB/s"] = 4e-9 * numbers / seconds
    return found


def operations(product: Any) -> tuple[int, int]:
    """Multiplications and additions for an edge: of the value, of all derivatives."""
    value = derivatives = 0
    for term in Paths.of(product, "uvu").terms:
        pairs = couplings(*term.degrees)
        rows_x, rows_g = len({c.i for c in pairs}), len({c.k for c in pairs})
        terms = sum(len(c.terms) for c in pairs)
        value += term.mul1 * 2 * (len(pairs) + rows_g)
        per_channel = 2 * len(pairs) + 4 * rows_x + rows_g + len(pairs) + 2 * terms
        derivatives += term.mul1 * per_channel
    return value, derivatives
