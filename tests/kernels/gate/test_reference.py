"""The specification of the gate: its derivatives are those of its value."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.kernels import GateBlock, GateForm
from pyg_equivariant.kernels.gate import reference

# Two blocks of 1o that are merged in the input, and one without scalars.
FORMS = [
    GateForm(
        *(14, 11, 2, 3, 1.7, 1.8),
        (GateBlock(5, 3, 2, 2, 3, 1), GateBlock(6, 3, 3, 5, 3, 2)),
    ),
    GateForm(8, 6, 0, 2, 1.0, 1.5, (GateBlock(2, 2, 0, 0, 3, 2),)),
]


@pytest.mark.parametrize("form", FORMS)
def test_derivatives_are_those_of_the_value(form: GateForm) -> None:
    shapes = (3, form.x_dim), (form.num_biases,), (3, form.out_dim), (3, form.x_dim)
    x, shift, grad, along = (
        torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes
    )
    out = reference.value(x, shift, form)
    grad_x, grad_shift = torch.autograd.grad(out, (x, shift), grad, create_graph=True)
    found = reference.gradient(x, shift, grad, form)
    torch.testing.assert_close(found, grad_x, rtol=0, atol=1e-13)
    torch.testing.assert_close(
        found[:, : len(shift)].sum(0), grad_shift, rtol=0, atol=1e-13
    )
    second = torch.autograd.grad(found, (grad, x), along)
    expected = reference.second(x, shift, grad, along, form)
    torch.testing.assert_close(second, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_its_text(form: GateForm) -> None:
    assert GateForm.parse(form.text) == form
    assert GateForm.parse(form.text).blocks == form.blocks
