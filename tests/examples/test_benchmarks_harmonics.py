"""The benchmark of the harmonics runs at a tiny size, after comparing its peers."""

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
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module, imported as its own directory does, and forgotten afterwards."""
    pytest.importorskip("e3nn")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("harmonics")
    for name in ("harmonics", "timing"):
        sys.modules.pop(name, None)


def test_three_orders(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.main(["--quick", "--lmax", "1", "2"])
    rows = [row for row in capsys.readouterr().out.splitlines() if row[:4] == "l <="]
    found = [row for row in rows if "  e3nn  " in row]
    assert len(found) == 6
    for row, order in zip(found, 2 * benchmark.ORDERS, strict=True):
        assert order in row


def test_other_numbers_stop_it(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = benchmark.ours
    monkeypatch.setattr(benchmark, "ours", lambda l: lambda r: 1.01 * own(l)(r))
    with pytest.raises(SystemExit, match="e3nn: results differ"):
        benchmark.main(["--quick", "--lmax", "1"])


def test_components_of_sphericart_come_back(benchmark: Any) -> None:
    vectors = torch.randn(5, 3)
    cycled = vectors[:, benchmark.CYCLE]
    assert torch.equal(benchmark.in_our_order([cycled])[0], vectors)
