"""The benchmark of CUDA devices says what it cannot do, and compares without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pyg_equivariant.kernels.triton.build import has_triton

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "examples" / "benchmarks" / "gpu.py")
    settings = {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, script, *arguments],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_device_it_says_so_in_one_line() -> None:
    ran = run()
    assert ran.returncode == 1
    assert ran.stderr.strip() == (
        "no CUDA device is here; --check compares without one"
    )


@pytest.mark.skipif(not has_triton(), reason="Triton is not installed")
def test_it_compares_without_a_device() -> None:
    ran = run("--check")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "the same numbers as" in ran.stdout
    assert "differ" not in ran.stdout


def test_the_crystal_is_symmetric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "benchmarks"))
    import gpu

    (source, target), nodes = gpu.crystal(6, "cpu")
    assert nodes == 216
    assert torch.equal(target.bincount(), torch.full((nodes,), 32))
    there = set(zip(source.tolist(), target.tolist(), strict=True))
    assert len(there) == 32 * nodes
    assert there == {(b, a) for a, b in there}
    key = target * nodes + source
    assert bool((key.diff() > 0).all())
