"""What the benchmarks share: calls taken in turns, comparison, tables, peak memory."""

from __future__ import annotations

import argparse
import importlib
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

Times = dict[str, list[float]]
_WIDTHS = (50, 14, 10, 10, 8, 8)


def parser(description: str | None, seconds: float = 10.0) -> argparse.ArgumentParser:
    """Options that all benchmarks have."""
    found = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    found.add_argument("--threads", type=int, help="of torch (default: torch's own)")
    found.add_argument(
        "--seconds",
        type=float,
        default=seconds,
        help="for one row (default: %(default)s)",
    )
    found.add_argument("--quick", action="store_true", help="tiny sizes, to try it out")
    return found


def start(options: argparse.Namespace, *packages: str) -> None:
    """Seed, set threads, and print versions."""
    torch.manual_seed(0)
    if options.threads:
        torch.set_num_threads(options.threads)
    print(f"{versions(*packages)}, {torch.get_num_threads()} thread(s), float32")


def versions(*packages: str) -> str:
    """Of torch, of those packages that are installed, of Python, and the machine."""
    found = [f"torch {torch.__version__}"]
    for name in packages:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(
        [*found, f"Python {platform.python_version()}", platform.machine()]
    )


def optional(name: str) -> ModuleType | None:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def skip(peer: str, how: str) -> None:
    """Say in one line that a peer is left out, and how to get it."""
    print(f"without {peer}: {how}")


def in_turns(
    functions: Mapping[str, Callable[[], object]], seconds: float, least: int = 3
) -> Times:
    """Milliseconds of every call; a float that a function returns is its own time.

    The functions alternate, so that other load on the machine meets all of them.
    """
    times: Times = {name: [] for name in functions}
    begin = time.perf_counter()
    rounds = 0
    while rounds < least or time.perf_counter() - begin < seconds:
        for name, function in functions.items():
            before = time.perf_counter()
            result = function()
            spent = 1e3 * (time.perf_counter() - before)
            times[name].append(result if isinstance(result, float) else spent)
            del result
        rounds += 1
    return times


def difference(ours: Iterable[Tensor], theirs: Iterable[Tensor]) -> float:
    """The largest difference of each pair relative to its largest number."""
    pairs = zip(ours, theirs, strict=True)
    return max(
        (float(_relative(a.detach(), b.detach())) for a, b in pairs),
        default=0.0,
    )


def _relative(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().max() / b.abs().max().clamp(min=1e-30)


def same(
    what: str, ours: Iterable[Tensor], theirs: Iterable[Tensor], limit: float = 1e-5
) -> None:
    """Stop unless both sides computed the same numbers."""
    error = difference(ours, theirs)
    if not error <= limit:
        raise SystemExit(
            f"{what}: results differ by {error:.1e}, more than {limit:.0e}"
        )


def head(unit: str = "ms") -> None:
    """The top of a table."""
    rule()
    names = ("", "peer", f"ours, {unit}", f"peer, {unit}", "ratio", "smallest")
    _line(names)
    rule()


def rule() -> None:
    _line(["=" * width for width in _WIDTHS])


def rows(what: str, times: Mapping[str, Sequence[float]], ours: str = "ours") -> None:
    """One row per peer: medians, their ratio, and the ratio of the smallest numbers."""
    own = times[ours]
    for peer, found in times.items():
        if peer != ours:
            a, b = statistics.median(own), statistics.median(found)
            ratios = (b / max(a, 1e-9), min(found) / max(min(own), 1e-9))
            cells = [what, peer, *(f"{n:.2f}" for n in (a, b, *ratios))]
            _line(cells)


def _line(cells: Sequence[str]) -> None:
    padded = [
        cell.ljust(width) if k < 2 else cell.rjust(width)
        for k, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ]
    print("  ".join(padded).rstrip(), flush=True)


def highest() -> float:
    """The most memory that this process has held, in MB (Linux)."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise SystemExit("peak memory is read from /proc/self/status, which is not here")


def rise(function: Callable[[], object]) -> float:
    """By how many MB a call raises the peak memory of this process."""
    before = highest()
    result = function()
    del result
    return highest() - before


def fresh(script: str, *arguments: str) -> str:
    """The last line that a script prints in a process of its own."""
    command = [sys.executable, script, *arguments]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout.splitlines()[-1]
