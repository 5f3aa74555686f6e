"""Compiled libraries on disk: whole, ours alone, and put in place at once.

A library is named by the digest of its bytes. A note beside it, named by all that the
library was made of, tells that name, its size and how it was built. Any number of
processes may write at once, and be killed at any moment: what a note names is complete,
or is built anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ..environment import CACHE, time_limit, warn_once

_BUILDING = "building-"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Entry(NamedTuple):
    """A library that was kept.

    Attributes:
        path: of the library.
        facts: how it was built, as it was kept.
    """

    path: Path
    facts: dict[str, Any]


def cache_folder() -> Path | None:
    """Where libraries are kept, whether there is such a folder yet or not.

    ``$PYG_EQUIVARIANT_CACHE``, or ``pyg_equivariant`` in ``$XDG_CACHE_HOME`` or
    ``~/.cache``; ``None`` where nobody knows our home.
    """
    try:
        if own := os.environ.get(CACHE):
            return Path(own).expanduser().absolute()
        root = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
        return Path(root).expanduser().absolute() / "pyg_equivariant"
    except RuntimeError:
        return None


def _belongs_to_another(state: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return False
    return state.st_uid not in (os.getuid(), *_administrators())


def danger(path: Path) -> str | None:
    """Why others could have put something at this path, or ``None`` if they could not.

    Nobody but us and the system's administrator may own, or write to, the file or
    folder and the folders that lead to it, but for sticky ones such as ``/tmp``.
    """
    if not hasattr(os, "getuid"):
        return None
    named, real = path.absolute(), path.resolve()
    for step in (named, *named.parents, real, *real.parents):
        state = step.lstat()
        if _belongs_to_another(state):
            return f"{step} belongs to another user"
        is_way = step not in (named, real)
        is_safe = is_way and (state.st_mode & stat.S_ISVTX or _only_us(state))
        if state.st_mode & _OTHERS_WRITE and not is_safe and not step.is_symlink():
            return f"others may write to {step}"
    return None


@cache
def _administrators() -> tuple[int, ...]:
    """Users that are trusted like ourselves.

    In a container without privileges the owner of the system's folders has no number.
    """
    try:
        kept = Path("/proc/self/uid_map").read_text("ascii").split()
        if kept[:3] != ["0", "0", "4294967295"]:
            return 0, int(Path("/proc/sys/kernel/overflowuid").read_text("ascii"))
    except (OSError, ValueError):
        pass
    return (0,)


def _only_us(state: os.stat_result) -> bool:
    """Whether a folder is open to a group of which the user is the only member."""
    if state.st_mode & stat.S_IWOTH:
        return False
    import grp
    import pwd

    try:
        group, user = grp.getgrgid(state.st_gid), pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def find(content: str, builder: str | None) -> Iterator[Entry]:
    """Libraries of this content, by a compiler, or by any where there is none."""
    folder = cache_folder()
    if folder is None or not folder.is_dir() or danger(folder):
        return
    for note in sorted(folder.glob(f"{content}-{builder or '*'}.json")):
        entry = _read(note)
        if entry is not None:
            yield entry


def _read(note: Path) -> Entry | None:
    """What a note tells, if its library is whole and nobody else could write to it."""
    try:
        facts = json.loads(_own_bytes(note))
        path = note.with_name(f"{facts['digest']}.so")
        kept = _own_bytes(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = len(kept) == facts["size"] and _digest(kept) == facts["digest"]
    return Entry(path, facts) if whole else None


def _own_bytes(path: Path) -> bytes:
    """What a file of ours holds: the file that is open is the one looked at."""
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        others_write = bool(state.st_mode & _OTHERS_WRITE)
        is_file = stat.S_ISREG(state.st_mode)
        if others_write or not is_file or _belongs_to_another(state):
            raise PermissionError(f"others could have written {path}")
        return file.read()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


@contextmanager
def workshop(parent: Path) -> Iterator[Path]:
    """A folder to build in, gone afterwards; those of killed processes go, too.

    Raises:
        OSError: if it cannot be made, or others could change what lies in it.
    """
    for old in parent.glob(f"{_BUILDING}*"):
        try:
            if old.stat().st_mtime < time.time() - 4 * time_limit():
                shutil.rmtree(old, ignore_errors=True)
        except OSError:  # another process was faster
            pass
    with tempfile.TemporaryDirectory(
        dir=parent, prefix=_BUILDING, ignore_cleanup_errors=True
    ) as folder:
        if reason := danger(Path(folder)):
            raise PermissionError(reason)
        yield Path(folder)


def parents() -> Iterator[tuple[Path, bool]]:
    """Folders to build in, and whether they are the cache, which comes first."""
    folder = cache_folder()
    reason = "the home folder is unknown"
    if folder is not None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            reason = danger(folder) or ""
            if not reason and not os.access(folder, os.W_OK):
                reason = f"{folder} cannot be written to"
        except OSError as error:
            reason = str(error)
        if not reason:
            yield folder, True
    if reason:
        warn_of_loss(reason)
    yield Path(tempfile.gettempdir()), False


def warn_of_loss(reason: str) -> None:
    """Say once that kernels go with the process."""
    warn_once(
        f"compiled kernels cannot be kept ({reason}), so every process compiles them "
        f"anew, which takes seconds; set {CACHE} to a folder of yours, on a disk that "
        "has room and from which programs may run",
        about="kept",
    )


def keep(
    folder: Path, content: str, builder: str, built: Path, facts: dict[str, Any]
) -> Path:
    """Keep a library that was built in a workshop of the folder; its path there.

    Raises:
        OSError: if it cannot be written.
    """
    kept = built.read_bytes()
    digest = _digest(kept)
    note = built.with_suffix(".json")
    told = {**facts, "digest": digest, "size": len(kept)}
    note.write_text(json.dumps(told, indent=1), "utf-8")
    library = folder / f"{digest}.so"
    names = {built: library, note: folder / f"{content}-{builder}.json"}
    for old, new in names.items():
        with old.open("rb+") as file:
            os.fsync(file.fileno())
        old.chmod(0o644)
        os.replace(old, new)
    return library


def entries() -> list[Entry]:
    """All libraries that are kept and whole."""
    return list(find("*", None))


def clear_kernels() -> int:
    """Delete all that this package keeps; returns the number of bytes."""
    folder, size = cache_folder(), 0
    if folder is None or not folder.is_dir():
        return 0
    for path in folder.iterdir():
        if path.suffix in (".so", ".json"):
            size += path.stat().st_size
            path.unlink()
        elif path.name.startswith(_BUILDING):
            shutil.rmtree(path, ignore_errors=True)
    return size
