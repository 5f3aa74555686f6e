"""Build C text once: a shared library in the user's cache folder, and in this process.

A library is named after a digest of its text, the compiler and the processor, and put
in place by one atomic rename: any number of processes may build it at once.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from functools import cache
from pathlib import Path

# No options that change the floating-point state of the process (as -ffast-math does).
_OPTIONS = ("-fPIC", "-shared", "-w", "-fassociative-math", "-fno-signed-zeros")
_ALWAYS = (*_OPTIONS, "-fno-trapping-math", "-fno-math-errno")
_ATTEMPTS = (("-march=native", "-fopenmp"), ("-march=native",), ())


class BuildError(RuntimeError):
    """There is no compiler, or it refuses the text."""


@cache
def compiler() -> tuple[str, str] | None:
    """Path and version of the C compiler: ``$CC``, ``cc``, ``gcc`` or ``clang``."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        path = shutil.which(name) if name else None
        if path is not None:
            found = subprocess.run(
                [path, "--version"], capture_output=True, text=True, check=False
            )
            if found.returncode == 0:
                return path, found.stdout
    return None


@cache
def warn_once(message: str) -> None:
    """Say in this process, once."""
    warnings.warn(message, stacklevel=3)


def compiler_or_warning() -> bool:
    """Whether C can be compiled; if not, say so once."""
    if compiler() is None:
        warn_once(
            "no C compiler was found, so the kernels run in plain torch, much slower; "
            "install gcc or clang, or set CC"
        )
        return False
    return True


@cache
def _processor() -> str:
    """What ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() + platform.machine()
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


def cache_folder() -> Path:
    """Where libraries are kept: ``$XDG_CACHE_HOME/pyg_equivariant``, ours alone.

    A folder that others may write to is not trusted, and one that cannot be made is no
    reason to fail: then a temporary folder serves this process.
    """
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    folder = Path(root).expanduser() / "pyg_equivariant"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
        ours = not hasattr(os, "getuid") or state.st_uid == os.getuid()
        if ours and not state.st_mode & 0o022 and os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return _temporary_folder()


@cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="pyg_equivariant-"))


def build(text: str, level: str = "-O2") -> ctypes.CDLL:
    """The library compiled from ``text``, tried once in each process.

    Args:
        text: the C source.
        level: how hard the compiler tries. ``"-O1"`` takes half the time, and text
            whose loops are unrolled in vectors already loses little by it.

    Raises:
        BuildError: without a compiler, or if it refuses the text.
    """
    built = _try(text, level)
    if isinstance(built, BuildError):
        raise built
    return built


@cache
def _try(text: str, level: str) -> ctypes.CDLL | BuildError:
    try:
        return _build(text, level)
    except BuildError as error:
        return error


def _build(text: str, level: str = "-O2") -> ctypes.CDLL:
    found = compiler()
    if found is None:
        raise BuildError("no C compiler: set CC, or install cc, gcc or clang")
    always = (level, *_ALWAYS)
    key = "\0".join((text, *found, _processor(), *always, repr(_ATTEMPTS)))
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    path = cache_folder() / f"{digest}.so"
    if path.is_file():
        try:
            return ctypes.CDLL(str(path))
        except OSError:  # not whole, or of another machine: built anew
            pass
    _compile(found[0], always, text, path)
    return ctypes.CDLL(str(path))


def _compile(command: str, always: tuple[str, ...], text: str, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        source, library = Path(folder, "kernel.c"), Path(folder, "kernel.so")
        source.write_text(text, "utf-8")
        for options in _ATTEMPTS:
            ran = subprocess.run(
                [command, *always, *options, str(source), "-o", str(library)],
                capture_output=True,
                text=True,
                check=False,
            )
            if ran.returncode == 0:
                os.replace(library, path)
                return
    raise BuildError(f"{command} could not compile a kernel:\n{ran.stderr}")
