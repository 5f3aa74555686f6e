"""The report tells what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyg_equivariant.kernels import report
from pyg_equivariant.kernels.c.compiler import BuildError, compiler
from pyg_equivariant.kernels.environment import CACHE, PLAIN
from pyg_equivariant.kernels.report import (
    can_compile,
    count_kernels,
    kernel_report,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_there_is(folder: Path) -> None:
    found = compiler()
    if found is None:
        pytest.skip("needs a C compiler")
    assert f"compiler     {' '.join(found.command)} (" in kernel_report()
    assert f"cache        {folder}\n             0 kernels, 0.0 MB" in kernel_report()
    assert "OpenMP" not in kernel_report()  # nothing is made for a look
    folder.mkdir()
    assert "processor: -m" in kernel_report()
    assert "OpenMP: " in kernel_report()
    folder.chmod(0o777)
    assert f"not used: others may write to {folder}" in kernel_report()
    assert can_compile()
    assert count_kernels() == 0


def test_what_there_is_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()

    def refused(*_: object) -> None:
        raise BuildError("on strike")

    if compiler() is not None:
        monkeypatch.setattr(report, "options_of", refused)
        assert "cannot build: on strike" in kernel_report()
    monkeypatch.setattr(report, "compiler", lambda: None)
    assert "compiler     none: set CC, or install gcc" in kernel_report()
    assert not can_compile()
    monkeypatch.setattr(report, "cache_folder", lambda: None)
    assert "none: the home folder is unknown" in kernel_report()
    monkeypatch.setattr(report, "plain_torch", lambda: True)
    assert f"plain torch  yes ({PLAIN}=1)" in kernel_report()
    assert not can_compile()
