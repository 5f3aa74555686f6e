from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.nn.cutoff import CosineCutoff, PolynomialCutoff

ENVELOPES = [
    CosineCutoff(2.5),
    PolynomialCutoff(2.5),
    PolynomialCutoff(2.5, p=2),
    PolynomialCutoff(2.5, p=5),
]
by_repr = pytest.mark.parametrize("envelope", ENVELOPES, ids=repr)


def test_repr() -> None:
    assert repr(CosineCutoff(5)) == "CosineCutoff(5.0)"
    assert repr(PolynomialCutoff(5, p=4)) == "PolynomialCutoff(5.0, p=4)"


def test_cosine_is_the_formula() -> None:
    r = torch.linspace(0, 2.4, 20, dtype=torch.float64)
    expected = [0.5 * (math.cos(math.pi * x / 2.5) + 1) for x in r.tolist()]
    torch.testing.assert_close(
        CosineCutoff(2.5)(r), torch.tensor(expected, dtype=torch.float64)
    )


@pytest.mark.parametrize("p", [2, 5, 6])
def test_polynomial_is_the_formula(p: int) -> None:
    r = torch.linspace(0, 2.4, 20, dtype=torch.float64)
    x = r / 2.5
    expected = (
        1
        - (p + 1) * (p + 2) / 2 * x**p
        + p * (p + 2) * x ** (p + 1)
        - p * (p + 1) / 2 * x ** (p + 2)
    )
    torch.testing.assert_close(PolynomialCutoff(2.5, p)(r), expected)


def test_dimenet_envelope_is_the_polynomial_over_x() -> None:
    dimenet = pytest.importorskip("torch_geometric.nn.models.dimenet")
    x = torch.linspace(0.1, 1.2, 30, dtype=torch.float64)
    theirs = dimenet.Envelope(exponent=5)(x)
    torch.testing.assert_close(PolynomialCutoff(1.0, p=6)(x) / x, theirs)


@by_repr
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_with_zero_derivatives_from_the_cutoff_on(
    envelope: torch.nn.Module, dtype: torch.dtype
) -> None:
    outside = [2.5, math.nextafter(2.5, 3), 2.6, 3e5, 1e30, math.inf]
    r = torch.tensor(outside, dtype=dtype, requires_grad=True)
    y = envelope(r)
    assert y.dtype == dtype
    (first,) = torch.autograd.grad(y.sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), r)
    for value in (y, first, second):
        assert not value.any()


@by_repr
def test_smooth_up_to_the_cutoff(envelope: torch.nn.Module) -> None:
    def first_derivative(x: torch.Tensor) -> torch.Tensor:
        return torch.func.grad(envelope)(x)

    inside = torch.tensor(2.5 - 1e-7, dtype=torch.float64)
    assert abs(envelope(inside)) < 1e-12
    assert abs(first_derivative(inside)) < 2e-6
    if isinstance(envelope, PolynomialCutoff):
        assert abs(torch.func.grad(first_derivative)(inside)) < 1e-5
    zero = torch.tensor(0.0, dtype=torch.float64)
    assert envelope(zero) == 1
    assert first_derivative(zero) == 0


@by_repr
def test_falls_monotonically(envelope: torch.nn.Module) -> None:
    y = envelope(torch.linspace(0, 3, 500, dtype=torch.float64))
    assert (y.diff() <= 1e-15).all()


@by_repr
def test_gradcheck(envelope: torch.nn.Module) -> None:
    r = torch.tensor([0.0, 1e-3, 0.7, 2.0, 2.4, 2.6, 9.0], dtype=torch.float64)
    assert gradcheck(envelope, r.requires_grad_())
    assert gradgradcheck(envelope, r)


@by_repr
def test_a_plain_module(envelope: torch.nn.Module) -> None:
    assert not envelope.state_dict()
    r = torch.rand(5) * 3
    for other in (copy.deepcopy(envelope), pickle.loads(pickle.dumps(envelope))):
        assert torch.equal(other(r), envelope(r))
    assert envelope(torch.rand(0)).shape == (0,)
    assert envelope(torch.rand(2, 3)).shape == (2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(envelope(r), other(r))
    assert torch.equal(envelope.double()(r), other(r))


@by_repr
def test_compiles_without_graph_breaks(envelope: torch.nn.Module) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(
        envelope, fullgraph=True, dynamic=True, backend="aot_eager"
    )
    for n in (4, 6):
        r = torch.rand(n) * 3
        torch.testing.assert_close(compiled(r), envelope(r))


def test_errors_say_what_came() -> None:
    for cutoff in (0.0, -1.0, math.inf, math.nan):
        for make in (CosineCutoff, PolynomialCutoff):
            with pytest.raises(ValueError, match="cutoff="):
                make(cutoff)
    with pytest.raises(ValueError, match="p=1"):
        PolynomialCutoff(5.0, p=1)
    with pytest.raises(TypeError, match=r"torch\.int64"):
        CosineCutoff(5.0)(torch.arange(3))
