"""The specification of derivatives of harmonics: those of their values."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.kernels.spherical_harmonics import reference
from pyg_equivariant.kernels.spherical_harmonics.reference import Form

FORMS = [
    Form((0, 1, 2, 3), True, "component"),
    Form((5,), True, "component"),
    Form((0, 1, 2, 3, 4, 5, 6), False, "component"),
    Form((0, 1, 2, 3), True, "integral"),
    Form((1, 3), False, "norm"),
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_derivatives_are_those_of_the_value(form: Form) -> None:
    vectors = torch.randn(9, 3, dtype=torch.float64)
    vectors[0] = 0
    vectors.requires_grad_()
    along = torch.randn(9, 3, dtype=torch.float64)
    value = reference.value(vectors, None, form)
    grad = torch.randn_like(value).requires_grad_()
    (first,) = torch.autograd.grad(value, vectors, grad, create_graph=True)
    found = reference.gradient(vectors, None, grad, form)
    torch.testing.assert_close(found, first, rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad(
        first, (grad, vectors), along, materialize_grads=True
    )
    second = reference.second(vectors, None, grad, along, form)
    torch.testing.assert_close(second, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_form_is_its_text(form: Form) -> None:
    assert Form.parse(form.text()) == form
