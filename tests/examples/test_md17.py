"""A molecule of revised MD17 is learned in some seconds."""

from __future__ import annotations

import re
from pathlib import Path

import md17
import pytest

from .springs import MEAN, springs

SMALL = ["--model", "painn", "--hidden-channels", "8", "--num-layers", "1"]

pytestmark = pytest.mark.usefixtures("same_threads")


def test_a_run_is_compared_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    springs(tmp_path, "ethanol", 80, 20)
    words = [*SMALL, "--root", str(tmp_path), "--folder", str(tmp_path / "run")]
    md17.main([*words, "--minutes", "0"])
    out = capsys.readouterr().out
    assert "1 epochs fit into 0 minutes" in out
    assert "MACE     published: energy 0.4 meV, forces 2.1 meV/A" in out
    found = re.findall(r"a test frame: (\S+) eV, true (\S+) eV", out)[0]
    assert float(found[0]) == pytest.approx(MEAN, abs=5.0)
    assert float(found[1]) == pytest.approx(MEAN, abs=5.0)
    md17.main([*words, "--resume"])
    again = capsys.readouterr().out
    assert "fit into" not in again
    assert re.findall(r"forces  .*", again) == re.findall(r"forces  .*", out)


def test_every_molecule_has_published_errors() -> None:
    for row in md17.PUBLISHED.values():
        assert len(row.split()) == len(md17.MOLECULES)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        md17.main(["--help"])
    assert "published test" in capsys.readouterr().out
