"""Templates leave text without a trace of themselves."""

from __future__ import annotations

import pytest

from pyg_equivariant.kernels.templates import render


def test_lines_of_statements_leave_no_trace() -> None:
    text = "a\n  {% for n in (1, 2) %}\n  b{{ n }};\n  {% endfor %}\nc\n"
    assert render(text, {}) == "a\n  b1;\n  b2;\nc\n"


def test_unknown_names_are_errors() -> None:
    with pytest.raises(Exception, match="'missing' is undefined"):
        render("{{ missing }}", {})
