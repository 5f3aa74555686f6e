"""A large system, here a small one."""

from __future__ import annotations

import re
import sys

import large_graph
import pytest
import torch


def test_it_measures_every_part(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = "--atoms 200 --channels 4 --neighbors 5"
    monkeypatch.setattr(sys, "argv", ["large_graph.py", *flags.split()])
    large_graph.main()
    out = capsys.readouterr().out
    assert len(re.findall(r" \d+\.\d\d s +\d+\.\d\d GB", out)) == 6
    assert "200 atoms in a box of 15.9 A" in out
    assert float(re.findall(r"energy (\S+),", out)[-1]) != 0


def test_atoms_keep_apart() -> None:
    pos, cell = large_graph.matter(500)
    assert pos.shape == (500, 3)
    assert float(torch.linalg.det(cell)) == pytest.approx(500 / large_graph.DENSITY)
    assert torch.pdist(pos).min() > 0.5
