"""The table of equivariance errors says what it should."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "equivariance_error.py"
LIMITS = (1e-12, 1e-5, 0.05, 0.05)


def test_every_module_is_equivariant_in_every_dtype(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [str(SCRIPT), "--batch", "5"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    table = capsys.readouterr().out.split("===\n")[2].splitlines()[:-1]
    assert len(table) == 11
    for row in table:
        errors = [float(word) for word in row.split()[1:]]
        assert len(errors) == len(LIMITS)
        assert all(e < limit for e, limit in zip(errors, LIMITS, strict=True)), row
