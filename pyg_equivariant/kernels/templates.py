"""Text of kernels from templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def render(text: str, variables: Mapping[str, Any]) -> str:
    """A template of Jinja2 with its variables filled in.

    Lines that hold statements of Jinja alone leave no trace in the result.

    Example:
        >>> render("{% for n in range(3) %}{{ n * step }} {% endfor %}", {"step": 2})
        '0 2 4 '
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    return environment.from_string(text).render(variables)
