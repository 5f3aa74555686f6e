"""The benchmark of the core runs, and both sides of a row do the same work."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "examples" / "benchmarks"


@pytest.fixture
def benchmark() -> Iterator[Any]:
    pytest.importorskip("e3nn")
    threads = torch.get_num_threads()
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("core")
    sys.path.remove(str(BENCHMARKS))
    for name in ("core", "timing"):
        sys.modules.pop(name, None)
    torch.set_num_threads(threads)


def sizes(result: object) -> list[int]:
    if isinstance(result, torch.Tensor):
        return [result.numel()]
    if isinstance(result, (tuple, list)):
        return [size for each in result for size in sizes(each)]
    return []


def test_both_sides_give_as_many_numbers(benchmark: Any) -> None:
    cases = list(benchmark.all_cases(4))
    assert len(cases) == 14
    for case in cases:
        assert sizes(case.ours()) == sizes(case.theirs()), case.name


def test_the_first_calls_do_not_count(
    benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[str] = []

    def side(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    case = benchmark.Case("gate", lambda: side("ours"), lambda: side("e3nn"))
    benchmark.measure(case, 3, warmup=2)
    assert calls == ["ours", "e3nn"] * 5
    cells = capsys.readouterr().out.split()
    assert cells == ["gate", "e3nn", "7.00", "8.00", "1.14", "1.20"]


def test_a_table(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.main(["--quick"])
    out = capsys.readouterr().out
    assert "1 thread(s)" in out
    assert sum(" e3nn  " in line for line in out.splitlines()) == 14
