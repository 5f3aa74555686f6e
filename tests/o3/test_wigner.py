"""Wigner matrices: a representation of O(3), exact, differentiable; features turn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.o3 import Irrep, Irreps
from pyg_equivariant.o3._clebsch_gordan import clebsch_gordan
from pyg_equivariant.o3._rotation import matrix_y, quaternion_to_matrix, rand_matrix
from pyg_equivariant.o3._wigner import rotate, wigner_D

DEGREES = range(13)
IRREPS = ["0e", "0o", "1o", "1e", "2e", "2o", "3o", "4o", "7e", "12e", "12o"]


@pytest.fixture
def R(generator: torch.Generator) -> Tensor:
    """Five rotations, two of them improper."""
    R = rand_matrix(5, generator=generator, dtype=torch.float64)
    return R * R.new_tensor([1, 1, 1, -1, -1])[:, None, None]


@pytest.mark.parametrize("ir", IRREPS)
def test_group_homomorphism(ir: str, R: Tensor) -> None:
    D = wigner_D(ir, R[:, None] @ R)
    assert (D - wigner_D(ir, R[:, None]) @ wigner_D(ir, R)).abs().max() < 1e-12


@pytest.mark.parametrize("l", DEGREES)
def test_orthogonal_with_determinant_from_parity(l: int, R: Tensor) -> None:
    D = wigner_D(l, R)
    eye = torch.eye(2 * l + 1, dtype=R.dtype)
    assert (D @ D.mT - eye).abs().max() < 1e-12
    det = torch.linalg.det(R) ** l
    torch.testing.assert_close(torch.linalg.det(D), det, rtol=0, atol=1e-11)


@pytest.mark.parametrize("ir", IRREPS)
def test_identity_and_inversion_are_exact(ir: str) -> None:
    irrep = Irrep(ir)
    eye = torch.eye(3, dtype=torch.float64)
    expected = torch.eye(irrep.dim, dtype=torch.float64)
    assert (wigner_D(ir, eye) - expected).abs().max() < 1e-14
    assert (wigner_D(ir, -eye) - irrep.p * expected).abs().max() < 1e-14


def test_degrees_0_and_1(R: Tensor) -> None:
    """Scalars, vectors ``(x, y, z)``, pseudoscalars and pseudovectors."""
    assert torch.equal(wigner_D("1o", R), R)
    assert torch.equal(wigner_D("0e", R), torch.ones(5, 1, 1, dtype=R.dtype))
    det = torch.linalg.det(R)[:, None, None]
    torch.testing.assert_close(wigner_D("0o", R), det)
    torch.testing.assert_close(wigner_D("1e", R), det * R)
    v, w = torch.randn(2, 5, 3, dtype=R.dtype)
    turned = torch.linalg.cross((R @ v[..., None])[..., 0], (R @ w[..., None])[..., 0])
    torch.testing.assert_close(
        turned, rotate("1e", torch.linalg.cross(v, w), R), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("l", DEGREES)
def test_turn_about_the_polar_axis_mixes_cosine_and_sine(l: int) -> None:
    """Orders ``m`` and ``-m`` turn by ``m`` times the angle, to full accuracy."""
    angle = torch.tensor(0.7, dtype=torch.float64)
    expected = torch.zeros(2 * l + 1, 2 * l + 1, dtype=torch.float64)
    for m in range(-l, l + 1):
        expected[l + m, l + m] = (m * angle).cos()
        if m != 0:
            expected[l + m, l - m] = -(m * angle).sin()
    assert (wigner_D(l, matrix_y(angle)) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("l", [2, 5, 12])
def test_traceless_symmetric_tensors(l: int, R: Tensor) -> None:
    """``v`` multiplied ``l`` times with itself turns as ``v`` does."""
    v = torch.randn(5, 3, dtype=R.dtype)
    v = v / v.norm(dim=-1, keepdim=True)

    def power(v: Tensor) -> Tensor:
        out = v
        for n in range(2, l + 1):
            C = clebsch_gordan(n - 1, 1, n, dtype=v.dtype)
            out = torch.einsum("ijk,ni,nj->nk", C, out, v)
        return out / out.norm(dim=-1, keepdim=True)

    turned = (wigner_D(l, R) @ power(v)[..., None])[..., 0]
    assert (power((R @ v[..., None])[..., 0]) - turned).abs().max() < 1e-12


def test_character(R: Tensor) -> None:
    """``tr D = sin((l + 1/2) angle) / sin(angle / 2)``."""
    for l in DEGREES:
        trace = wigner_D(l, R[:3]).diagonal(dim1=-2, dim2=-1).sum(-1)
        angle = ((R[:3].diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).acos()
        expected = ((l + 0.5) * angle).sin() / (angle / 2).sin()
        torch.testing.assert_close(trace, expected, rtol=0, atol=1e-11)


def test_golden(golden: Callable[[str], dict[str, Any]]) -> None:
    arrays = golden("o3_e3nn")
    for l in range(9):
        D = wigner_D(l, arrays["input/R"])
        assert (D - arrays[f"output/D_{l}"]).abs().max() < 1e-10


@pytest.mark.parametrize("ir", ["1o", "1e", "3o", "4o", "6e"])
def test_derivatives(ir: str, R: Tensor, generator: torch.Generator) -> None:
    """With respect to the entries of R, and along SO(3), the identity included."""
    q = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    q = torch.cat([q, q.new_tensor([[1, 0, 0, 0], [0, 1, 0, 0]])]).requires_grad_()
    R = R[2:4].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda R: wigner_D(ir, R), R)
    assert torch.autograd.gradgradcheck(lambda R: wigner_D(ir, R), R)
    assert torch.autograd.gradcheck(lambda q: wigner_D(ir, quaternion_to_matrix(q)), q)


def test_single_and_half_precision(R: Tensor) -> None:
    for l in DEGREES:
        D = wigner_D(l, R.float())
        assert D.dtype == torch.float32
        assert (D - wigner_D(l, R)).abs().max() < 5e-6
    D = wigner_D(3, R.bfloat16())
    assert D.dtype == torch.bfloat16
    assert (D - wigner_D(3, R)).abs().max() < 0.1


def test_batch_shapes(R: Tensor) -> None:
    for l in (0, 1, 4):
        assert wigner_D(l, R[0]).shape == (2 * l + 1, 2 * l + 1)
        assert wigner_D(l, R[None, :, None]).shape == (1, 5, 1, 2 * l + 1, 2 * l + 1)
        assert wigner_D(l, R[:0]).shape == (0, 2 * l + 1, 2 * l + 1)
        torch.testing.assert_close(wigner_D(l, R)[3], wigner_D(l, R[3]))
    assert wigner_D(1, R).data_ptr() != R.data_ptr()


def test_first_use_in_inference_mode_spoils_nothing() -> None:
    with torch.inference_mode():
        wigner_D(15, torch.eye(3, dtype=torch.float64))
    R = torch.eye(3, dtype=torch.float64, requires_grad=True)
    torch.autograd.grad(wigner_D(15, R).sum(), R)


def test_compiles(R: Tensor) -> None:
    x = torch.randn(5, 27, dtype=R.dtype)
    irreps = Irreps("2x0e + 3x1e + 1x2e + 1x5o")

    def turn(x: Tensor, R: Tensor) -> Tensor:
        return rotate(irreps, x, R)

    expected = turn(x, R)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*lru_cache.*")
        compiled = torch.compile(turn, fullgraph=True)(x, R)
    torch.testing.assert_close(compiled, expected)


def test_rotate_turns_every_channel_by_its_irrep(R: Tensor) -> None:
    irreps = Irreps("3x1o + 2x0e + 0x7o + 2x0o + 1x1e + 4x3o + 3x1o")
    x = torch.randn(5, irreps.dim, dtype=R.dtype)
    turned = rotate(irreps, x, R)
    for (mul, ir), where in zip(irreps, irreps.slices(), strict=True):
        for u in range(mul):
            channel = x[:, where][:, u::mul]
            expected = (wigner_D(ir, R) @ channel[..., None])[..., 0]
            torch.testing.assert_close(turned[:, where][:, u::mul], expected)
    back = rotate(irreps, turned, R.mT)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))


def test_rotate_broadcasts(R: Tensor) -> None:
    irreps = "2x0e + 2x1o + 1x2e"
    x = torch.randn(4, 5, 13, dtype=R.dtype)
    turned = rotate(irreps, x, R)
    assert turned.shape == x.shape
    for n in range(5):
        torch.testing.assert_close(rotate(irreps, x[:, n], R[n]), turned[:, n])
    assert rotate(irreps, x[0, 0], R).shape == (5, 13)
    assert rotate("2x0e", x[0, 0, :2], R).shape == (5, 2)
    assert rotate(irreps, x[:0], R[0]).shape == (0, 5, 13)
    assert rotate("", x[..., :0], R).shape == (4, 5, 0)
    assert rotate("0x1o", x[0, 0, :0], R).shape == (5, 0)


def test_rotate_keeps_the_dtype_of_the_features(R: Tensor) -> None:
    x = torch.randn(5, 13)
    turned = rotate("2x0e + 2x1o + 1x2e", x, R)
    assert turned.dtype == torch.float32
    torch.testing.assert_close(
        turned, rotate("2x0e + 2x1o + 1x2e", x.double(), R).float()
    )


def test_errors() -> None:
    eye = torch.eye(3)
    with pytest.raises(ValueError, match="not orthogonal"):
        wigner_D(2, eye + 0.01)
    with pytest.raises(ValueError, match=r"shape \(3,\), expected \(..., 3, 3\)"):
        wigner_D(2, eye[0])
    with pytest.raises(TypeError, match=r"torch.int64"):
        wigner_D(2, eye.long())
    with pytest.raises(ValueError, match="-1"):
        wigner_D(-1, eye)
    with pytest.raises(ValueError, match="'2x'"):
        wigner_D("2x", eye)
    with pytest.raises(ValueError, match=r"2x0e\+1x1o have 5 .*\(4, 7\)"):
        rotate("2x0e + 1x1o", torch.zeros(4, 7), eye)
    with pytest.raises(ValueError, match=r"1x0e have 1 components.*\(\)"):
        rotate("1x0e", torch.tensor(1.0), eye)
    with pytest.raises(TypeError, match=r"x of dtype torch.int64"):
        rotate("1x0e", torch.zeros(1, dtype=torch.int64), eye)
    with pytest.raises(ValueError, match="not orthogonal"):
        rotate("1x0e", torch.zeros(1), 2 * eye)
