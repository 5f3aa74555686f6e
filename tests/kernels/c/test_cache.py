"""What is loaded from disk is whole, and nobody else can have written it."""

from __future__ import annotations

import json
import os
import stat
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from pyg_equivariant.kernels.c import cache
from pyg_equivariant.kernels.c.build import library
from pyg_equivariant.kernels.c.cache import (
    cache_folder,
    clear_kernels,
    danger,
    entries,
    parents,
    workshop,
)
from pyg_equivariant.kernels.c.compiler import compiler
from pyg_equivariant.kernels.environment import CACHE

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
Anew = Callable[[], None]


def _damage(path: Path, content: bytes) -> None:
    """Put another file in place of one that may be loaded."""
    other = path.with_suffix(".other")
    other.write_bytes(content)
    other.replace(path)


@pytest.mark.parametrize("left", [0, 1000, -1])
def test_a_truncated_library_is_built_anew(
    plain_c: Path, left: int, anew: Anew
) -> None:
    library(plain_c, "float", MORE=5)
    (entry,) = entries()
    whole = entry.path.read_bytes()
    _damage(entry.path, whole[:left])
    assert not entries()
    anew()
    assert library(plain_c, "float", MORE=5).bits() == 37
    (entry,) = entries()
    assert entry.facts["size"] == len(entry.path.read_bytes())


def test_a_changed_library_or_note_is_built_anew(plain_c: Path, anew: Anew) -> None:
    library(plain_c, "float", MORE=5)
    (entry,) = entries()
    (note,) = cache_folder().glob("*.json")
    whole, told = entry.path.read_bytes(), note.read_bytes()
    changed = whole[:-1] + bytes([whole[-1] ^ 1])
    for path, content in (
        (entry.path, changed),
        (note, b"{"),
        (note, b"[]"),
        (note, json.dumps({"digest": "nothing"}).encode()),
        (note, told.replace(entry.facts["digest"].encode(), b"no")),
    ):
        _damage(path, content)
        assert not entries()
        anew()
        assert library(plain_c, "float", MORE=5).bits() == 37
        assert len(entries()) == 1


@pytest.mark.parametrize("kind", ["*.so", "*.json"])
def test_a_file_that_others_may_write_to_is_built_anew(
    plain_c: Path, kind: str, anew: Anew
) -> None:
    library(plain_c, "float", MORE=6)
    (path,) = cache_folder().glob(kind)
    path.chmod(0o777)
    assert not entries()
    anew()
    assert library(plain_c, "float", MORE=6).bits() == 38
    for path in cache_folder().iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.skipif(os.getuid() != 0, reason="only the administrator gives files away")
@pytest.mark.parametrize("whose", ["file", "folder", "way"])
def test_what_belongs_to_another_user_is_not_loaded(
    plain_c: Path, folder: Path, whose: str, anew: Anew
) -> None:
    library(plain_c, "float", MORE=6)
    (entry,) = entries()
    chosen = {"file": entry.path, "folder": cache_folder(), "way": folder}[whose]
    os.chown(chosen, 12345, -1)
    assert not entries()
    anew()
    if whose == "file":
        assert library(plain_c, "float", MORE=6).bits() == 38
        return
    with pytest.warns(UserWarning, match="cannot be kept .* belongs to another user"):
        assert library(plain_c, "float", MORE=6).bits() == 38
    os.chown(chosen, 0, -1)


def test_the_way_to_the_cache_is_ours_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_folder = folder / "open"
    inside = open_folder / "ours"
    inside.mkdir(parents=True)
    assert danger(inside) is None
    open_folder.chmod(0o777)  # others could put another folder in place of ours
    assert danger(inside) == f"others may write to {open_folder}"
    open_folder.chmod(0o1777)  # but not if it is sticky
    assert danger(inside) is None
    assert danger(open_folder) == f"others may write to {open_folder}"
    monkeypatch.setenv(CACHE, str(inside))
    open_folder.chmod(0o777)
    with pytest.warns(UserWarning, match=f"cannot be kept .*{CACHE}"):
        ((elsewhere, is_cache),) = parents()
    assert elsewhere != inside
    assert not is_cache


def test_a_link_on_the_way_is_followed_and_looked_at(folder: Path) -> None:
    real, open_folder = folder / "real", folder / "open"
    real.mkdir()
    open_folder.mkdir()
    link = open_folder / "link"
    link.symlink_to(real, target_is_directory=True)
    assert danger(link) is None
    real.chmod(0o777)
    assert danger(link) == f"others may write to {real}"
    real.chmod(0o755)
    open_folder.chmod(0o777)  # others could let the link point elsewhere
    assert danger(link) == f"others may write to {open_folder}"


def test_a_group_of_the_user_alone_may_write_to_the_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = folder / "home" / "cache"
    inside.mkdir(parents=True)
    inside.parent.chmod(0o775)
    for ours, expected in (
        (True, None),
        (False, f"others may write to {folder / 'home'}"),
    ):
        monkeypatch.setattr(cache, "_only_us", lambda _, ours=ours: ours)
        assert danger(inside) == expected
    state = os.stat_result((0o40777, *inside.stat()[1:]))
    monkeypatch.undo()
    assert not cache._only_us(state)


@pytest.mark.parametrize("name", ["xdg", "own"])
def test_where_libraries_are_kept(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "xdg"))
    if name == "own":
        monkeypatch.setenv(CACHE, str(folder / "own"))
        assert cache_folder() == folder / "own"
    else:
        assert cache_folder() == folder / "xdg" / "pyg_equivariant"


def test_a_home_that_nobody_knows(
    plain_c: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv(CACHE)
    monkeypatch.setattr(Path, "expanduser", unknown)
    assert cache_folder() is None
    assert not entries()
    assert clear_kernels() == 0
    with pytest.warns(UserWarning, match="the home folder is unknown"):
        assert library(plain_c, "float", MORE=1).bits() == 33


def test_a_folder_that_cannot_be_made(
    plain_c: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE, os.path.join(os.devnull, "cache"))
    with pytest.warns(UserWarning, match="cannot be kept .*Not a directory"):
        assert library(plain_c, "float", MORE=1).bits() == 33
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert library(plain_c, "float", MORE=2).bits() == 34


def test_what_killed_processes_leave_is_swept(folder: Path) -> None:
    old, new = (folder / f"{cache._BUILDING}{name}" for name in ("old", "new"))
    for path in (old, new):
        path.mkdir()
        (path / "kernel.c").write_text("")
    long_ago = time.time() - 1e5
    os.utime(old, (long_ago, long_ago))
    with workshop(folder) as own:
        assert own.parent == folder
        assert {*folder.iterdir()} == {own, new}
    assert {*folder.iterdir()} == {new}


def test_clearing_deletes_what_is_ours(plain_c: Path) -> None:
    library(plain_c, "float", MORE=0)
    other = cache_folder() / "other.txt"
    other.write_text("mine")
    (cache_folder() / f"{cache._BUILDING}dead").mkdir()
    size = sum(path.stat().st_size for path in cache_folder().glob("*.*")) - 4
    assert clear_kernels() == size
    assert [*cache_folder().iterdir()] == [other]
