"""The examples on the path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

for module in ("lightning", "torchmetrics", "matplotlib", "ase"):
    pytest.importorskip(module)

if str(EXAMPLES) not in sys.path:
    sys.path.insert(0, str(EXAMPLES))

BENCHMARKS = EXAMPLES / "benchmarks"
MODULES = [path.stem for path in BENCHMARKS.glob("*.py")]


@pytest.fixture
def load() -> Iterator[Callable[[str], Any]]:
    """Import a benchmark as its own directory does, and forget it afterwards."""
    threads = torch.get_num_threads()
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))
    for name in MODULES:
        sys.modules.pop(name, None)
    torch.set_num_threads(threads)


@pytest.fixture
def same_threads() -> Iterator[None]:
    """As many threads as before, whatever an example sets."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
