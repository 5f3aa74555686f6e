"""The benchmark of the core runs, and both sides of a row do the same work."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    pytest.importorskip("e3nn")
    return runpy.run_path(str(ROOT / "examples" / "benchmarks" / "core.py"))


def sizes(result: object) -> list[int]:
    if isinstance(result, torch.Tensor):
        return [result.numel()]
    if isinstance(result, (tuple, list)):
        return [size for each in result for size in sizes(each)]
    return []


def test_both_sides_give_as_many_numbers(benchmark: dict[str, Any]) -> None:
    cases = list(benchmark["all_cases"](4))
    assert len(cases) == 14
    for case in cases:
        assert sizes(case.ours()) == sizes(case.theirs()), case.name


def test_medians(benchmark: dict[str, Any]) -> None:
    durations = iter([9.0, 1.0, 2.0, 5.0, 3.0])
    case = benchmark["Case"]("", lambda: next(durations), lambda: 0.5)
    assert benchmark["measure"](case, 3, warmup=2) == (3.0, 0.5)
