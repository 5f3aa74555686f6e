"""The rest of the family beside its authors' code.

    python examples/benchmarks/family.py --threads 1 --se3-repo A --cormorant-repo B \
        --lieconv-repo C --egnn-repo D

SE(3)-Transformer, Cormorant and LieConv on a batch of molecules, one layer of L1Net
beside the same of e3nn, and the networks of the N-body table, on systems of five
charged particles. The steps are those of ``networks.py``, with the same weights.
Outputs and forces are compared first. Times are those of the processor, which other
load on the machine does not count into; the last column is the ratio by the clock.
DimeNet++ and SphereNet have ``directional.py``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median

from family_peers import (
    CORMORANT_CODE,
    LIECONV_CODE,
    SE3_CODE,
    cormorant,
    l1net,
    lieconv,
    nbody,
    se3_transformer,
)
from molecules import molecules
from networks import STEPS, energy_and_forces
from peers import EGNN_CODE, Case
from timing import Times, difference, in_turns, parser, same, start
from torch import Tensor

FORMAT = "{:<48} {:<12} {:>9} {:>9} {:>7} {:>8} {:>7}"
FORCES = "energy + force training step"
MAKERS = {
    "se3": se3_transformer,
    "cormorant": cormorant,
    "lieconv": lieconv,
    "l1net": l1net,
}


@contextmanager
def settled(case: Case) -> Iterator[None]:
    """Nothing drawn at random: evaluation, and whole balls for LieConv."""
    modules = case.ours.module, case.theirs.module
    balls = [each for each in modules[1].modules() if hasattr(each, "mc_samples")]
    kept = [each.mc_samples for each in balls]
    for module in modules:
        module.eval()
    for each in balls:
        each.mc_samples = sys.maxsize
    yield
    for each, samples in zip(balls, kept, strict=True):
        each.mc_samples = samples
    for module in modules:
        module.train()


def compared(case: Case, pos: Tensor, forces: bool) -> list[str]:
    """The steps that both sides can do; stops where these differ."""
    sides = case.ours, case.theirs
    with settled(case):
        if not forces:
            found, expected = ([side.energy(pos)] for side in sides)
            same(case.name, found, expected, 1e-4)
            return [step for step in STEPS if step != FORCES]
        found, expected = (energy_and_forces(side, pos) for side in sides)
    same(f"outputs of {case.name}", found[:1], expected[:1], 1e-4)
    if not found[1].isfinite().all():
        raise SystemExit(f"{case.name}: our forces are not finite")
    if not expected[1].isfinite().all():
        print(f"{case.name}: forces of {case.peer} are not finite, ours are")
        return [step for step in STEPS if step != FORCES]
    same(f"forces of {case.name}", found[1:], expected[1:], 1e-3)
    print(f"{case.name}: forces differ by {difference(found[1:], expected[1:]):.0e}")
    return list(STEPS)


def measure(case: Case, pos: Tensor, steps: list[str], seconds: float) -> None:
    """A row for every step."""
    sides = {"ours": case.ours, "theirs": case.theirs}
    for name in steps:
        clock: Times = {who: [] for who in sides}

        def spent(who: str, step: Callable[[], object], clock: Times = clock) -> float:
            wall, processor = time.perf_counter(), time.process_time()
            step()
            found = 1e3 * (time.process_time() - processor)
            clock[who].append(1e3 * (time.perf_counter() - wall))
            return found

        functions = {
            who: partial(spent, who, partial(STEPS[name], side, pos))
            for who, side in sides.items()
        }
        times = in_turns(functions, seconds)
        a, b = (median(times[who]) for who in sides)
        least = min(times["theirs"]) / max(min(times["ours"]), 1e-9)
        by_clock = median(clock["theirs"]) / median(clock["ours"])
        cells = a, b, b / max(a, 1e-9), least, by_clock
        what = f"{case.name}, {name.replace('energy + ', '')}"
        row = (f"{cell:.2f}" for cell in cells)
        print(FORMAT.format(what, case.peer, *row), flush=True)


def main(argv: list[str] | None = None) -> None:
    options_of = parser(__doc__)
    options_of.add_argument("--molecules", type=int, default=16)
    options_of.add_argument(
        "--root", help="of torch_geometric.datasets.QM9 (default: random molecules)"
    )
    for name, code in (
        ("se3", SE3_CODE),
        ("cormorant", CORMORANT_CODE),
        ("lieconv", LIECONV_CODE),
        ("egnn", EGNN_CODE),
    ):
        options_of.add_argument(f"--{name}-repo", help=f"a clone of {code}")
    options_of.add_argument(
        "--widths", type=int, nargs="+", default=[256], help="of LieConv"
    )
    options_of.add_argument("--systems", type=int, default=100, help="of particles")
    names = [*MAKERS, "nbody"]
    options_of.add_argument("--networks", nargs="+", default=names, choices=names)
    options = options_of.parse_args(argv)
    if options.quick:
        options.molecules, options.systems, options.seconds = 2, 2, 0.0
    start(options, "torch_geometric", "e3nn")
    columns = ("ours, ms", "peer, ms", "ratio", "smallest", "clock")
    print(FORMAT.format("", "peer", *columns))
    for name, make in MAKERS.items():
        if name in options.networks:
            # the authors keep kernels of every edge, 5 MB for one of these layers
            few = options.molecules // 4 if name == "se3" else options.molecules
            m = molecules(max(few, 1), options.root)
            print(f"{m} within 5 angstrom")
            for case in make(m, options):
                measure(case, m.pos, compared(case, m.pos, True), options.seconds)
    if "nbody" in options.networks:
        for case, pos in nbody(options):
            measure(case, pos, compared(case, pos, False), options.seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
