"""The C compiler: which one, what it can do, and one run of it."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from ..environment import TIMEOUT, time_limit, warn_once
from .cache import workshop

# No options that change the floating-point state of the process (as -ffast-math does).
_MATHS = "-fassociative-math -fno-signed-zeros -fno-trapping-math -fno-math-errno"
ALWAYS = ("-O2", "-fPIC", "-w", *_MATHS.split())
MACHINE = (("-march=native",), ("-mcpu=native",))
THREADS = (("-fopenmp",), ("-Xclang", "-fopenmp"))
# Threads come from the OpenMP library that torch has loaded, never from a second one:
# it is not linked, its functions are found in the process.
_LINK = ("-shared",)
if sys.platform == "darwin":
    _LINK = ("-shared", "-Wl,-undefined,dynamic_lookup")
_PROBE = """\
int run(int n) {
  int sum = 0;
  #pragma omp parallel for num_threads(n) reduction(+ : sum)
  for (int i = 0; i < n; i++) sum += i;
  return sum;
}
"""


class BuildError(RuntimeError):
    """There is no compiler, it refuses the text, or its library cannot be loaded."""


class Compiler(NamedTuple):
    """A compiler of C.

    Attributes:
        command: its path, and options from ``CC``.
        version: all that it says of itself.
    """

    command: tuple[str, ...]
    version: str


class Options(NamedTuple):
    """What a compiler can do here; nothing where it cannot.

    Attributes:
        machine: options for all instructions of this processor.
        threads: options for OpenMP.
    """

    machine: tuple[str, ...]
    threads: tuple[str, ...]


@cache
def compiler() -> Compiler | None:
    """The first that runs of ``$CC``, ``cc``, ``gcc`` and ``clang``.

    ``CC`` may hold options, as in ``CC="gcc -m64"``.
    """
    time_limit()  # refuses what is no number
    chosen = os.environ.get("CC", "")
    for command in (chosen, "cc", "gcc", "clang"):
        try:
            name, *options = shlex.split(command) or [""]
            path = shutil.which(name) if name else None
            if path is not None:
                version = _output([path, *options, "--version"])
                return Compiler((path, *options), version)
        except (BuildError, OSError, ValueError):  # one that does not run is none
            pass
        if command and command == chosen:
            warn_once(
                f"CC={chosen!r} is no C compiler; another is used if there is one"
            )
    return None


@cache
def options_of(command: tuple[str, ...], parent: Path) -> Options:
    """The best options that a compiler takes, and whose libraries can be loaded.

    Raises:
        BuildError: if it can do nothing at all.
        OSError: if no library can be written to this folder, or loaded from there.
    """
    with workshop(parent) as folder:

        def load(*options: str) -> None:
            ctypes.CDLL(str(build(command, options, _PROBE, folder)))

        def first(tried: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
            for options in tried:
                try:
                    load(*options)
                    return options
                except (BuildError, OSError):
                    pass
            return ()

        load()
        return Options(first(MACHINE), first(THREADS))


def warn_of_missing(command: str, options: Options) -> None:
    """Say once what kernels have to do without."""
    if not options.machine:
        warn_once(
            f"{command} takes neither {MACHINE[0][0]} nor {MACHINE[1][0]}, so kernels "
            "use only the instructions that all processors of this kind have, and are "
            "slower; install gcc or a newer clang, or set CC"
        )
    if not options.threads:
        warn_once(
            f"{command} cannot use the OpenMP library of torch, so kernels run on one "
            "thread; install gcc, or clang where torch comes with LLVM's OpenMP, or "
            "set CC"
        )


def build(
    command: tuple[str, ...], options: tuple[str, ...], text: str, folder: Path
) -> Path:
    """Compile a library into a folder.

    Raises:
        BuildError: if the compiler refuses the text or takes too long.
        OSError: if the folder takes no files.
    """
    # The system takes a library of a name that it has loaded for that one
    own = Path(mkdtemp(dir=folder))
    source, object_, library = (own / f"kernel.{end}" for end in ("c", "o", "so"))
    source.write_text(text, "utf-8")
    compile_ = [*ALWAYS, *options, "-c", str(source), "-o", str(object_)]
    _output([*command, *compile_], own)
    _output([*command, *_LINK, str(object_), "-o", str(library)], own)
    return library


def _output(command: list[str], folder: Path | None = None) -> str:
    """What a compiler prints, whatever the encoding; its files lie in the folder.

    Raises:
        BuildError: if it fails, or takes too long.
    """
    environment = dict(os.environ)
    if folder is not None:
        environment["TMPDIR"] = str(folder)
    limit = time_limit()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=environment,
        start_new_session=True,  # so that all that it starts ends with it
    ) as process:
        try:
            printed, errors = process.communicate(timeout=limit)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise BuildError(
                    f"{command[0]} took longer than {limit:g} s ({TIMEOUT})"
                ) from None
            raise
    if process.returncode:
        raise BuildError(f"{command[0]} could not compile a kernel:\n{errors}")
    return printed


def _end(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
