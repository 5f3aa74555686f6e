"""Kernels built with an address sanitizer: memory is read and written where it is ours.

    pytest -m slow tests/kernels/test_sanitizer.py

The sanitizer watches the memory that torch allocates, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyg_equivariant.kernels.c.compiler import compiler
from pyg_equivariant.kernels.environment import CACHE, TIMEOUT

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
BEYOND = """
import ctypes, sys
from pathlib import Path
import torch
from pyg_equivariant.kernels.c.build import library

read = library(Path(sys.argv[1]), "float").read
read.argtypes, read.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_float
x = torch.ones(64)
assert read(x.data_ptr(), 63) == 1
print("inside")
read(x.data_ptr(), int(sys.argv[2]))
"""
TEXT = "float read(float* x, int at) { return x[at]; }"


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with kernels that are built with the sanitizer."""
    found = compiler()
    if found is None:
        pytest.skip("needs a C compiler")
    path = found.command[0]
    asked = [path, "-print-file-name=libasan.so"]
    runtime = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip(f"{path} has no address sanitizer")
    told = {
        "CC": f"{path} -fsanitize=address -g",
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",
        CACHE: str(folder),
        TIMEOUT: "3000",
    }
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **told},
    )


@pytest.mark.parametrize("at", ["64", "-1"])
def test_a_number_beyond_a_tensor_is_noticed(tmp_path: Path, at: str) -> None:
    """Else what follows could not fail."""
    source = tmp_path / "read.c"
    source.write_text(TEXT, "utf-8")
    ran = _run(tmp_path / "cache", "-c", BEYOND, str(source), at)
    assert ran.stdout == "inside\n", ran.stderr
    assert ran.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in ran.stderr


def test_kernels_stay_inside(tmp_path: Path) -> None:
    """On random shapes, layouts and graphs, and all derivatives to the third."""
    tests = "tests/kernels/test_fused_equals_plain.py"
    options = "-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib"
    ran = _run(tmp_path, "-m", "pytest", tests, *options, "-m", "not slow")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "skipped" not in ran.stdout
