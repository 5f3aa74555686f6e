"""How many small changes of the package the tests of the same floor notice.

    pip install cosmic-ray
    python tests/mutation o3 graph nn transforms kernels --count 60 --seed 0

Each place is a folder or file of the package. Of all mutants that Cosmic Ray makes of
it (another number, comparison, operator or truth value) and of all statements that can
be left out, a random sample is tried one by one on a copy of the repository: first the
tests of the mutated module run, then those of its floor, until one fails. Annotations
and texts of errors are not mutated. Survivors are printed. Those that ``known.txt``
lists with a reason, because they change no result, are not tried and do not count.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Container, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from mutants import Mutant, sample
from trial import new_tree, run, stages, verdict, whole_floor

KNOWN = Path(__file__).with_name("known.txt")
_tree: Path


def known() -> dict[tuple[str, str, str], str]:
    """Why mutants change no result, by module, lines before and lines after."""
    blocks = (block.splitlines() for block in KNOWN.read_text("utf-8").split("\n\n"))
    return {(m, before[2:], after[2:]): why for m, before, after, why in blocks}


def is_known(mutant: Mutant, reasons: Container[tuple[str, str, str]]) -> bool:
    """Whether a mutant, or any of its line (``*``), is listed."""
    module, _, before, after, _ = mutant
    return (module, before, after) in reasons or (module, before, "*") in reasons


def _start(parent: Path) -> None:
    global _tree
    _tree = new_tree(parent)


def _baseline(asked: tuple[str, ...]) -> tuple[tuple[str, ...], str, float]:
    """What some tests say of the package as it is, and their time."""
    start = time.monotonic()
    failed = run([list(asked)], _tree, _tree.parent / "cache", 3600)
    return asked, failed, time.monotonic() - start


def _trial(task: tuple[str, Mutant, float]) -> tuple[str, Mutant, str, float]:
    place, mutant, limit = task
    start = time.monotonic()
    noticed = verdict(mutant, _tree, limit)
    return place, mutant, noticed, time.monotonic() - start


def _results(
    samples: dict[str, list[Mutant]], jobs: int
) -> Iterator[tuple[str, Mutant, str, float]]:
    """Try all mutants, after their tests have passed without one."""
    import hypothesis  # noqa: F401
    import torch_geometric.nn  # noqa: F401  # loaded once, then every child has it

    parent = Path(tempfile.mkdtemp(prefix="mutation-"))
    (parent / "cache").mkdir()
    modules = {mutant.module for mutants in samples.values() for mutant in mutants}
    asked = {tuple(stages(module)[0]) for module in modules}
    asked |= {tuple(whole_floor(module)) for module in modules}
    context = multiprocessing.get_context("fork")
    try:
        # Not a Pool, whose processes may have no children; tests have some.
        with ProcessPoolExecutor(jobs, context, _start, (parent,)) as pool:
            slowest = 0.0
            for tests, failed, seconds in pool.map(_baseline, asked):
                if failed:
                    raise SystemExit(f"{tests}: without a mutant, {failed}")
                slowest = max(slowest, seconds)
            tasks = [
                pool.submit(_trial, (place, mutant, 60 + 4 * slowest))
                for place, mutants in samples.items()
                for mutant in mutants
            ]
            yield from (task.result() for task in as_completed(tasks))
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("places", nargs="+", help="folders or files of the package")
    parser.add_argument("--count", type=int, default=80, help="mutants of each place")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--log", type=Path, help="write each result as a line of JSON")
    args = parser.parse_args()
    samples = {place: sample(place, args.count, args.seed) for place in args.places}
    reasons = known()
    counts = {
        place: Counter(known=sum(is_known(mutant, reasons) for mutant in mutants))
        for place, mutants in samples.items()
    }
    tried = {
        place: [mutant for mutant in mutants if not is_known(mutant, reasons)]
        for place, mutants in samples.items()
    }
    for place, mutant, noticed, seconds in _results(tried, args.jobs):
        counts[place]["noticed" if noticed else "survived"] += 1
        if not noticed:
            print(f"{mutant.module}:{mutant.line}")
            print(f"- {mutant.before}\n+ {mutant.after}\n", flush=True)
        if args.log:
            with args.log.open("a") as log:
                fields = mutant._asdict() | {"text": None, "noticed": noticed}
                json.dump(fields | {"place": place, "seconds": seconds}, log)
                log.write("\n")
    for place, count in counts.items():
        counted = count["noticed"] + count["survived"]
        share = 100 * count["noticed"] / max(counted, 1)
        print(
            f"{place}: {count['noticed']} of {counted} noticed, {share:.0f} %; "
            f"{count['known']} more change no result"
        )


if __name__ == "__main__":
    main()
