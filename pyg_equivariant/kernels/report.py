"""What there is to compile kernels with, and what has been compiled."""

from __future__ import annotations

import torch

from .c.cache import cache_folder, danger, entries
from .c.compiler import BuildError, compiler, options_of
from .environment import PLAIN, plain_torch


def count_kernels() -> int:
    """The number of compiled kernels that are kept on disk.

    Example:
        >>> count_kernels() >= 0
        True
    """
    return len(entries())


def can_compile() -> bool:
    """Whether this process would compile kernels: it has a compiler and may.

    Example:
        >>> can_compile() in (True, False)
        True
    """
    return not plain_torch() and compiler() is not None


def kernel_report() -> str:
    """What kernels are compiled with, run with, and where they are kept.

    Example:
        >>> print(kernel_report())  # doctest: +ELLIPSIS
        plain torch  no...
    """
    folder, kept = cache_folder(), entries()
    size = sum(entry.facts["size"] for entry in kept)
    reason = danger(folder) if folder is not None and folder.exists() else None
    lines = [f"plain torch  {f'yes ({PLAIN}=1)' if plain_torch() else 'no'}"]
    lines += [f"compiler     {line}" for line in _compiler()]
    lines += [
        f"threads      {torch.get_num_threads()}",
        f"cache        {folder or 'none: the home folder is unknown'}",
        f"             {len(kept)} kernels, {size / 1e6:.1f} MB",
    ]
    if reason:
        lines.append(f"             not used: {reason}")
    return "\n".join(lines)


def _compiler() -> list[str]:
    found = compiler()
    if found is None:
        return ["none: set CC, or install gcc or clang; kernels of the cache are used"]
    lines = [f"{' '.join(found.command)} ({found.version.splitlines()[0]})"]
    folder = cache_folder()
    try:
        if folder is None or not folder.is_dir() or danger(folder):
            return lines
        machine, threads = options_of(found.command, folder)
    except (BuildError, OSError) as error:
        return [*lines, f"cannot build: {error}"]
    lines.append(f"processor: {' '.join(machine) or 'baseline instructions only'}")
    return [*lines, f"OpenMP: {' '.join(threads) or 'none, one thread'}"]
