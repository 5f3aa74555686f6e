"""Time the maths and the tensor products beside those of e3nn.

    python examples/benchmarks/core.py [--rounds 21] [--threads 1]

Both sides compute the same in float32; their calls alternate, so that a busy machine
slows both alike.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from timing import head, in_turns, parser, rows, rule, start
from torch import Tensor

from pyg_equivariant import nn, o3

try:
    import e3nn.nn
    import e3nn.o3
except ImportError:
    sys.exit("this benchmark compares with e3nn: pip install e3nn")

CHANNELS = "64x0e+64x1o+64x2e"
HARMONICS = "1x0e+1x1o+1x2e"


class Case(NamedTuple):
    """One row of the table; milliseconds that a side returns are its own."""

    name: str
    ours: Callable[[], object]
    theirs: Callable[[], object]


COEFFICIENTS = """
import time
{load}
start = time.perf_counter()
for l1 in range({lmax} + 1):
    for l2 in range({lmax} + 1):
        for l3 in range(abs(l1 - l2), min(l1 + l2, {lmax}) + 1):
            {call}(l1, l2, l3)
print(time.perf_counter() - start)
"""


def cold_coefficients(lmax: int) -> Case:
    """All coefficients to ``lmax`` in a fresh interpreter: nothing is cached."""

    def run(load: str, call: str) -> float:
        code = COEFFICIENTS.format(load=load, call=call, lmax=lmax)
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return 1e3 * float(result.stdout)

    return Case(
        f"coefficients, all l <= {lmax}, cold",
        lambda: run("from pyg_equivariant import o3", "o3.clebsch_gordan"),
        lambda: run("from e3nn import o3", "o3.wigner_3j"),
    )


def backward(function: Callable[..., Tensor], *inputs: Tensor) -> Callable[[], object]:
    """Value and derivatives with respect to all inputs."""

    def run() -> object:
        return torch.autograd.grad(function(*inputs).sum(), inputs)

    return run


def both(
    name: str,
    ours: Callable[..., Tensor],
    theirs: Callable[..., Tensor],
    *inputs: Tensor,
) -> Iterator[Case]:
    """A case without and one with derivatives."""
    with_grad = [x.detach().clone().requires_grad_() for x in inputs]

    def forward(function: Callable[..., Tensor]) -> Callable[[], object]:
        def run() -> object:
            with torch.no_grad():
                return function(*inputs)

        return run

    yield Case(name, forward(ours), forward(theirs))
    yield Case(
        f"{name}, with derivatives",
        backward(ours, *with_grad),
        backward(theirs, *with_grad),
    )


def depthwise(samples: int) -> Iterator[Case]:
    """64 channels times harmonics, lmax 2, with weights of their own per sample."""
    ours = nn.TensorProduct(
        o3.TensorProductPaths.depthwise(CHANNELS, HARMONICS, keep="0e+1o+2e"),
        internal_weights=False,
    )
    product = ours.product
    theirs = e3nn.o3.TensorProduct(
        str(product.irreps_in1),
        str(product.irreps_in2),
        str(product.irreps_out),
        list(product.paths),
        internal_weights=False,
        shared_weights=False,
    )
    x, y = product.irreps_in1.randn(samples, -1), product.irreps_in2.randn(samples, -1)
    weight = torch.randn(samples, product.weight_numel)
    yield from both(f"depthwise product, {samples} samples", ours, theirs, x, y, weight)


def fully_connected(samples: int) -> Iterator[Case]:
    """64 channels times harmonics, lmax 2, all channels mixed by shared weights."""
    yield Case(
        "building the full product",
        lambda: nn.FullyConnectedTensorProduct(CHANNELS, HARMONICS, CHANNELS),
        lambda: e3nn.o3.FullyConnectedTensorProduct(CHANNELS, HARMONICS, CHANNELS),
    )
    ours = nn.FullyConnectedTensorProduct(CHANNELS, HARMONICS, CHANNELS)
    theirs = e3nn.o3.FullyConnectedTensorProduct(CHANNELS, HARMONICS, CHANNELS)
    x, y = ours.irreps_in1.randn(samples, -1), ours.irreps_in2.randn(samples, -1)
    yield from both(f"full product, {samples} samples", ours, theirs, x, y)


def linear_and_gate(samples: int) -> Iterator[Case]:
    """Channel mixing and gated activation of 64 channels, lmax 2."""
    ours = nn.Linear(CHANNELS, CHANNELS)
    theirs = e3nn.o3.Linear(CHANNELS, CHANNELS, biases=True)
    x = ours.irreps_in.randn(samples, -1)
    yield from both(f"linear, {samples} samples", ours, theirs, x)
    gate = nn.Gate.from_irreps(CHANNELS)
    their_gate = e3nn.nn.Gate(
        "64x0e",
        [torch.nn.functional.silu],
        "128x0e",
        [torch.sigmoid],
        "64x1o+64x2e",
    )
    x = gate.irreps_in.randn(samples, -1)
    yield from both(f"gate, {samples} samples", gate, their_gate, x)


def harmonics(lmax: int, vectors: int) -> Iterator[Case]:
    """Spherical harmonics of normalized vectors."""
    ls = list(range(lmax + 1))
    ours = partial(o3.spherical_harmonics_reference, ls)
    theirs = e3nn.o3.SphericalHarmonics(ls, normalize=True, normalization="component")
    name = f"harmonics, l <= {lmax}, {vectors} vectors"
    yield from both(name, ours, theirs, torch.randn(vectors, 3))


def wigner(lmax: int, rotations: int) -> Iterator[Case]:
    """The matrices of all degrees for given rotation matrices."""
    irreps = o3.Irreps.spherical_harmonics(lmax)
    their_irreps = e3nn.o3.Irreps(str(irreps))
    R = o3.rand_matrix(rotations)
    yield Case(
        f"Wigner matrices, l <= {lmax}, {rotations} rotations",
        lambda: [o3.wigner_D(ir, R) for _, ir in irreps],
        lambda: [ir.D_from_matrix(R) for _, ir in their_irreps],
    )


def measure(case: Case, rounds: int, warmup: int = 2) -> None:
    """Print a row of the table."""
    sides = {"ours": case.ours, "e3nn": case.theirs}
    if warmup:
        in_turns(sides, 0.0, warmup)
    rows(case.name, in_turns(sides, 0.0, rounds))


def all_cases(samples: int) -> Iterator[Case]:
    """The rows of the table that need no interpreter of their own."""
    yield from fully_connected(samples)
    yield from depthwise(samples)
    yield from linear_and_gate(samples)
    yield from harmonics(2, 10 * samples)
    yield from harmonics(6, 10 * samples)
    yield from wigner(6, samples)


def main(argv: list[str] | None = None) -> None:
    options_of = parser(__doc__)
    options_of.add_argument("--rounds", type=int, default=21, help="calls of each side")
    options_of.add_argument("--samples", type=int, default=400, help="in a batch")
    options_of.add_argument(
        "--jit-mode", help="e3nn's jit_mode, e.g. script (default: e3nn's own)"
    )
    options_of.set_defaults(threads=1)
    options = options_of.parse_args(argv)
    if options.quick:
        options.rounds, options.samples = 1, 4
    if options.jit_mode:
        e3nn.set_optimization_defaults(jit_mode=options.jit_mode)
    start(options, "e3nn")
    head()
    for lmax in () if options.quick else (4, 6):
        measure(cold_coefficients(lmax), max(options.rounds // 4, 1), warmup=0)
    for case in all_cases(options.samples):
        measure(case, options.rounds)
    rule()


if __name__ == "__main__":
    main(sys.argv[1:])
