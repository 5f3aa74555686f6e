"""Few frames are learned, by degree; what was learned is not learned again."""

from __future__ import annotations

from pathlib import Path

import data_efficiency
import pytest

from .springs import springs

pytestmark = pytest.mark.usefixtures("same_threads")


def test_a_table_grows_and_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    springs(tmp_path, "ethanol", 80, 20)
    words = ["--root", str(tmp_path), "--molecules", "ethanol", "--model", "tfn"]
    words += ["--hidden-channels", "4", "--num-layers", "1", "--seconds", "0"]
    words += ["--degrees", "0", "1", "--num-val", "5", "--out", str(tmp_path / "out")]
    data_efficiency.main([*words, "--frames", "10"])
    first = data_efficiency.read_rows(tmp_path / "out.csv")
    data_efficiency.main([*words, "--frames", "10", "20"])
    rows = data_efficiency.read_rows(tmp_path / "out.csv")
    assert rows[:2] == first
    assert [(row["frames"], row["lmax"]) for row in rows] == [
        *(("10", "0"), ("10", "1"), ("20", "0"), ("20", "1"))
    ]
    assert all(float(row["forces"]) > 0 and row["epochs"] == "1" for row in rows)
    assert len(capsys.readouterr().out.splitlines()) == 2 + 4
    assert "<svg" in (tmp_path / "out.svg").read_text(encoding="utf-8")
