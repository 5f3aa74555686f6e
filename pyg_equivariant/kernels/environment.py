"""What the environment tells this process about kernels, and what it tells the user.

======================================  ==============================================
``PYG_EQUIVARIANT_PLAIN=1``             plain torch everywhere: no kernel is compiled,
                                        loaded or run
``PYG_EQUIVARIANT_CACHE=FOLDER``        where compiled kernels are kept
``PYG_EQUIVARIANT_COMPILE_TIMEOUT=S``   seconds that one compilation may take (300)
======================================  ==============================================
"""

from __future__ import annotations

import math
import os
import warnings
from functools import cache

PLAIN = "PYG_EQUIVARIANT_PLAIN"
CACHE = "PYG_EQUIVARIANT_CACHE"
TIMEOUT = "PYG_EQUIVARIANT_COMPILE_TIMEOUT"
said: set[str] = set()


@cache
def plain_torch() -> bool:
    """Whether this process was told to do without kernels.

    Raises:
        ValueError: if the variable is neither 0 nor 1.
    """
    value = os.environ.get(PLAIN, "")
    if value not in ("", "0", "1"):
        raise ValueError(f"{PLAIN} is 1 for plain torch, or 0, got {value!r}")
    return value == "1"


def time_limit() -> float:
    """Seconds that one compilation may take.

    Raises:
        ValueError: if the variable is not a positive number.
    """
    value = os.environ.get(TIMEOUT) or "300"
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise ValueError(f"{TIMEOUT} is a positive number of seconds, got {value!r}")
    return seconds


def warn_once(message: str, about: str | None = None) -> None:
    """Warn of something once in each process, in the words that come first."""
    if (about or message) not in said:
        said.add(about or message)
        warnings.warn(message, stacklevel=3)
