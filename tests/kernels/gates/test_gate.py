"""The fused gate equals its specification, with all derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.kernels.gates.gate import gate, gradient, second
from pyg_equivariant.kernels.gates.reference import (
    GateForm,
    gradient_reference,
    second_reference,
    value_reference,
)
from pyg_equivariant.nn import Gate

IRREPS = (
    "5x0e",
    "3x0e+2x1o",
    "36x0e+36x1o+36x2e",
    "7x0e+3x2e+2x1o",
    "2x1o",
    "1x0e+1x3o",
)


def form_of(irreps: str) -> GateForm:
    form = Gate.from_irreps(irreps)._form()
    assert form is not None
    return form


def tensors(
    form: GateForm, rows: int, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """``x``, ``bias``, ``grad``, ``along``."""
    shapes = (rows, form.x_dim), (form.scalars + form.gates,), (rows, form.out_dim)
    return [torch.randn(s, dtype=dtype) for s in (*shapes, (rows, form.x_dim))]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rows", [0, 1, 300])
@pytest.mark.parametrize("irreps", IRREPS)
def test_the_operators_are_their_references(
    irreps: str, rows: int, dtype: torch.dtype
) -> None:
    form = form_of(irreps)
    x, bias, grad, along = tensors(form, rows, dtype)
    x *= 4
    found = (
        gate(x, bias, form.text()),
        gradient(x, bias, grad, form.text()),
        *second(x, bias, grad, along, form.text()),
    )
    x, bias, grad, along = (t.double() for t in (x, bias, grad, along))
    expected = (
        value_reference(x, bias, form),
        gradient_reference(x, bias, grad, form),
        *second_reference(x, bias, grad, along, form),
    )
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("irreps", ["3x0e+2x1o", "2x1o"])
def test_references_are_derivatives(irreps: str) -> None:
    form = form_of(irreps)
    x, bias, grad, along = (t.requires_grad_() for t in tensors(form, 3))
    out = value_reference(x, bias, form)
    by_x, by_bias = torch.autograd.grad(out, (x, bias), grad, create_graph=True)
    found = gradient_reference(x, bias, grad, form)
    torch.testing.assert_close(found, by_x, rtol=0, atol=1e-13)
    torch.testing.assert_close(
        found[:, : len(bias)].sum(0), by_bias, rtol=0, atol=1e-13
    )
    by_grad, by_x = torch.autograd.grad(found, (grad, x), along)
    expected = second_reference(x, bias, grad, along, form)
    torch.testing.assert_close((by_grad, by_x), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("irreps", ["3x0e+2x1o", "2x0e"])
def test_derivatives_of_the_operators(irreps: str) -> None:
    form = form_of(irreps)
    given = [t.requires_grad_() for t in tensors(form, 2)]

    def run(*inputs: Tensor) -> Tensor:
        return gate(*inputs, form.text())

    def differentiate(*inputs: Tensor) -> Tensor:
        return gradient(*inputs, form.text())

    assert gradcheck(run, given[:2])
    assert gradgradcheck(run, given[:2])
    assert gradgradcheck(differentiate, given[:3])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_large_numbers_saturate(dtype: torch.dtype) -> None:
    form = form_of("2x0e+1x1o")
    x = torch.tensor(
        [[-1e4, 1e4, -1e4, 1.0, 2.0, 3.0], [0.0, -50.0, 1e4, 1.0, 2.0, 3.0]]
    )
    x, bias = x.to(dtype), torch.zeros(3, dtype=dtype)
    found = gate(x, bias, form.text())
    expected = value_reference(x.double(), bias.double(), form).to(dtype)
    assert found.isfinite().all()
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-15)


def test_rows_that_are_not_contiguous() -> None:
    form = form_of("3x0e+2x1o")
    x, bias, *_ = tensors(form, 10)
    expected = value_reference(x, bias, form)
    wide = torch.zeros(10, 2 * form.x_dim, dtype=x.dtype)
    wide[:, ::2] = x
    found = gate(wide[:, ::2], bias, form.text())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "module",
    [
        Gate.from_irreps("3x0e+2x0o+2x1o"),
        Gate.from_irreps("3x0e+2x1o", act="tanh"),
        Gate.from_irreps("3x0e+2x1o", act_gate="tanh"),
        Gate("3x0e", [None], "2x0e", ["sigmoid"], "2x1o"),
    ],
)
def test_other_gates_are_left_to_plain_torch(module: Gate) -> None:
    assert module._form() is None
    assert module(module.irreps_in.randn(4, -1)).shape == (4, module.irreps_out.dim)


@pytest.mark.parametrize("irreps", IRREPS)
@pytest.mark.parametrize("normalize", [False, True])
def test_is_the_plain_gate(irreps: str, normalize: bool) -> None:
    module = Gate.from_irreps(irreps, normalize_act=normalize)
    x = module.irreps_in.randn(2, 5, -1, dtype=torch.float64)
    found = module(x)
    module._fused = None
    torch.testing.assert_close(found, module(x), rtol=0, atol=1e-12)


def test_operators_pass_the_checks_of_torch() -> None:
    form = form_of("3x0e+2x1o")
    x, bias, grad, along = (t.requires_grad_() for t in tensors(form, 3))
    torch.library.opcheck(gate, (x, bias, form.text()))
    torch.library.opcheck(gradient, (x, bias, grad, form.text()))
    torch.library.opcheck(second, (x, bias, grad, along, form.text()))
