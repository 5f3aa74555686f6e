from __future__ import annotations

from collections.abc import Callable
from math import comb, factorial, pi, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.o3 import (
    Irreps,
    harmonics_irreps,
    harmonics_reference,
    harmonics_table,
)
from pyg_equivariant.o3 import spherical_harmonics_reference as spherical_harmonics

ZERO = torch.zeros(3, dtype=torch.float64)
AXES_AND_PLANES = torch.tensor(
    [
        [0, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [-1, 0, 0],
        [0, -1, 0],
        [0, 0, -1],
        [0.6, 0.8, 0],
        [0.6, 0, -0.8],
        [0, -0.6, 0.8],
    ],
    dtype=torch.float64,
)


def sphere(degree: int) -> tuple[Tensor, Tensor]:
    """Points and weights that average polynomials to ``degree`` over the sphere."""
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    angles = 2 * pi * np.arange(degree + 1) / (degree + 1)
    y, angle = (a.ravel() for a in np.meshgrid(nodes, angles, indexing="ij"))
    radius = np.sqrt(1 - y**2)
    points = np.stack([radius * np.sin(angle), y, radius * np.cos(angle)], axis=1)
    weight = np.repeat(weights, degree + 1) / (2 * (degree + 1))
    return torch.from_numpy(points), torch.from_numpy(weight)


def exact(l: int, vector: tuple[Any, Any, Any], one: Any) -> list[Any]:
    """The squared-norm-1 harmonics from their explicit sum, in the numbers of ``one``.

    The square of N is rational: what is returned are pairs (N^2, polynomial).
    """
    x, y, z = (one * c for c in vector)
    r2 = x * x + y * y + z * z
    result = []
    for m in range(-l, l + 1):
        k = abs(m)
        polynomial = sum(
            one
            * (-1) ** j
            * comb(l, j)
            * comb(2 * l - 2 * j, l)
            * (factorial(l - 2 * j) // factorial(l - 2 * j - k))
            * r2**j
            * y ** (l - 2 * j - k)
            for j in range((l - k) // 2 + 1)
        ) / (one * 2**l)
        wave = [one, one * 0]
        for _ in range(k):
            wave = [z * wave[0] - x * wave[1], x * wave[0] + z * wave[1]]
        squared = one * (2 if k else 1) * factorial(l - k) / factorial(l + k)
        result.append((squared, polynomial * wave[m < 0]))
    return result


@pytest.mark.parametrize("l", range(13))
def test_harmonics_equal_their_definition_in_rational_numbers(l: int) -> None:
    from fractions import Fraction

    vectors = [(3, -7, 5), (0, 1, 0), (1, 1, 0), (-2, 0, 1), (1, 1000, -2)]
    ours = spherical_harmonics(
        l, torch.tensor(vectors, dtype=torch.float64), False, "norm"
    )
    for vector, row in zip(vectors, ours, strict=True):
        largest = row.abs().max().item()
        for (squared, value), y in zip(
            exact(l, vector, Fraction(1)), row.tolist(), strict=True
        ):
            assert abs(y - sqrt(squared) * value) <= 1e-13 * largest


@pytest.mark.parametrize("l", range(13))
def test_harmonics_equal_scipy(l: int, generator: torch.Generator) -> None:
    special = pytest.importorskip("scipy.special")
    random = torch.randn(200, 3, dtype=torch.float64, generator=generator)
    vectors = torch.cat([random, AXES_AND_PLANES[1:]])
    x, y, z = vectors.T.numpy()
    polar, azimuth = np.arctan2(np.hypot(x, z), y), np.arctan2(x, z)
    theirs = []
    for m in range(-l, l + 1):
        value = sqrt(4 * pi) * special.sph_harm_y(l, abs(m), polar, azimuth)
        part = value.imag if m < 0 else value.real
        theirs.append((-1) ** m * part * (sqrt(2) if m else 1))
    expected = torch.from_numpy(np.stack(theirs, axis=1))
    error = (spherical_harmonics(l, vectors) - expected).abs()
    assert (error <= 1e-12 * expected.abs().amax(1, keepdim=True)).all()


@pytest.mark.parametrize(("l", "bound"), [(4, 3e-6), (8, 7e-6), (11, 1e-5)])
def test_float32_keeps_its_digits(
    l: int, bound: float, generator: torch.Generator
) -> None:
    vectors = torch.randn(2000, 3, generator=generator)
    near_pole = torch.tensor([0.0, 1.0, 0.0]) + 0.05 * vectors[:500]
    vectors = torch.cat([vectors, near_pole])
    expected = spherical_harmonics(l, vectors.double())
    error = (spherical_harmonics(l, vectors).double() - expected).abs()
    assert (error <= bound * expected.abs().amax(1, keepdim=True)).all()


@pytest.mark.parametrize("normalization", ["component", "norm", "integral"])
def test_harmonics_equal_the_golden_file(
    golden: Callable[[str], dict[str, Any]], normalization: str
) -> None:
    data = golden("o3_e3nn")
    vectors = data["input/vectors"]
    for l in range(12):
        expected = data[f"output/sh_{normalization}_{l}"]
        ours = spherical_harmonics(l, vectors, normalization=normalization)
        torch.testing.assert_close(ours, expected, rtol=1e-13, atol=1e-13)


def test_polynomials_equal_the_golden_file(
    golden: Callable[[str], dict[str, Any]],
) -> None:
    data = golden("o3_e3nn")
    for l in range(7):
        ours = spherical_harmonics(l, data["input/vectors"], normalize=False)
        expected = data[f"output/poly_{l}"]
        scale = expected.abs().max().item()
        torch.testing.assert_close(ours, expected, rtol=1e-13, atol=1e-13 * scale)


def test_harmonics_are_orthonormal() -> None:
    lmax = 12
    points, weights = sphere(2 * lmax)
    y = spherical_harmonics(range(lmax + 1), points)
    gram = torch.einsum("ni,n,nj->ij", y, weights, y)
    torch.testing.assert_close(gram, torch.eye(len(gram), dtype=gram.dtype))
    assert (gram - torch.eye(len(gram))).abs().max() < 1e-12


@pytest.mark.parametrize("l", [0, 1, 5, 12])
def test_lengths_of_the_normalizations(l: int, generator: torch.Generator) -> None:
    vectors = torch.randn(50, 3, dtype=torch.float64, generator=generator)
    for normalization, squared in [
        ("component", 2 * l + 1),
        ("norm", 1),
        ("integral", (2 * l + 1) / (4 * pi)),
    ]:
        y = spherical_harmonics(l, vectors, normalization=normalization)
        torch.testing.assert_close(
            y.square().sum(-1), torch.full((50,), float(squared)).double()
        )


@pytest.mark.parametrize("l", range(1, 9))
def test_harmonics_rotate_with_wigner_D(l: int, generator: torch.Generator) -> None:
    wigner = pytest.importorskip("pyg_equivariant.o3._wigner")
    rotation = pytest.importorskip("pyg_equivariant.o3._rotation")
    proper = rotation.rand_matrix(4, generator=generator, dtype=torch.float64)
    vectors = torch.randn(20, 3, dtype=torch.float64, generator=generator)
    for R in torch.cat([proper, -proper]):
        turned = spherical_harmonics(l, vectors @ R.T, normalize=False)
        D = wigner.wigner_D(Irreps.spherical_harmonics(l)[l].ir, R)
        expected = spherical_harmonics(l, vectors, normalize=False) @ D.T
        scale = expected.abs().max()
        assert (turned - expected).abs().max() <= 1e-12 * scale


@pytest.mark.parametrize("l", range(1, 7))
def test_polynomials_are_harmonic_and_homogeneous(
    l: int, generator: torch.Generator
) -> None:
    vector = torch.randn(3, dtype=torch.float64, generator=generator)

    def polynomial(r: Tensor) -> Tensor:
        return spherical_harmonics(l, r, normalize=False)

    torch.testing.assert_close(polynomial(2 * vector), 2**l * polynomial(vector))
    hessian = torch.func.jacfwd(torch.func.jacrev(polynomial))(vector)
    laplacian = hessian.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert laplacian.abs().max() <= 1e-11 * hessian.abs().max()


def test_the_value_at_zero_is_the_documented_one() -> None:
    for normalize in (True, False):
        y = spherical_harmonics(range(5), ZERO, normalize)
        assert y[0] == 1
        assert not y[1:].any()


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [0.0, 1e-30, 1e-20, 1e-8, 1e-6, 1.0, 1e3])
def test_derivatives_are_finite_everywhere(
    length: float, dtype: torch.dtype, normalize: bool
) -> None:
    vectors = (length * AXES_AND_PLANES).to(dtype).requires_grad_()
    y = spherical_harmonics(range(7), vectors, normalize)
    assert y.isfinite().all()
    for i in range(y.shape[1]):
        (first,) = torch.autograd.grad(y[:, i].sum(), vectors, create_graph=True)
        assert first.isfinite().all()
        if not first.requires_grad:
            continue
        for a in range(3):
            (second,) = torch.autograd.grad(
                first[:, a].sum(), vectors, retain_graph=True, allow_unused=True
            )
            assert second is None or second.isfinite().all()


def test_derivatives_of_normalized_harmonics_vanish_at_zero() -> None:
    def harmonics(r: Tensor) -> Tensor:
        return spherical_harmonics(range(4), r)

    assert not torch.func.jacrev(harmonics)(ZERO).any()
    assert not torch.func.jacrev(torch.func.jacrev(harmonics))(ZERO).any()


@pytest.mark.parametrize("normalize", [True, False])
def test_gradcheck(normalize: bool, generator: torch.Generator) -> None:
    random = torch.randn(3, 3, dtype=torch.float64, generator=generator)
    vectors = torch.cat([random, AXES_AND_PLANES[1:]]).requires_grad_()

    def harmonics(r: Tensor) -> Tensor:
        return spherical_harmonics(range(5), r, normalize)

    assert gradcheck(harmonics, vectors)
    assert gradgradcheck(harmonics, vectors)


def test_gradcheck_of_polynomials_at_zero() -> None:
    vectors = AXES_AND_PLANES[:1].clone().requires_grad_()

    def polynomials(r: Tensor) -> Tensor:
        return spherical_harmonics(range(4), r, normalize=False)

    assert gradcheck(polynomials, vectors)
    assert gradgradcheck(polynomials, vectors)


def test_blocks_repeat_and_order_the_degrees(generator: torch.Generator) -> None:
    vectors = torch.randn(4, 5, 3, dtype=torch.float64, generator=generator)
    y = spherical_harmonics("2x1o+0x3o+1x2e+3x0e+1x1o", vectors)
    y0, y1, y2 = (spherical_harmonics(l, vectors) for l in range(3))
    twice = torch.stack([y1, y1], dim=-1).flatten(-2)  # channels last
    torch.testing.assert_close(y, torch.cat([twice, y2, y0, y0, y0, y1], dim=-1))


@pytest.mark.parametrize(
    ("spec", "irreps"),
    [
        (2, "2e"),
        ([0, 1], "0e+1o"),
        (range(3), "0e+1o+2e"),
        ("1o", "1o"),
        (Irreps("1o")[0].ir, "1o"),
        (Irreps("2x1o")[0], "2x1o"),
        (Irreps("0e+1e"), "0e+1e"),
        ([], ""),
    ],
)
def test_ways_to_name_the_degrees(spec: Any, irreps: str) -> None:
    vectors = torch.randn(6, 3)
    assert harmonics_irreps(spec)[1] == Irreps(irreps)
    y = spherical_harmonics(spec, vectors)
    assert y.shape == (6, Irreps(irreps).dim)


def test_pseudovectors_have_even_harmonics() -> None:
    vectors = torch.randn(6, 3)
    torch.testing.assert_close(
        spherical_harmonics("0e+1e+2e+3e", vectors),
        spherical_harmonics("0e+1o+2e+3o", vectors),
    )
    assert harmonics_irreps("1e")[0] == Irreps("1e")
    assert harmonics_irreps("2e")[0] == Irreps("1o")
    assert harmonics_irreps([1, 2], "1e")[1] == Irreps("1e+2e")


@pytest.mark.parametrize("spec", ["2o", "0o", "0e+1e+3o", "1o+1e"])
def test_a_parity_that_no_harmonic_has_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="harmonics of degree"):
        spherical_harmonics(spec, torch.randn(2, 3))


def test_errors_say_what_came() -> None:
    with pytest.raises(ValueError, match=r"got 1x1e .* vector 1x1o are 1o"):
        harmonics_irreps("1e", "1o")
    with pytest.raises(ValueError, match="irreps_in '1o' or '1e', got '2x1o'"):
        harmonics_irreps("1o", "2x1o")
    with pytest.raises(ValueError, match=r"shape \(4, 2\)"):
        spherical_harmonics(1, torch.randn(4, 2))
    with pytest.raises(ValueError, match=r"shape \(\)"):
        spherical_harmonics(1, torch.tensor(1.0))
    with pytest.raises(TypeError, match=r"torch\.int64"):
        spherical_harmonics(1, torch.ones(4, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="normalization='none'"):
        spherical_harmonics(1, torch.randn(4, 3), normalization="none")
    with pytest.raises(ValueError, match="-1"):
        spherical_harmonics(-1, torch.randn(4, 3))
    for degree in (True, [True], [0, False]):
        with pytest.raises(TypeError, match=r"a degree is an int, got \["):
            spherical_harmonics(degree, torch.randn(4, 3))
    with pytest.raises(ValueError, match=r"1\.0 is no irreps"):
        spherical_harmonics(1.0, torch.randn(4, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 0, 3), (2, 4, 3)])
def test_any_batch_shape(shape: tuple[int, ...]) -> None:
    vectors = torch.randn(shape, requires_grad=True)
    y = spherical_harmonics([0, 1, 2], vectors)
    assert y.shape == (*shape[:-1], 9)
    assert y.is_contiguous()
    (gradient,) = torch.autograd.grad(y.sum(), vectors)
    assert gradient.shape == shape


def test_a_table_on_another_device_is_not_used() -> None:
    table = harmonics_table(((2, 1), (1, 3)), "norm", torch.float32)
    vectors = torch.empty(5, 3, device="meta")
    y = harmonics_reference(vectors, ((2, 1), (1, 3)), True, "norm", table)
    assert (y.device.type, y.shape) == ("meta", (5, 13))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    vectors = torch.randn(20, 3).to(dtype)
    expected = spherical_harmonics(range(7), vectors.float()).to(dtype)
    assert torch.equal(spherical_harmonics(range(7), vectors), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_autocast_leaves_the_precision(dtype: torch.dtype) -> None:
    vectors = torch.randn(20, 3, dtype=dtype)
    expected = spherical_harmonics(range(5), vectors)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(spherical_harmonics(range(5), vectors), expected)


def test_first_used_in_inference_mode() -> None:
    with torch.inference_mode():
        spherical_harmonics([3, 0, 3], torch.randn(2, 3))
    vectors = torch.randn(2, 3, requires_grad=True)
    spherical_harmonics([3, 0, 3], vectors).sum().backward()
    assert vectors.grad is not None


def test_compiles_without_graph_breaks() -> None:
    def function(r: Tensor) -> Tensor:
        return spherical_harmonics("0e+2x1o+2e+3o", r)

    torch._dynamo.reset()
    compiled = torch.compile(
        function, fullgraph=True, dynamic=True, backend="aot_eager"
    )
    for n in (5, 9):
        r = torch.randn(n, 3, requires_grad=True)
        y, expected = compiled(r), function(r)
        torch.testing.assert_close(y, expected)
        weight = torch.randn_like(y)
        torch.testing.assert_close(
            torch.autograd.grad((y * weight).sum(), r),
            torch.autograd.grad((expected * weight).sum(), r),
        )


def test_vmap_and_forward_derivatives_agree_with_reverse(
    generator: torch.Generator,
) -> None:
    vectors = torch.randn(4, 3, dtype=torch.float64, generator=generator)

    def harmonics(r: Tensor) -> Tensor:
        return spherical_harmonics(range(4), r)

    forward = torch.vmap(torch.func.jacfwd(harmonics))(vectors)
    reverse = torch.vmap(torch.func.jacrev(harmonics))(vectors)
    torch.testing.assert_close(forward, reverse)
