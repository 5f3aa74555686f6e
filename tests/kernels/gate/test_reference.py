"""The form of a gate."""

from __future__ import annotations

import pytest

from pyg_equivariant.kernels import GateBlock, GateForm

# Two blocks of 1o that are merged in the input, and one without scalars.
FORMS = [
    GateForm(
        *(14, 11, 2, 3, 1.7, 1.8),
        (GateBlock(5, 3, 2, 2, 3, 1), GateBlock(6, 3, 3, 5, 3, 2)),
    ),
    GateForm(8, 6, 0, 2, 1.0, 1.5, (GateBlock(2, 2, 0, 0, 3, 2),)),
    GateForm(
        *(7, 6, 1, 1, 1.1, 1.2, (GateBlock(4, 1, 3, 3, 3, 1),)),
        *(True, 2, 1.3, True),
    ),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_its_text(form: GateForm) -> None:
    assert GateForm.parse(form.text) == form
    assert GateForm.parse(form.text).blocks == form.blocks
