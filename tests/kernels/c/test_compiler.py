"""Which compiler is taken, what it can do, and when it is stopped."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pyg_equivariant.kernels.c import compiler as module
from pyg_equivariant.kernels.c.build import library
from pyg_equivariant.kernels.c.compiler import (
    BuildError,
    build,
    compiler,
    options_of,
)
from pyg_equivariant.kernels.environment import TIMEOUT

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
TEXT = "int run(void) { return 3; }"


def _command() -> tuple[str, ...]:
    found = compiler()
    assert found is not None
    return found.command


def _script(folder: Path, text: str) -> str:
    path = folder / "some-cc"
    path.write_bytes(b"#!/bin/sh\n" + text.encode("latin-1"))
    path.chmod(0o755)
    return str(path)


def test_options_in_cc_are_passed_on(
    plain_c: Path, monkeypatch: pytest.MonkeyPatch, anew: Callable[[], None]
) -> None:
    path = _command()[0]
    monkeypatch.setenv("CC", f"{path} -DMORE=3")
    anew()
    assert _command() == (path, "-DMORE=3")
    assert library(plain_c, "float").bits() == 35


@pytest.mark.parametrize("cc", ["no-such-compiler -O3", "sh -c 'exit 1'", "cc '"])
def test_a_cc_that_is_no_compiler_is_said_and_passed_over(
    cc: str, monkeypatch: pytest.MonkeyPatch, anew: Callable[[], None]
) -> None:
    monkeypatch.setenv("CC", cc)
    anew()
    with pytest.warns(UserWarning, match=re.escape(f"CC={cc!r} is no C compiler")):
        assert compiler() is not None


def test_messages_in_any_encoding(
    folder: Path, monkeypatch: pytest.MonkeyPatch, anew: Callable[[], None]
) -> None:
    monkeypatch.setenv("CC", _script(folder, "printf 'r\xe9ponse'"))
    anew()
    found = compiler()
    assert found is not None
    assert found.version == "r\ufffdponse"
    failing = _script(folder, "printf 'r\xe9ponse' >&2; exit 1")
    with pytest.raises(BuildError, match="could not compile a kernel:\nr\ufffdponse"):
        build((failing,), (), TEXT, folder)


def test_a_compilation_that_takes_too_long_is_ended_with_all_that_it_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = folder / "started"
    slow = _script(folder, f"sleep 60 & echo $! > {started}; wait")
    monkeypatch.setenv(TIMEOUT, "0.5")
    begun = time.monotonic()
    with pytest.raises(BuildError, match=rf"took longer than 0.5 s \({TIMEOUT}\)"):
        build((slow,), (), TEXT, folder)
    assert time.monotonic() - begun < 30
    child = int(started.read_text())
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"process {child} goes on")


def test_the_best_options_are_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MACHINE", (("-no-such-option",), ("-O1",)))
    monkeypatch.setattr(module, "THREADS", (("-nor-this",),))
    assert options_of(_command(), folder) == (("-O1",), ())


def test_where_libraries_cannot_be_loaded_no_option_is_blamed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: str) -> None:
        raise OSError("failed to map segment from shared object")

    monkeypatch.setattr(ctypes, "CDLL", refused)
    with pytest.raises(OSError, match="failed to map segment"):
        options_of(_command(), folder)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the maps of a process")
def test_no_second_openmp_library_is_loaded(plain_c: Path) -> None:
    """Nor is one named in the library: threads come from torch's."""
    code = """
import sys
from pathlib import Path
import torch
from pyg_equivariant.kernels.activation.operator import silu
from pyg_equivariant.kernels.c.cache import entries

def loaded():
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = {line.split()[-1] for line in lines}
    return {path for path in paths if "omp" in Path(path).name}

before = loaded()
torch.set_num_threads(2)
silu(torch.ones(1 << 18))
(entry,) = entries()
assert b"GOMP_parallel" in entry.path.read_bytes() or not entry.facts["threads"]
assert b"libgomp" not in entry.path.read_bytes()
assert loaded() == before, loaded()
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
