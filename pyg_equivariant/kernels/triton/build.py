"""Kernels from Triton text, and whether Triton is there to compile them."""

from __future__ import annotations

import hashlib
import importlib.util
import linecache
from functools import cache
from typing import Any


class TritonError(RuntimeError):
    """Triton is not installed, or cannot compile or launch a kernel here."""


@cache
def has_triton() -> bool:
    """Whether Triton is installed; it is not loaded before it is needed."""
    return importlib.util.find_spec("triton") is not None


@cache
def interpreting() -> bool:
    """Whether Triton's interpreter takes the place of its compiler.

    It does, on CPU tensors, if ``TRITON_INTERPRET=1`` was set when Triton was loaded.
    """
    if not has_triton():
        return False
    import triton.language
    from triton.runtime.interpreter import InterpretedFunction

    return isinstance(triton.language.sum, InterpretedFunction)


@cache
def load(text: str) -> dict[str, Any]:
    """What a module of this text holds.

    Triton reads the source of its kernels. It finds it among the lines that Python
    remembers of a file, so no file has to be written, or trusted.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    name = f"<pyg_equivariant kernels {digest}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    module: dict[str, Any] = {"__name__": f"pyg_equivariant.kernels.triton_{digest}"}
    exec(compile(text, name, "exec"), module)
    return module
