"""Compile a kernel's C once: a shared library in the user's cache folder.

A library is named after a digest of all that it is made of, so that text is rendered
and compiled only where there is none of that name. It is put in place by one atomic
rename: any number of processes may build it at once.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ..templates import render

_HEADERS = Path(__file__).parent
_BITS = {"float": 32, "double": 64}
# No options that change the floating-point state of the process (as -ffast-math does).
_MATHS = "-fassociative-math -fno-signed-zeros -fno-trapping-math -fno-math-errno"
_ALWAYS = ("-O2", "-fPIC", "-shared", "-w", *_MATHS.split())
_ATTEMPTS = (("-march=native", "-fopenmp"), ("-march=native",), ())


class BuildError(RuntimeError):
    """There is no compiler, it refuses the text, or its library cannot be kept."""


@cache
def compiler() -> tuple[tuple[str, ...], str] | None:
    """Command and version of the C compiler: ``$CC``, ``cc``, ``gcc`` or ``clang``.

    ``CC`` may hold options, as in ``CC="gcc -m64"``.
    """
    chosen = os.environ.get("CC", "")
    for command in (chosen, "cc", "gcc", "clang"):
        name, *options = shlex.split(command) or [""]
        path = shutil.which(name) if name else None
        if path is not None:
            version = _output([path, *options, "--version"])
            if version.returncode == 0:
                return (path, *options), version.stdout
        if command and command == chosen:
            warnings.warn(
                f"CC={chosen!r} is no C compiler; another is used if there is one",
                stacklevel=2,
            )
    return None


def _output(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a compiler, whatever the encoding of its messages."""
    options: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
    return subprocess.run(command, encoding="utf-8", errors="replace", **options)


def cache_folder() -> Path:
    """Where libraries are kept: ``$XDG_CACHE_HOME/pyg_equivariant``, ours alone.

    A folder that others may write to is not trusted, and one that cannot be made is no
    reason to fail: then a temporary folder serves this process.
    """
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    try:
        folder = Path(root).expanduser() / "pyg_equivariant"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_ours_alone(folder) and os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # a RuntimeError where nobody knows our home
        pass
    return _temporary_folder()


def _is_ours_alone(path: Path) -> bool:
    """Whether nobody else can have written to a file or folder."""
    state = path.stat()
    ours = not hasattr(os, "getuid") or state.st_uid == os.getuid()
    return ours and not state.st_mode & 0o022


@cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="pyg_equivariant-"))


def library(source: Path, real: str, **parameters: Hashable) -> ctypes.CDLL:
    """The library compiled from a file of C, tried once in each process.

    Headers of this folder may be included. They expect ``REAL``, the type of all
    numbers, and ``REAL_BITS``, its size, which are always defined.

    Args:
        source: a file ``.c``, or ``.c.jinja`` for a template of Jinja2.
        real: ``"float"`` or ``"double"``.
        **parameters: macros of a file ``.c``, variables of a template. They name the
            library by their ``repr``, modules by their text.

    Raises:
        BuildError: without a compiler, or if it refuses the text.
    """
    built = _try(source, real, tuple(sorted(parameters.items())))
    if isinstance(built, BuildError):
        raise built
    return built


@cache
def _try(
    source: Path, real: str, parameters: tuple[tuple[str, Hashable], ...]
) -> ctypes.CDLL | BuildError:
    try:
        return _load(source, real, dict(parameters))
    except BuildError as error:
        return error
    except OSError as error:  # a full disk, a quota, a folder nothing may run from
        return BuildError(f"a kernel could not be compiled or loaded: {error}")


def _load(source: Path, real: str, parameters: Mapping[str, Hashable]) -> ctypes.CDLL:
    command = compiler()
    if command is None:
        raise BuildError("no C compiler: set CC, or install cc, gcc or clang")
    is_template = source.suffix == ".jinja"
    macros = {} if is_template else parameters
    options = [*_ALWAYS, f"-DREAL={real}", f"-DREAL_BITS={_BITS[real]}"]
    options += [f"-D{name}={value}" for name, value in macros.items()]
    text = source.read_text("utf-8")
    parts = [text, *_headers(), *command[0], command[1], _processor()]
    parts += [*options, repr(_ATTEMPTS)]
    parts += [f"{name}={_identity(value)}" for name, value in parameters.items()]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    path = cache_folder() / f"{digest}.so"
    if path.is_file() and _is_ours_alone(path):
        try:
            return ctypes.CDLL(str(path))
        except OSError:  # not whole, or of another machine: built anew
            pass
    text = render(text, parameters) if is_template else text
    _compile(command[0], options, text, path)
    return ctypes.CDLL(str(path))


@cache
def _headers() -> tuple[str, ...]:
    return tuple(path.read_text("utf-8") for path in sorted(_HEADERS.glob("*.h")))


@cache
def _processor() -> str:
    """What ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() + platform.machine()
    fields = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(fields)}))


def _identity(value: Hashable) -> str:
    """What a parameter adds to the name of a library."""
    if isinstance(value, ModuleType):
        assert value.__file__ is not None
        return Path(value.__file__).read_text("utf-8")
    return repr(value)


def _compile(
    command: tuple[str, ...], options: list[str], text: str, path: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        source, built = Path(folder, "kernel.c"), Path(folder, "kernel.so")
        source.write_text(text, "utf-8")
        files = [f"-I{_HEADERS}", str(source), "-o", str(built)]
        for more in _ATTEMPTS:
            ran = _output([*command, *options, *more, *files])
            if ran.returncode == 0:
                os.replace(built, path)
                return
    raise BuildError(f"{command[0]} could not compile a kernel:\n{ran.stderr}")
