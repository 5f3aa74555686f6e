"""From ``import`` to the first trained step: nothing cached, then in a second process.

    python examples/benchmarks/startup.py

Every time is of a fresh interpreter, which imports, builds a network of default size
and takes one step of Adam on a batch of 32 molecules; at first without compiled
kernels (a new ``XDG_CACHE_HOME``), then with those that the first process left. The
floor is what ``import torch, torch_geometric`` takes on its own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

from pyg_equivariant.networks import NETWORKS

FLOOR = """\
import time
begin = time.perf_counter()
import torch, torch_geometric
print(f"{time.perf_counter() - begin:.2f} import")
"""
STEP = """\
import time
begin = time.perf_counter()
import torch
from pyg_equivariant.nn import {name}
imported = time.perf_counter()
torch.manual_seed(0)
generator = torch.Generator().manual_seed(0)
grid = torch.cartesian_prod(*[torch.arange(3)] * 3) * 1.4
pos, count = grid.float().repeat({molecules}, 1), 27 * {molecules}
pos += 0.1 * torch.randn(count, 3, generator=generator)
keep = torch.rand(count, generator=generator) < 0.66
z = torch.tensor([1, 1, 6, 7, 8])[torch.randint(5, (count,), generator=generator)]
batch = torch.arange({molecules}).repeat_interleave(27)
model = {name}(cutoff=5.0)
optimizer = torch.optim.Adam(model.parameters())
built = time.perf_counter()
loss = model(z[keep], pos[keep], batch[keep]).square().mean()
loss.backward()
optimizer.step()
done = time.perf_counter()
print(f"{{done - begin:.2f}} import {{imported - begin:.2f}}, "
      f"build {{built - imported:.2f}}, step {{done - built:.2f}}")
"""


def run(code: str, cache: str) -> tuple[float, float, str]:
    """Seconds from import to step and of processor time in all, and what they were."""
    before = os.times()
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"XDG_CACHE_HOME": cache},
        stdout=subprocess.PIPE,
        text=True,
    )
    after = os.times()
    if ran.returncode:
        raise SystemExit("the process failed")
    processor = after.children_user + after.children_system
    processor -= before.children_user + before.children_system
    seconds, what = ran.stdout.splitlines()[-1].split(maxsplit=1)
    return float(seconds), processor, what


def main(argv: list[str] | None = None) -> None:
    from timing import parser, versions

    options_of = parser(__doc__)
    options_of.add_argument("--rounds", type=int, default=3)
    names = [network.model.__name__ for network in NETWORKS.values()]
    options_of.add_argument("--networks", nargs="+", default=names, choices=names)
    options = options_of.parse_args(argv)
    rounds, molecules = (1, 2) if options.quick else (options.rounds, 32)
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    print(f"{versions('torch_geometric')}, {molecules} molecules, seconds")
    widths = (10, 18, 10, 12, 0)
    rule = "  ".join("=" * width for width in widths[:-1]) + "  " + "=" * 38
    names = ("", "", "clock", "processor", "last round")
    print(rule, line(names, widths), rule, sep="\n")
    show("imports", "torch and PyG", [run(FLOOR, "") for _ in range(rounds)], widths)
    for name in options.networks:
        code = STEP.format(name=name, molecules=molecules)
        first, second = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as cache:
                first.append(run(code, cache))
                second.append(run(code, cache))
        show(name, "nothing cached", first, widths)
        show(name, "second process", second, widths)
    print(rule)


def show(
    name: str, what: str, found: list[tuple[float, float, str]], widths: tuple[int, ...]
) -> None:
    """One row of medians."""
    clock, processor = (statistics.median(run[k] for run in found) for k in (0, 1))
    cells = (name, what, f"{clock:.2f}", f"{processor:.2f}", found[-1][2])
    print(line(cells, widths), flush=True)


def line(cells: tuple[str, ...], widths: tuple[int, ...]) -> str:
    pairs = zip(cells, widths, strict=True)
    return "  ".join(cell.ljust(width) for cell, width in pairs).rstrip()


if __name__ == "__main__":
    main(sys.argv[1:])
