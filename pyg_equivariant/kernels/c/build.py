"""A kernel's C as a library: from the cache, or compiled and kept there."""

from __future__ import annotations

import ctypes
import hashlib
import platform
from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ..templates import render
from .cache import find, keep, parents, warn_of_loss, workshop
from .compiler import (
    ALWAYS,
    BuildError,
    Compiler,
    Options,
    build,
    compiler,
    options_of,
    warn_of_missing,
)

_HEADERS = Path(__file__).parent
_BITS = {"float": 32, "double": 64}


class Library(ctypes.CDLL):
    """A shared library; what it should hold and does not is a failed build."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__"):
                raise
            raise BuildError(f"{self._name} does not hold {name}()") from None


def library(source: Path, real: str, **parameters: Hashable) -> Library:
    """The library compiled from a file of C, tried once in each process.

    Headers of this folder may be included. They expect ``REAL``, the type of all
    numbers, and ``REAL_BITS``, its size, which are always defined.

    Args:
        source: a file ``.c``, or ``.c.jinja`` for a template of Jinja2.
        real: ``"float"`` or ``"double"``.
        **parameters: macros of a file ``.c``, variables of a template. They name the
            library by their ``repr``, modules by their text.

    Raises:
        BuildError: if it can neither be found nor built, whatever the reason.
    """
    built = _try(source, real, tuple(sorted(parameters.items())))
    if isinstance(built, BuildError):
        raise built
    return built


@cache
def _try(
    source: Path, real: str, parameters: tuple[tuple[str, Hashable], ...]
) -> Library | BuildError:
    try:
        return _load(source, real, dict(parameters))
    except BuildError as error:
        return error
    except Exception as error:
        # Whatever the system refuses: plain torch was promised
        return BuildError(f"a kernel could not be built or loaded: {error!r}")


def _load(source: Path, real: str, parameters: Mapping[str, Hashable]) -> Library:
    is_template = source.suffix == ".jinja"
    macros = {} if is_template else parameters
    defines = [f"-DREAL={real}", f"-DREAL_BITS={_BITS[real]}"]
    defines += [f"-D{name}={value}" for name, value in macros.items()]
    text = source.read_text("utf-8")
    values = [f"{name}={_identity(value)}" for name, value in parameters.items()]
    content = _digest(text, *_headers(), _processor(), *ALWAYS, *defines, *values)
    chosen = compiler()
    by = None if chosen is None else _digest(*chosen.command, chosen.version)
    for path, facts in find(content, by):
        try:
            loaded = Library(str(path))
        except OSError:  # of another system: built anew
            continue
        options = Options(tuple(facts["machine"]), tuple(facts["threads"]))
        warn_of_missing(facts["compiler"], options)
        return loaded
    if chosen is None:
        raise BuildError(
            "there is no C compiler, and this kernel was not built ahead; install gcc "
            "or clang, or set CC"
        )
    text = render(text, parameters) if is_template else text
    return _build(chosen, content, str(by), defines, text)


def _build(
    chosen: Compiler, content: str, by: str, defines: list[str], text: str
) -> Library:
    """Compile and load in the first folder where both can be done."""
    failed: Exception | None = None
    for parent, is_cache in parents():
        try:
            options = options_of(chosen.command, parent)
            warn_of_missing(chosen.command[0], options)
            flags = (*defines, f"-I{_HEADERS}", *options.machine, *options.threads)
            with workshop(parent) as folder:
                built = build(chosen.command, flags, text, folder)
                if is_cache:
                    facts = {"compiler": chosen.command[0], **options._asdict()}
                    built = keep(parent, content, by, built, facts)
                loaded = Library(str(built))
            if failed is not None:
                warn_of_loss(str(failed))
            return loaded
        except (BuildError, OSError) as error:
            failed = error
    raise failed or BuildError("there is no folder to build a kernel in")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


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
