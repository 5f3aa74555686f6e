"""A cache of its own for every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyg_equivariant.kernels import environment
from pyg_equivariant.kernels.c import build
from pyg_equivariant.kernels.c.compiler import compiler, options_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder with an empty cache; nothing is known of former builds."""
    monkeypatch.setenv(environment.CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(environment, "said", set())
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    build._try.cache_clear()
    compiler.cache_clear()
    options_of.cache_clear()


@pytest.fixture
def anew() -> Callable[[], None]:
    """As in another process."""
    return _forget


@pytest.fixture
def plain_c(folder: Path) -> Path:
    """A file of C whose function returns the bits of a number, and ``MORE``."""
    path = folder / "plain.c"
    text = "int bits(void) { return 8 * sizeof(REAL) + MORE; }\n"
    path.write_text(text, "utf-8")
    return path
