"""The compiled gate equals its specification, with all derivatives."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.kernels import GateForm, gate
from pyg_equivariant.kernels.gate import operator, reference
from pyg_equivariant.kernels.gate.operator import operators
from pyg_equivariant.nn import Gate

IRREPS = (
    "5x0e",
    "3x0e+2x1o",
    "36x0e+36x1o+36x2e",
    "7x0e+3x2e+2x1o",
    "2x1o",
    "1x0e+1x3o",
    "5x0e+18x0o+3x1e+2x1o",
    "3x0o+2x0e+2x1o",
    "2x0o+2x1e",
)


def form_of(irreps: str, act_gate: str = "sigmoid") -> GateForm:
    form = Gate.from_irreps(irreps, act_gate=act_gate)._form
    assert form is not None
    return form


def tensors(
    form: GateForm, rows: int, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """``x``, ``bias``, ``grad``, ``along``."""
    shapes = (rows, form.x_dim), (form.num_shifted,), (rows, form.out_dim)
    return [torch.randn(s, dtype=dtype) for s in (*shapes, (rows, form.x_dim))]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rows", [0, 1, 300])
@pytest.mark.parametrize("act_gate", ["sigmoid", "silu"])
@pytest.mark.parametrize("irreps", IRREPS)
def test_the_operators_are_their_references(
    irreps: str, act_gate: str, rows: int, dtype: torch.dtype
) -> None:
    form = form_of(irreps, act_gate)
    x, bias, grad, along = tensors(form, rows, dtype)
    x *= 4
    found = (
        operators.value(x, bias, form.text),
        operators.gradient(x, bias, grad, form.text),
        *operators.second(x, bias, grad, along, form.text),
    )
    x, bias, grad, along = (t.double() for t in (x, bias, grad, along))
    expected = (
        reference.value(x, bias, form),
        operators.reference.gradient(x, bias, grad, form),
        *operators.reference.second(x, bias, grad, along, form),
    )
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    least = tolerance if act_gate == "sigmoid" else 5 * tolerance  # of larger numbers
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=least)


@pytest.mark.parametrize("act_gate", ["sigmoid", "silu"])
@pytest.mark.parametrize("irreps", ["3x0e+2x1o", "2x0e", "2x0o+1x0e+1x1o"])
def test_derivatives_of_the_operators(irreps: str, act_gate: str) -> None:
    form = form_of(irreps, act_gate)
    given = [t.requires_grad_() for t in tensors(form, 2)]

    def run(*inputs: Tensor) -> Tensor:
        return operators.value(*inputs, form.text)

    def differentiate(*inputs: Tensor) -> Tensor:
        return operators.gradient(*inputs, form.text)

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
    found = gate(x, bias, form)
    expected = reference.value(x.double(), bias.double(), form).to(dtype)
    assert found.isfinite().all()
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_tanh_keeps_its_digits(dtype: torch.dtype) -> None:
    form = form_of("16x0o+1x0e+1x1o")
    sizes = torch.logspace(-30, 3, 16 * 40, dtype=torch.float64).view(40, 16)
    for x in (sizes, -sizes, torch.zeros_like(sizes)):
        given = torch.cat([x, torch.zeros(40, 5, dtype=x.dtype)], dim=1).to(dtype)
        found = gate(given, None, form)[:, :16]
        expected = form.by_odd * given[:, :16].double().tanh()
        digits = 8 * torch.finfo(dtype).eps
        torch.testing.assert_close(found.double(), expected, rtol=digits, atol=0)


def test_rows_that_are_not_contiguous() -> None:
    form = form_of("3x0e+2x1o")
    x, bias, *_ = tensors(form, 10)
    expected = reference.value(x, bias, form)
    wide = torch.zeros(10, 2 * form.x_dim, dtype=x.dtype)
    wide[:, ::2] = x
    found = gate(wide[:, ::2], bias, form)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "module",
    [
        Gate.from_irreps("3x0e+2x0o+1x0e+2x1o"),
        Gate.from_irreps("3x0e+2x0o+2x1o", act_odd=torch.sin),
        Gate("3x0e", ["silu"], "2x0o", ["tanh"], "2x1o"),
        Gate.from_irreps("2x0o"),
        Gate.from_irreps("3x0e+2x1o", act="tanh"),
        Gate.from_irreps("3x0e+2x1o", act_gate="tanh"),
        Gate("3x0e", [None], "2x0e", ["sigmoid"], "2x1o"),
    ],
)
def test_other_gates_are_left_to_plain_torch(module: Gate) -> None:
    assert module._form is None
    assert module(module.irreps_in.randn(4, -1)).shape == (4, module.irreps_out.dim)


@pytest.mark.parametrize("irreps", IRREPS)
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("act_gate", ["sigmoid", "silu"])
def test_is_the_plain_gate(irreps: str, act_gate: str, normalize: bool) -> None:
    module = Gate.from_irreps(irreps, act_gate=act_gate, normalize_act=normalize)
    x = module.irreps_in.randn(2, 5, -1, dtype=torch.float64)
    bias = torch.randn(module._form.num_biases, dtype=torch.float64)
    for b in (None, bias):
        found = module(x, b)
        plain = copy.copy(module)
        plain._form = None
        torch.testing.assert_close(found, plain(x, b), rtol=0, atol=1e-12)


def test_operators_pass_the_checks_of_torch() -> None:
    form = form_of("3x0e+2x1o")
    x, bias, grad, along = (t.requires_grad_() for t in tensors(form, 3))
    ops = torch.ops.pyg_equivariant
    torch.library.opcheck(ops.gate.default, (x, bias, form.text))
    torch.library.opcheck(ops.gate_gradient.default, (x, bias, grad, form.text))
    torch.library.opcheck(ops.gate_second.default, (x, bias, grad, along, form.text))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("backend", ["c", "plain"])
def test_a_bias_or_none_in_any_dtype(
    backend: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator, "backend", lambda *tensors: backend)
    form = form_of("3x0e+2x1o")
    x, bias, *_ = tensors(form, 6)
    rows = x.view(2, 3, -1).to(dtype)
    tolerance = 1e-12 if dtype == torch.float64 else 5e-2
    for b in (bias, None):
        found = gate(rows, b, form)
        assert found.dtype == dtype
        expected = reference.value(x, 0 * bias if b is None else b, form)
        torch.testing.assert_close(
            found.view(6, -1).double(), expected, rtol=tolerance, atol=tolerance
        )


def test_a_bias_of_another_size_is_refused() -> None:
    form = form_of("3x0e+2x1o")
    x, bias, *_ = tensors(form, 6)
    with pytest.raises(ValueError, match="bias of 5 numbers, for 3 scalars and 2"):
        gate(x, bias[1:], form)


def test_transforms_see_plain_torch() -> None:
    form = form_of("3x0e+2x1o")
    x, bias, *_ = tensors(form, 4)
    rows = torch.func.vmap(lambda row: gate(row, bias, form))(x)
    torch.testing.assert_close(rows, gate(x, bias, form), rtol=0, atol=1e-13)
    _, tangent = torch.func.jvp(lambda b: gate(x, b, form), (bias,), (bias,))
    assert tangent.isfinite().all()
