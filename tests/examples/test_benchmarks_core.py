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


def test_calls_alternate_and_the_first_do_not_count(benchmark: dict[str, Any]) -> None:
    calls = []
    case = benchmark["Case"](
        "",
        lambda: calls.append("ours") or float(len(calls)),
        lambda: calls.append("e3nn"),
    )
    ours, theirs = benchmark["measure"](case, 3, warmup=2)
    assert calls == ["ours", "e3nn"] * 5
    assert ours == [5.0, 7.0, 9.0]
    assert all(0 <= seconds < 1 for seconds in theirs)
    assert len(theirs) == 3


def test_a_row_of_the_table(
    benchmark: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark["print_row"]("gate", [[3e-3, 1e-3, 2e-3], [4e-3, 8e-3, 5e-3]])
    assert capsys.readouterr().out.split() == ["gate", "2.000", "5.000", "2.50", "4.00"]
