"""The example of the first minute, in some seconds."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import quickstart


def test_it_learns_and_is_equivariant(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = tmp_path / "figure.png"
    flags = f"--root {tmp_path} --num-train 100 --num-test 20 --seconds 2"
    monkeypatch.setattr(
        sys, "argv", ["quickstart.py", *flags.split(), "--figure", str(figure)]
    )
    quickstart.main()
    out = capsys.readouterr().out
    straight = float(re.findall(r"straight on: test error (\S+)", out)[0])
    errors = [float(error) for error in re.findall(r"epoch .* error (\S+)", out)]
    assert errors[-1] < 2 * straight
    found = re.findall(r"(?:rotation|reflection|translation) (\S+?)(?:,|\n)", out)
    assert len(found) == 3
    assert all(float(error) < 1e-4 for error in found)
    assert figure.stat().st_size > 10_000
