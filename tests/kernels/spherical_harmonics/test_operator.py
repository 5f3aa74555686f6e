"""The compiled harmonics equal those of o3, with all derivatives."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import pi

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant import kernels, nn, o3
from pyg_equivariant.kernels import dispatch
from pyg_equivariant.kernels.environment import said
from pyg_equivariant.kernels.spherical_harmonics import cpu
from pyg_equivariant.kernels.spherical_harmonics.operator import operators
from pyg_equivariant.kernels.spherical_harmonics.reference import Form

Function = Callable[[Tensor], Tensor]
SQUARED_LENGTH = {
    "component": lambda l: 2 * l + 1,
    "norm": lambda l: 1,
    "integral": lambda l: (2 * l + 1) / (4 * pi),
}
FORMS = [  # all degrees up to 8, single ones, gaps
    *((tuple(range(lmax + 1)), True, "component") for lmax in range(1, 9)),
    *(((l,), True, "component") for l in (1, 2, 5, 12)),
    ((0, 1, 2, 3, 4, 5, 6), False, "component"),
    ((0, 1, 2, 3, 4, 5, 6), True, "norm"),
    ((0, 1, 2, 3, 4, 5, 6), True, "integral"),
    ((1, 3), False, "norm"),
    ((0, 4, 7), False, "integral"),
]
# Blocks of 16 and of 8 vectors, in whole and in part.
COUNTS = (0, 1, 7, 33, 70)


def draw(count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, 3, dtype=dtype, requires_grad=True)


def derivatives(function: Function, vectors: Tensor, order: int) -> list[Tensor]:
    """Value and derivatives, each of a scalar of all before it."""
    torch.manual_seed(1)
    results = [function(vectors)]
    for done in range(order):
        scalar = sum((r * torch.randn(r.shape, dtype=r.dtype)).sum() for r in results)
        scalar = scalar + 0 * vectors.sum()
        results += torch.autograd.grad(
            scalar, vectors, create_graph=done + 1 < order, materialize_grads=True
        )
    return results


def assert_same(found: list[Tensor], expected: list[Tensor], rtol: float) -> None:
    for a, b in zip(found, expected, strict=True):
        scale = float(b.detach().abs().max()) if b.numel() else 1.0
        torch.testing.assert_close(a, b, rtol=0, atol=rtol * max(scale, 1.0))


@pytest.mark.parametrize("count", [0, 5])
def test_a_linear_function_has_a_third_derivative(count: int) -> None:
    """The second no longer depends on what it would be a derivative by."""
    form = Form((1,), False, "norm")
    vectors = torch.randn(count, 3, dtype=torch.float64, requires_grad=True)
    found = derivatives(lambda x: operators.value(x, None, form.text()), vectors, 3)
    plain = derivatives(lambda x: operators.reference.value(x, None, form), vectors, 3)
    assert_same(found, plain, 1e-12)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_values_and_three_derivatives(form: tuple[tuple[int, ...], bool, str]) -> None:
    degrees, *rest = form
    for count in COUNTS:
        vectors = draw(count)
        found = derivatives(
            lambda r: kernels.spherical_harmonics(degrees, r, *rest), vectors, 3
        )
        expected = derivatives(
            lambda r: o3.spherical_harmonics_reference(degrees, r, *rest), vectors, 3
        )
        assert_same(found, expected, 1e-12)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("lmax", [1, 2, 3, 6, 8])
def test_single_precision(lmax: int, normalize: bool) -> None:
    vectors = torch.randn(300, 3)
    if not normalize:
        vectors = torch.nn.functional.normalize(vectors)
    vectors = vectors.requires_grad_()
    degrees = range(lmax + 1)
    found = derivatives(
        lambda r: kernels.spherical_harmonics(degrees, r, normalize), vectors, 2
    )
    exact = derivatives(
        lambda r: o3.spherical_harmonics_reference(degrees, r, normalize),
        vectors.detach().double().requires_grad_(),
        0,
    )
    plain = derivatives(
        lambda r: o3.spherical_harmonics_reference(degrees, r, normalize), vectors, 2
    )
    assert_same(found[:1], [exact[0].float()], 1e-6 * (1 + lmax))
    assert_same(found, plain, 1e-5)


@pytest.mark.parametrize(
    "irreps",
    [
        "2e+0e+1o",
        "1o+1o",
        "3x1o+2x0e+0x4e",
        "1e+2e",
        o3.Irreps("2x2e+2e"),
        (3, 1),
        4,
        0,
        "",
        "13o+1o",
    ],
)
def test_any_list_of_irreps(irreps: o3.Irreps | str | int | tuple[int, ...]) -> None:
    vectors = draw(21)
    found = derivatives(lambda r: kernels.spherical_harmonics(irreps, r), vectors, 2)
    expected = derivatives(
        lambda r: o3.spherical_harmonics_reference(irreps, r), vectors, 2
    )
    assert_same(found, expected, 1e-12)


@pytest.mark.parametrize("normalization", SQUARED_LENGTH)
@pytest.mark.parametrize("proper", [True, False])
def test_equivariance(normalization: str, proper: bool) -> None:
    R = o3.rand_matrix(dtype=torch.float64) * (1 if proper else -1)
    vectors = draw(40)
    for l in range(9):

        def harmonics_of(r: Tensor, l: int = l) -> Tensor:
            return kernels.spherical_harmonics(l, r, normalization=normalization)

        D = o3.wigner_D(o3.Irrep(l, (-1) ** l), R)
        turned = (vectors @ R.T).detach().requires_grad_()
        y, z = harmonics_of(vectors), harmonics_of(turned)
        assert_same([z], [y @ D.T], 1e-12)
        length = torch.full((40,), SQUARED_LENGTH[normalization](l), dtype=y.dtype)
        assert_same([y.square().sum(1)], [length], 1e-12)
        if l == 0:
            continue
        grad = torch.randn_like(y)
        (before,) = torch.autograd.grad(y, vectors, grad)
        (after,) = torch.autograd.grad(z, turned, grad @ D.T)
        assert_same([after], [before @ R.T], 1e-12)


def test_polynomials_are_homogeneous_and_harmonic() -> None:
    vectors = draw(20)
    for l in range(1, 9):
        y = kernels.spherical_harmonics(l, vectors, normalize=False)
        grad = torch.randn_like(y)
        (slope,) = torch.autograd.grad(y, vectors, grad, create_graph=True)
        euler = (vectors * slope).sum(1)
        assert_same([euler], [l * (grad * y).sum(1)], 1e-12)
        rows = [
            torch.autograd.grad(slope[:, a].sum(), vectors, retain_graph=True)[0]
            for a in range(3)
        ]
        curvature = torch.stack(rows, dim=1)  # [n, 3, 3]
        assert_same([curvature.mT], [curvature], 1e-11)
        trace = curvature.diagonal(dim1=1, dim2=2).sum(1)
        assert trace.abs().max() <= 1e-11 * max(1.0, float(curvature.abs().max()))


def test_gradients_of_directions_are_tangent_and_fall_with_length() -> None:
    vectors = draw(20)
    y = kernels.spherical_harmonics(range(5), vectors)
    grad = torch.randn_like(y)
    (slope,) = torch.autograd.grad(y, vectors, grad)
    assert (slope * vectors).sum(1).abs().max() < 1e-12 * slope.abs().max()
    longer = (3 * vectors).detach().requires_grad_()
    y = kernels.spherical_harmonics(range(5), longer)
    assert_same([torch.autograd.grad(y, longer, grad)[0]], [slope / 3], 1e-12)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("degrees", [(0, 1, 2, 3), (2, 5)])
def test_numerical_derivatives(degrees: tuple[int, ...], normalize: bool) -> None:
    form = Form(degrees, normalize, "norm").text()
    vectors = draw(3)

    def value(r: Tensor) -> Tensor:
        return kernels.spherical_harmonics(degrees, r, normalize, "norm")

    def slope(r: Tensor, g: Tensor) -> Tensor:
        return operators.gradient(r, None, g, form)

    grad = torch.randn_like(value(vectors)).requires_grad_()
    assert gradcheck(value, vectors)
    assert gradgradcheck(value, vectors)
    assert gradcheck(slope, (vectors, grad))
    assert gradgradcheck(slope, (vectors, grad))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 40])
def test_vectors_without_direction(count: int, dtype: torch.dtype) -> None:
    short = torch.finfo(dtype).tiny ** (1 / 6) / 2
    for length in (0.0, short):
        vectors = torch.full((count, 3), length / 3, dtype=dtype, requires_grad=True)
        results = derivatives(
            lambda r: kernels.spherical_harmonics(range(5), r), vectors, 3
        )
        assert torch.equal(results[0][:, 0], torch.ones(count, dtype=dtype))
        assert not results[0][:, 1:].any()
        for result in results[1:]:
            assert torch.equal(result, torch.zeros_like(result))


def test_zero_vectors_among_others_and_polynomials_at_zero() -> None:
    vectors = draw(40)
    with torch.no_grad():
        vectors[::3] = 0
    for normalize in (True, False):
        found = derivatives(
            lambda r, n=normalize: kernels.spherical_harmonics(range(5), r, n),
            vectors,
            3,
        )
        expected = derivatives(
            lambda r, n=normalize: o3.spherical_harmonics_reference(range(5), r, n),
            vectors,
            3,
        )
        assert all(t.isfinite().all() for t in found)
        assert_same(found, expected, 1e-12)


def test_numbers_that_are_none_stay_visible() -> None:
    vectors = torch.randn(40, 3)
    vectors[5, 1] = torch.nan
    found = kernels.spherical_harmonics(range(4), vectors)
    expected = o3.spherical_harmonics_reference(range(4), vectors)
    assert found[5].isnan().any()
    assert torch.equal(found.isnan(), expected.isnan())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    vectors = torch.randn(30, 3).to(dtype).requires_grad_()
    single = vectors.detach().float().requires_grad_()
    found = kernels.spherical_harmonics(range(4), vectors)
    expected = kernels.spherical_harmonics(range(4), single)
    assert torch.equal(found, expected.to(dtype))
    grad = torch.randn_like(found)
    (low,) = torch.autograd.grad(found, vectors, grad)
    (high,) = torch.autograd.grad(expected, single, grad.float())
    assert torch.equal(low, high.to(dtype))


def test_shapes_and_strides() -> None:
    wide = torch.randn(4, 5, 7, dtype=torch.float64)
    for vectors in (wide[..., ::3], wide[..., :3].transpose(0, 1), wide[0, 0, :3]):
        found = kernels.spherical_harmonics(range(4), vectors)
        assert_same(
            [found], [o3.spherical_harmonics_reference(range(4), vectors)], 1e-12
        )
        assert found.is_contiguous()
    assert kernels.spherical_harmonics(2, torch.zeros(2, 0, 3)).shape == (2, 0, 5)


@pytest.mark.parametrize("degrees", [(1,), (0, 1, 2), (0, 1, 2, 3, 4)])
def test_gradients_of_any_strides(degrees: tuple[int, ...]) -> None:
    vectors = torch.randn(37, 3, dtype=torch.float64)
    form = Form(degrees, True, "component")
    dim, text = form.dim, form.text()
    g = torch.randn(74, 2 * dim, dtype=torch.float64)
    for grad in (g[::2, :dim], g[:37, 1::2], g[:1, :dim].expand(37, -1), g[0, 0]):
        grad = grad.expand(37, dim)
        dense = grad.contiguous()
        assert torch.equal(
            operators.gradient(vectors, None, grad, text),
            operators.gradient(vectors, None, dense, text),
        )
        h = torch.randn(3, 37, dtype=torch.float64).T
        found, expected = (
            operators.second(vectors, None, t, h, text) for t in (grad, dense)
        )
        assert_same(list(found), list(expected), 0.0)


def test_bitwise_equal_runs_whatever_the_threads(monkeypatch) -> None:
    monkeypatch.setattr(cpu, "_PER_THREAD", 1000)
    vectors = draw(5000, torch.float32)
    before = torch.get_num_threads()
    runs = []
    try:
        for threads in (1, 1, 2, 2):
            torch.set_num_threads(threads)
            runs.append(
                derivatives(
                    lambda r: kernels.spherical_harmonics(range(7), r), vectors, 2
                )
            )
    finally:
        torch.set_num_threads(before)
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


def test_a_vector_has_the_same_harmonics_wherever_it_stands() -> None:
    vectors = torch.randn(70, 3)
    whole = kernels.spherical_harmonics(range(7), vectors)
    for start in (1, 20, 69):
        part = kernels.spherical_harmonics(range(7), vectors[start:])
        assert torch.equal(part, whole[start:])


def test_the_operators_keep_the_rules_of_torch() -> None:
    vectors, form = draw(5), Form((0, 1, 2), True, "component").text()
    grad = torch.randn(5, 9, dtype=torch.float64, requires_grad=True)
    h = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    ops = torch.ops.pyg_equivariant
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    for operator, tensors in (
        (ops.spherical_harmonics, (vectors, None)),
        (ops.spherical_harmonics_gradient, (vectors, None, grad)),
        (ops.spherical_harmonics_second, (vectors, None, grad, h)),
    ):
        torch.library.opcheck(operator.default, (*tensors, form), test_utils=checks)
    torch.library.opcheck(ops.spherical_harmonics.default, (vectors, None, form))


def test_compiled_for_any_number_of_vectors() -> None:
    torch._dynamo.reset()
    module = nn.SphericalHarmonics("2e+1o+0e")

    def function(vectors: Tensor) -> Tensor:
        free = kernels.spherical_harmonics([1, 2, 3], vectors, False, "norm")
        return torch.cat([module(vectors), free], dim=-1).sin()

    compiled = torch.compile(
        function, fullgraph=True, dynamic=True, backend="aot_eager"
    )
    for count in (5, 40):
        vectors = draw(count)
        assert_same(
            derivatives(compiled, vectors, 1), derivatives(function, vectors, 1), 1e-12
        )


def test_exported() -> None:
    module = nn.SphericalHarmonics([0, 1, 2])
    count = torch.export.Dim("count")
    program = torch.export.export(
        module, (torch.randn(5, 3),), dynamic_shapes=({0: count},)
    )
    assert "pyg_equivariant.spherical_harmonics" in str(program.graph)
    vectors = torch.randn(9, 3)
    assert torch.equal(program.module()(vectors), module(vectors))


def test_function_transforms_see_plain_torch() -> None:
    vectors = torch.randn(4, 3, dtype=torch.float64)

    def function(r: Tensor) -> Tensor:
        return kernels.spherical_harmonics([1, 2], r)

    jacobian = torch.func.vmap(torch.func.jacrev(function))(vectors)
    forward = torch.func.vmap(torch.func.jacfwd(function))(vectors)
    r = vectors.clone().requires_grad_()
    rows = [
        torch.autograd.grad(function(r)[:, j].sum(), r)[0]
        for j in range(jacobian.shape[1])
    ]
    assert_same([jacobian, forward], [torch.stack(rows, 1)] * 2, 1e-12)


def test_wrong_arguments_are_refused() -> None:
    for call in (kernels.spherical_harmonics, o3.spherical_harmonics_reference):
        with pytest.raises(ValueError, match="normalization"):
            call(1, torch.randn(2, 3), normalization="unit")
        with pytest.raises(ValueError, match="3 components"):
            call(1, torch.randn(3, 4))
        with pytest.raises(TypeError, match="floating-point"):
            call(1, torch.ones(3, dtype=torch.int64))
        with pytest.raises(ValueError, match="parity"):
            call("1o+2o", torch.randn(2, 3))
        with pytest.raises(TypeError, match="int"):
            call([True], torch.randn(2, 3))


def test_without_a_compiler_it_warns_once_and_goes_on(monkeypatch) -> None:
    vectors, form = draw(9), Form((0, 1, 2), True, "component").text()

    def value(r: Tensor) -> Tensor:
        return operators.value(r, None, form)

    expected = derivatives(value, vectors, 3)
    monkeypatch.setattr(dispatch, "compiler", lambda: None)
    monkeypatch.setattr(dispatch, "_built_ahead", lambda: False)
    said.clear()
    try:
        with pytest.warns(UserWarning, match="no C compiler"):
            kernels.spherical_harmonics(range(3), vectors)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = derivatives(
                lambda r: kernels.spherical_harmonics(range(3), r), vectors, 3
            )
            operator = derivatives(value, vectors, 3)
    finally:
        said.clear()
    assert_same(found, expected, 1e-12)
    assert_same(operator, expected, 1e-12)
