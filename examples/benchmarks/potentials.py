"""NequIP, MACE and Allegro beside their authors' packages, on batches of molecules.

    python examples/benchmarks/potentials.py --nequip A --allegro A --mace B --threads 2

A and B are the ``python`` of environments with the packages, whose pins collide. Each
side is a process of its own, ours with the weights of theirs; calls alternate. First
energies are compared to 1e-5 of the largest, and forces to 1e-4. A row gives wall
times, their ratio, and the ratio of the processors' time. Then: the memory that a step
takes for each edge, how a training step grows with the edges, and what share of this
machine's peak our kernels reach.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from potential_sides import THEIRS, Batch, Side, ours
from timing import highest, parser, same, skip, start
from torch import Tensor

HERE = Path(__file__).resolve()
PATH = os.pathsep.join([str(HERE.parents[2]), os.environ.get("PYTHONPATH", "")])
PACKAGES = {"nequip": "nequip", "mace": "mace-torch", "allegro": "nequip-allegro"}
# What the packages offer besides, and on how many molecules it is measured: without the
# kernels for CUDA devices, cuEquivariance takes minutes for a large batch.
VARIANTS = {
    "nequip": ("compiled", 32),
    "mace": ("cuEquivariance", 2),
    "allegro": ("compiled", 32),
}
FORMAT = "{:38} {:>15} {:>9} {:>9} {:>7} {:>8} {:>7}"


def forward(side: Side, batch: Batch) -> object:
    with torch.no_grad():
        return side.energy(batch)


def train(side: Side, batch: Batch) -> object:
    side.energy(batch).square().mean().backward()
    return side.module.zero_grad()


def train_forces(side: Side, batch: Batch) -> object:
    energy, forces = side.forces(batch)
    (energy.square().mean() + forces.square().mean()).backward()
    return side.module.zero_grad()


STEPS: dict[str, Callable[[Side, Batch], object]] = {
    "forward": forward,
    "training step": train,
    "energy + force training step": train_forces,
}


def work(options: argparse.Namespace) -> None:
    """One side: answer on standard output what is asked on standard input."""
    network, who = options.work
    answers, sys.stdout = sys.stdout, sys.stderr  # where packages print
    torch.manual_seed(0)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    folder = options.folder
    batches = torch.load(folder / "batches.pt")
    weights = folder / f"{network}.pt"
    if who == "ours":
        found = torch.load(weights) if weights.is_file() else None
        side = ours(network, found, options.quick)
    else:
        side = THEIRS[network](who, options.quick)
        if who == "theirs":
            state = side.module.state_dict()
            state = {k: v for k, v in state.items() if not k.endswith("_zeroed")}
            torch.save({"state": state, "settings": side.settings}, weights)
    numbers = sum(p.numel() for p in side.module.parameters())
    print(numbers, file=answers, flush=True)
    for line in sys.stdin:
        what, count, path = line.rstrip("\n").split("\t")
        found = ask(side, what, batches[int(count)], path)
        print(json.dumps(found), file=answers, flush=True)


def ask(side: Side, what: str, batch: Batch, path: str) -> dict[str, float]:
    """Milliseconds of a step, of the wall and of the processors, and MB it takes."""
    if what == "results":
        torch.save([x.detach() for x in side.forces(batch)], path)
        return {}
    if what == "shares":
        from potential_shares import shares

        return shares(side, batch, train_forces)
    held = resident()
    wall, cpu = time.perf_counter(), time.process_time()
    STEPS[what](side, batch)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"wall": 1e3 * wall, "cpu": 1e3 * cpu, "memory": highest() - held}


def resident() -> float:
    """The memory that this process holds, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Worker:
    """A process that holds one side of one network."""

    def __init__(self, python: str, network: str, who: str, options: Any) -> None:
        command = [python, str(HERE), "--work", network, who]
        command += ["--folder", str(options.folder)]
        command += ["--threads", str(options.threads)] if options.threads else []
        self.process = subprocess.Popen(
            command + ["--quick"] * options.quick,
            env=os.environ | {"PYTHONPATH": PATH},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.numbers = int(self.answer())

    def answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a process failed")
        return line

    def ask(self, what: str, count: int, path: object = "") -> dict[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\t{count}\t{path}\n")
        self.process.stdin.flush()
        return json.loads(self.answer())

    def results(self, count: int, folder: Path) -> list[Tensor]:
        path = folder / "results.pt"
        self.ask("results", count, path)
        return torch.load(path)

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


class Times(NamedTuple):
    """Of one step of one side: a list for each kind."""

    wall: list[float]
    cpu: list[float]


def in_turns(
    sides: dict[str, Worker], what: str, count: int, seconds: float
) -> dict[str, Times]:
    """All sides one after the other, at least three times."""
    times = {who: Times([], []) for who in sides}
    begin, rounds = time.perf_counter(), 0
    while rounds < 3 or time.perf_counter() - begin < seconds:
        for who, side in sides.items():
            found = side.ask(what, count)
            times[who].wall.append(found["wall"])
            times[who].cpu.append(found["cpu"])
        rounds += 1
    return times


def compare(network: str, sides: dict[str, Worker], options: Any) -> None:
    """Energies and forces of all sides, on the smallest batch."""
    count = min(options.molecules)
    found = {who: each.results(count, options.folder) for who, each in sides.items()}
    for who in sides:
        for k, (what, limit) in enumerate((("energies", 1e-5), ("forces", 1e-4))):
            name = f"{what} of {network}, {who}"
            same(name, found["ours"][k : k + 1], found[who][k : k + 1], limit)


def measure(network: str, sides: dict[str, Worker], count: int, options: Any) -> None:
    """Times of each step, and the memory that its first call took."""
    edges = options.edges[count]
    memory = []
    for what in STEPS:
        first = {who: each.ask(what, count)["memory"] for who, each in sides.items()}
        cells = [f"{who} {1e3 * mb / edges:.1f}" for who, mb in first.items()]
        memory.append(f"{network}, {what}: kB for each edge, {', '.join(cells)}")
        times = in_turns(sides, what, count, options.seconds)
        for who in [who for who in sides if who != "ours"] or ["ours"]:
            print(row(f"{network}, {what}", who, times["ours"], times[who]), flush=True)
    print("\n".join(memory), flush=True)


def row(what: str, who: str, own: Times, other: Times) -> str:
    a, b = (statistics.median(each.wall) for each in (own, other))
    least = min(other.wall) / min(own.wall)
    cpu = min(other.cpu) / min(own.cpu)
    cells = (f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}", f"{least:.2f}", f"{cpu:.2f}")
    return FORMAT.format(what, who, *cells)


def growth(network: str, sides: dict[str, Worker], options: Any) -> None:
    """The processors' milliseconds of a training step, for growing batches."""
    for count in options.molecules:
        cells = []
        for who, side in sides.items():
            if who in ("ours", "theirs"):
                least = min(side.ask("training step", count)["cpu"] for _ in range(2))
                cells.append(f"{who} {least:.0f} ms")
        edges = options.edges[count]
        print(f"{network}, {edges} edges: {', '.join(cells)}", flush=True)


def run(network: str, options: Any) -> None:
    """One network: all tables."""
    python = getattr(options, network)
    sides: dict[str, Worker] = {}
    if python is None:
        skip(network, f"an environment with {PACKAGES[network]}; --{network} PYTHON")
    else:
        sides["theirs"] = Worker(python, network, "theirs", options)
    sides = {"ours": Worker(sys.executable, network, "ours", options), **sides}
    try:
        print(f"{network}: {sides['ours'].numbers} parameters", flush=True)
        compare(network, sides, options)
        measure(network, sides, options.count, options)
        growth(network, sides, options)
        if python is not None and options.variants:
            sides.pop("theirs").stop()
            who, count = VARIANTS[network]
            sides[who] = Worker(python, network, who, options)
            compare(network, sides, options)
            measure(network, sides, min(count, options.count), options)
        for name, value in sides["ours"].ask("shares", options.count).items():
            print(f"{network}: {name} {value:.1f}", flush=True)
    finally:
        for side in sides.values():
            side.stop()


def prepare(options: Any) -> None:
    """Write the batches, which all processes read."""
    from molecules import molecules

    batches, options.edges = {}, {}
    besides = {min(count, options.count) for _, count in VARIANTS.values()}
    for count in sorted({options.count, *options.molecules, *besides}):
        m = molecules(count, options.root, 5.0)
        options.edges[count] = m.edge_index.shape[1]
        fields = m._asdict()
        batches[count] = {k: v for k, v in fields.items() if k != "source"}
        print(f"{m} within 5 angstrom")
    torch.save(batches, options.folder / "batches.pt")


def main(argv: list[str] | None = None) -> None:
    options_of = parser(__doc__, seconds=4.0)
    for name, package in PACKAGES.items():
        options_of.add_argument(f"--{name}", help=f"python of a {package} environment")
    options_of.add_argument("--networks", nargs="+", default=list(THEIRS))
    options_of.add_argument(
        "--variants", action="store_true", help="also compiled, and cuEquivariance's"
    )
    options_of.add_argument("--root", help="of QM9 (default: random molecules)")
    options_of.add_argument("--count", type=int, default=32, help="molecules of a step")
    options_of.add_argument(
        "--molecules", type=int, nargs="+", default=[8, 32, 128, 256]
    )
    options_of.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options_of.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = options_of.parse_args(argv)
    if options.work:
        work(options)
        return
    if options.quick:
        options.count, options.molecules, options.seconds = 2, [2], 0.0
    start(options)
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        prepare(options)
        columns = ("ours, ms", "peer, ms", "ratio", "smallest", "cpu")
        print(FORMAT.format("", "peer", *columns))
        for network in options.networks:
            run(network, options)


if __name__ == "__main__":
    main(sys.argv[1:])
