"""The examples on the path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

for module in ("lightning", "torchmetrics", "matplotlib", "ase"):
    pytest.importorskip(module)

if str(EXAMPLES) not in sys.path:
    sys.path.insert(0, str(EXAMPLES))
