from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn.cutoff import PolynomialCutoff
from pyg_equivariant.nn.radial import BesselBasis, GaussianBasis

BASES: list[Callable[[bool], torch.nn.Module]] = [
    lambda trainable: GaussianBasis(5, 4.0, trainable=trainable),
    lambda trainable: BesselBasis(5, 4.0, trainable=trainable),
]


def derivatives(f: Callable[[Tensor], Tensor], x: float) -> list[Tensor]:
    """Value, first and second derivative at ``x`` of a basis."""
    at = torch.tensor(x, dtype=torch.float64)
    first = torch.func.jacrev(f)
    return [f(at), first(at), torch.func.jacrev(first)(at)]


def test_repr() -> None:
    assert repr(GaussianBasis(6, 5.0, start=1.0)) == (
        "GaussianBasis(6, cutoff=5.0, start=1.0, trainable=False)"
    )
    assert repr(BesselBasis(6, 5.0, trainable=True)) == (
        "BesselBasis(6, cutoff=5.0, prefactor=0.632456, trainable=True)"
    )


def test_gaussians_are_those_of_schnet() -> None:
    schnet = pytest.importorskip("torch_geometric.nn.models.schnet")
    length = torch.linspace(0, 12, 50, dtype=torch.float64)
    theirs = schnet.GaussianSmearing(0.0, 10.0, 50).double()
    ours = GaussianBasis(50, 10.0).double()
    torch.testing.assert_close(ours(length), theirs(length), rtol=1e-5, atol=1e-7)


def test_gaussians_are_the_formula() -> None:
    basis = GaussianBasis(4, 5.0, start=0.5, width=0.3).double()
    length = [0.0, 0.7, 5.0, 9.0]
    expected = [
        [math.exp(-0.5 * ((r - mu) / 0.3) ** 2) for mu in (0.5, 2.0, 3.5, 5.0)]
        for r in length
    ]
    ours = basis(torch.tensor(length, dtype=torch.float64))
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float64))
    assert GaussianBasis(4, 5.0, start=0.5).width.tolist() == [1.5] * 4
    assert GaussianBasis(1, 5.0, width=2.0).center.tolist() == [0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tails_of_gaussians_are_normal_numbers(dtype: torch.dtype) -> None:
    length = torch.linspace(0, 20, 200, dtype=dtype, requires_grad=True)
    value = GaussianBasis(50, 5.0).to(dtype)(length)
    assert value.min() >= torch.finfo(dtype).tiny
    assert value[-1].max() < 1e-30
    (slope,) = torch.autograd.grad(value.sum(), length)
    assert slope[-1] == 0
    assert not GaussianBasis(50, 5.0).half()(length[-1:].half()).any()


@pytest.mark.parametrize(
    ("name", "value"),
    [("mace", math.sqrt(2 / 3)), ("nequip", 2 / 3), ("schnetpack", 1), ("dimenet", 3)],
)
def test_bessel_functions_are_the_formula(name: str, value: float) -> None:
    length = torch.rand(40, dtype=torch.float64) * 4 + 1e-3
    n = torch.arange(1, 9, dtype=torch.float64)
    r = length[:, None]
    expected = value * torch.sin(n * math.pi * r / 3) / r
    for prefactor in (name, value):
        basis = BesselBasis(8, 3.0, prefactor).double()
        assert basis.prefactor == pytest.approx(value, rel=1e-15)
        torch.testing.assert_close(basis(length), expected, rtol=1e-11, atol=1e-13)


def test_default_bessel_functions_are_orthonormal_in_the_ball() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(60)
    r = torch.from_numpy((nodes + 1) * 2.5)
    y = BesselBasis(8, 5.0).double()(r)
    gram = torch.einsum("r,ri,rj->ij", torch.from_numpy(weights) * 2.5 * r**2, y, y)
    assert (gram - torch.eye(8)).abs().max() < 1e-12


def test_dimenet_basis_is_a_product() -> None:
    dimenet = pytest.importorskip("torch_geometric.nn.models.dimenet")
    theirs = dimenet.BesselBasisLayer(6, 5.0, envelope_exponent=5).double()
    length = torch.linspace(0.1, 4.9, 30, dtype=torch.float64)
    envelope = PolynomialCutoff(5.0, p=6)(length)[:, None]
    ours = BesselBasis(6, 5.0, "dimenet").double()(length) * envelope
    torch.testing.assert_close(ours, theirs(length), rtol=1e-5, atol=1e-6)


def test_bessel_derivatives_at_zero_are_the_limits() -> None:
    basis = BesselBasis(5, 2.0, prefactor=3.0).double()
    omega = torch.arange(1, 6, dtype=torch.float64) * math.pi / 2
    value, first, second = derivatives(basis, 0.0)
    torch.testing.assert_close(value, 3 * omega)
    assert not first.any()
    torch.testing.assert_close(second, -(omega**3))


@pytest.mark.parametrize("length", [1e-12, 1e-6, 1e-3, 0.04, 0.0629, 0.0631, 0.2, 1.0])
def test_bessel_derivatives_keep_their_digits_near_zero(length: float) -> None:
    sympy = pytest.importorskip("sympy")
    r = sympy.Symbol("r")
    f = sympy.sin(sympy.pi * r / 2) / r
    exact = [
        float(sympy.diff(f, r, k).subs(r, sympy.Float(length, 60)).evalf(30))
        for k in range(3)
    ]
    ours = derivatives(BesselBasis(1, 2.0, 1.0).double(), length)
    for y, expected, relative in zip(ours, exact, (1e-15, 1e-11, 1e-11), strict=True):
        assert y.item() == pytest.approx(expected, rel=relative)


@pytest.mark.parametrize("make", BASES)
def test_derivatives(
    make: Callable[[bool], torch.nn.Module], check_derivatives: Callable[..., None]
) -> None:
    basis = make(True).double()
    assert list(basis.parameters())
    length = torch.tensor([0.0, 1e-4, 0.5, 2.0, 4.0, 5.0], dtype=torch.float64)
    check_derivatives(basis, length)


@pytest.mark.parametrize("make", BASES)
@pytest.mark.parametrize("trainable", [False, True])
def test_a_plain_module(
    make: Callable[[bool], torch.nn.Module], trainable: bool
) -> None:
    basis = make(trainable)
    assert bool(list(basis.parameters())) is trainable
    assert bool(basis.state_dict()) is trainable
    length = torch.rand(7)
    for other in (copy.deepcopy(basis), pickle.loads(pickle.dumps(basis))):
        assert torch.equal(other(length), basis(length))
    with torch.no_grad():
        for parameter in basis.parameters():
            parameter.zero_()
    basis.reset_parameters()  # type: ignore[operator]
    assert torch.equal(basis(length), make(False)(length))


@pytest.mark.parametrize("make", BASES)
def test_constants_stay_exact(make: Callable[[bool], torch.nn.Module]) -> None:
    length = torch.rand(7, dtype=torch.float64)
    torch.set_default_dtype(torch.float64)
    try:
        expected = make(False)(length)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(make(False).half().double()(length), expected)


@pytest.mark.parametrize("make", BASES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 4)])
def test_shapes(make: Callable[[bool], torch.nn.Module], shape: tuple[int]) -> None:
    assert make(False)(torch.rand(shape)).shape == (*shape, 5)


@pytest.mark.parametrize("make", BASES)
def test_autocast_leaves_the_precision(
    make: Callable[[bool], torch.nn.Module],
) -> None:
    length = torch.rand(7)
    basis = make(False)
    expected = basis(length)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(basis(length), expected)


@pytest.mark.parametrize("make", BASES)
def test_compiles_without_graph_breaks(
    make: Callable[[bool], torch.nn.Module],
) -> None:
    torch._dynamo.reset()
    basis = make(True)
    compiled = torch.compile(basis, fullgraph=True, dynamic=True, backend="aot_eager")
    for n in (4, 6):
        length = torch.rand(n)
        torch.testing.assert_close(compiled(length), basis(length))


@pytest.mark.parametrize("basis", [GaussianBasis, BesselBasis])
def test_errors_say_what_came(basis: Any) -> None:
    with pytest.raises(ValueError, match="num_radial=0"):
        basis(0, 5.0)
    with pytest.raises(TypeError, match="num_radial"):
        basis(2.5, 5.0)
    for cutoff in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="cutoff="):
            basis(4, cutoff)
    with pytest.raises(TypeError, match=r"torch\.int64"):
        basis(4, 5.0)(torch.arange(3))
    with pytest.raises(TypeError, match="edge_length"):
        basis(4, 5.0)(torch.rand(3, dtype=torch.float64))


def test_errors_of_one_basis() -> None:
    with pytest.raises(ValueError, match="start=5"):
        GaussianBasis(4, 5.0, start=5.0)
    with pytest.raises(ValueError, match="width"):
        GaussianBasis(1, 5.0)
    with pytest.raises(ValueError, match="width=0"):
        GaussianBasis(4, 5.0, width=0.0)
    with pytest.raises(ValueError, match="prefactor='painn'"):
        BesselBasis(4, 5.0, prefactor="painn")
