"""No wrong input passes in silence, and none ends the process.

Every case of the table in ``wrong_inputs`` runs in a process of its own. Where that
dies, the case that it announced last is at fault, and another goes on behind it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent
LEAST_CASES = 15_000  # of the whole table


def _environment(compiler: bool) -> dict[str, str]:
    given = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_PERTURB_": "165"}
    folders = [str(TESTS.parent), given.get("PYTHONPATH", "")]
    given["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    if not compiler:
        given.pop("CC", None)
        given["PATH"] = os.devnull
    return given


def _run(arguments: Iterable[str], compiler: bool) -> Iterator[dict[str, Any]]:
    """The lines that a process prints; one for the crash if it dies."""
    process = subprocess.run(
        [sys.executable, "-m", "wrong_inputs", *arguments],
        cwd=TESTS,
        env=_environment(compiler),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    yield from lines
    if process.returncode:
        end = f"ended with {process.returncode}: {process.stderr[-500:]}"
        last = lines[-1] if lines else {"entry": "", "argument": "", "case": "start"}
        yield {**last, "fault": f"crash: {end}"}


def outcomes(*arguments: str, compiler: bool = True) -> Iterator[dict[str, Any]]:
    """What became of every case; behind a crash another process goes on."""
    crashed = ""
    while True:
        after = ["--after", crashed] if crashed else []
        crashed = ""
        for line in _run([*arguments, *after], compiler):
            if "fault" in line:
                yield line
            if line.get("fault", "").startswith("crash"):
                crashed = line["entry"]
        if not crashed:
            return


def _check(*arguments: str, compiler: bool = True) -> int:
    """Fail if a case is not what the table says; how many there are."""
    found = list(outcomes(*arguments, compiler=compiler))
    faults = [
        f"{line['entry']}({line['argument']}: {line['case']}): {line['fault']}"
        for line in found
        if line["fault"]
    ]
    assert not faults, f"{len(faults)} of {len(found)}:\n" + "\n".join(faults[:50])
    return len(found)


LAYERS = ("convolutions", "networks")
OTHERS = ("modules", "kernels", "graphs", "geometry", "transforms", "simulations")


@pytest.mark.parametrize("modules", [LAYERS, OTHERS], ids=["layers", "others"])
def test_wrong_inputs_are_one_clear_error(modules: tuple[str, ...]) -> None:
    assert _check("--short", *modules) > 4000


def test_without_a_compiler_they_are_too() -> None:
    assert _check("--short", "kernels", "convolutions", compiler=False) > 3000


@pytest.mark.slow
@pytest.mark.parametrize("compiler", [True, False])
def test_the_whole_table(compiler: bool) -> None:
    assert _check(compiler=compiler) > LEAST_CASES


def test_a_planted_fault_is_noticed_and_others_go_on_behind_a_crash() -> None:
    found = list(outcomes("planted"))
    for fault in ("silent", "raw", "unclear", "wrong", "crash"):
        assert any(
            line["entry"] == f"planted: {fault}" and line["fault"].startswith(fault)
            for line in found
        ), fault
    crash = next(line for line in found if line["fault"].startswith("crash"))
    assert (crash["argument"], crash["case"]) == ("x", "on meta")
    assert found[-1]["entry"] == "planted: others behind it"
