"""The form of harmonics."""

from __future__ import annotations

import pytest

from pyg_equivariant.kernels.spherical_harmonics.reference import Form

FORMS = [
    Form((0, 1, 2, 3), True, "component"),
    Form((5,), True, "component"),
    Form((0, 1, 2, 3, 4, 5, 6), False, "component"),
    Form((0, 1, 2, 3), True, "integral"),
    Form((1, 3), False, "norm"),
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_form_is_its_text(form: Form) -> None:
    assert Form.parse(form.text()) == form
