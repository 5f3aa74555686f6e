"""Who else looks on when an operator or a module is called."""

from __future__ import annotations

import torch


def transformed() -> bool:
    """Whether torch.func, forward-mode derivatives or torch.jit look on.

    They see through plain torch only: a compiled operator has to step aside.
    """
    if torch.compiler.is_compiling():
        return False
    return (
        torch._C._functorch.peek_interpreter_stack() is not None
        or torch.autograd.forward_ad._current_level >= 0
        or torch._C._get_tracing_state() is not None
    )


_LISTENERS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
)


def is_plain(module: torch.nn.Module, kind: type[torch.nn.Module]) -> bool:
    """Whether a module is of exactly that kind, and nothing listens to its calls."""
    return type(module) is kind and not any(getattr(module, n) for n in _LISTENERS)
