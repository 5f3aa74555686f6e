"""Rotations: conversions between all forms, everywhere, and uniform sampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor

from pyg_equivariant.o3 import _rotation
from pyg_equivariant.o3._rotation import (
    angles_to_matrix,
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    matrix_to_angles,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_x,
    matrix_y,
    matrix_z,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
    rand_matrix,
    rand_quaternion,
)

FORMS = ("matrix", "quaternion", "axis_angle", "angles")
Form = tuple[Tensor, ...]


def convert(source: str, target: str, rotation: Form) -> Form:
    if source == target:
        return rotation
    out = getattr(_rotation, f"{source}_to_{target}")(*rotation)
    return out if isinstance(out, tuple) else (out,)


def rodrigues(axis: Tensor, angle: Tensor) -> Tensor:
    """``exp(angle [axis]x)``, without a quaternion."""
    zero = torch.zeros_like(angle)
    x, y, z = (axis / axis.norm(dim=-1, keepdim=True) * angle[..., None]).unbind(-1)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    return torch.matrix_exp(cross.unflatten(-1, (3, 3)))


def special_rotations() -> Tensor:
    """Identity, quarter and half turns, gimbal poles, all of them nearly, too."""
    axes = torch.tensor(list(product([-1, 0, 1], repeat=3)), dtype=torch.float64)
    axes = axes[axes.abs().sum(1) > 0]
    turns = torch.tensor([0, 1 / 3, 1 / 2, 1], dtype=torch.float64) * math.pi
    near = torch.tensor([0, 1e-15, 1e-8, 1e-3], dtype=torch.float64)
    angles = (turns[:, None] + torch.cat([near, -near])).flatten()
    R = rodrigues(axes[:, None].expand(-1, len(angles), 3), angles.expand(26, -1))
    poles = angles_to_matrix(angles[:, None, None], angles[:, None], angles)
    return torch.cat([R.flatten(0, 1), poles.flatten(0, 2)])


@pytest.fixture
def rotations(generator: torch.Generator) -> Tensor:
    uniform = rand_matrix(200, generator=generator, dtype=torch.float64)
    return torch.cat([uniform, special_rotations()])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("other", FORMS)
def test_round_trips(form: str, other: str, rotations: Tensor) -> None:
    """Every conversion, between any two forms, describes the same rotation."""
    rotation = convert("matrix", form, (rotations,))
    for target in FORMS:
        there = convert(form, other, rotation)
        back = convert(target, "matrix", convert(other, target, there))
        assert (back[0] - rotations).abs().max() < 1e-14


def test_canonical_ranges(rotations: Tensor) -> None:
    q = matrix_to_quaternion(rotations)
    torch.testing.assert_close(q.norm(dim=-1), torch.ones(len(q), dtype=q.dtype))
    assert q[:, 0].min() >= 0
    axis, angle = matrix_to_axis_angle(rotations)
    torch.testing.assert_close(axis.norm(dim=-1), torch.ones(len(q), dtype=q.dtype))
    assert angle.min() >= 0
    assert angle.max() <= math.pi
    alpha, beta, gamma = matrix_to_angles(rotations)
    assert beta.min() >= 0
    assert beta.max() <= math.pi
    assert max(alpha.abs().max(), gamma.abs().max()) <= math.pi


def test_generic_forms_come_back_themselves(generator: torch.Generator) -> None:
    uniform = torch.rand(3, 100, generator=generator, dtype=torch.float64)
    angles = ((2 * uniform[0] - 1) * math.pi, uniform[1] * math.pi, 6 * uniform[2] - 3)
    for back, angle in zip(
        matrix_to_angles(angles_to_matrix(*angles)), angles, strict=True
    ):
        assert (back - angle).abs().max() < 1e-12
    q = rand_quaternion(100, generator=generator, dtype=torch.float64)
    back = axis_angle_to_quaternion(*quaternion_to_axis_angle(q))
    assert (back - q).abs().max() < 1e-14  # the sign of q comes back as well


def test_special_values() -> None:
    eye = torch.eye(3, dtype=torch.float64)
    axis, angle = matrix_to_axis_angle(eye)
    assert (axis.tolist(), angle.item()) == ([0, 1, 0], 0)
    assert [a.item() for a in matrix_to_angles(eye)] == [0, 0, 0]
    about_y = matrix_y(torch.tensor(0.6, dtype=torch.float64))
    assert [round(a.item(), 12) for a in matrix_to_angles(about_y)] == [0, 0, 0.6]
    for n in range(3):  # half turns about the three axes
        q = matrix_to_quaternion(2 * torch.diag(eye[n]) - eye)
        assert q.tolist() == [0, *eye[n].tolist()]


def test_directions_of_rotation() -> None:
    """Right-handed turns, and Euler angles in the order y (x (y v))."""
    quarter = torch.tensor(math.pi / 2, dtype=torch.float64)
    x, y, z = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(matrix_x(quarter) @ y, z)
    torch.testing.assert_close(matrix_y(quarter) @ z, x)
    torch.testing.assert_close(matrix_z(quarter) @ x, y)
    a, b, c = torch.tensor([0.3, 1.1, -2.0], dtype=torch.float64)
    torch.testing.assert_close(
        angles_to_matrix(a, b, c), rodrigues(y, a) @ rodrigues(x, b) @ rodrigues(y, c)
    )


def test_axis_and_quaternion_of_any_length(generator: torch.Generator) -> None:
    axis = 7 * torch.randn(50, 3, generator=generator, dtype=torch.float64)
    angle = 9 * torch.randn(50, generator=generator, dtype=torch.float64)
    expected = rodrigues(axis, angle)
    torch.testing.assert_close(axis_angle_to_matrix(axis, angle), expected)
    q = -3 * axis_angle_to_quaternion(axis, angle)
    torch.testing.assert_close(quaternion_to_matrix(q), expected)


def test_broadcasting() -> None:
    a, b, c = torch.rand(4, 1, 1), torch.rand(3, 1), torch.rand(2)
    R = angles_to_matrix(a, b, c)
    assert R.shape == (4, 3, 2, 3, 3)
    q = _rotation.angles_to_quaternion(a, b, c)
    torch.testing.assert_close(quaternion_to_matrix(q), R)
    assert axis_angle_to_quaternion(torch.rand(4, 1, 3), torch.rand(2)).shape == (
        4,
        2,
        4,
    )
    assert matrix_to_quaternion(R[:0]).shape == (0, 3, 2, 4)


@pytest.mark.parametrize("target", FORMS[1:])
def test_derivatives(target: str, generator: torch.Generator) -> None:
    """Along SO(3), first and second, to and from matrices, half turns included."""
    R = rand_matrix(4, generator=generator, dtype=torch.float64)
    half_turn = rodrigues(R.new_tensor([1, 2, 3]), R.new_tensor(math.pi))
    R = torch.cat([R, half_turn[None]])
    q = matrix_to_quaternion(R).requires_grad_()

    def there_and_back(q: Tensor) -> Tensor:
        form = convert("matrix", target, (quaternion_to_matrix(q),))
        return convert(target, "matrix", form)[0]

    torch.testing.assert_close(there_and_back(q), R)
    assert torch.autograd.gradcheck(there_and_back, q)
    assert torch.autograd.gradgradcheck(there_and_back, q)


@pytest.mark.parametrize("target", FORMS[1:])
def test_derivatives_are_finite_at_the_special_rotations(target: str) -> None:
    """First and second, even where the form is not unique and has none."""
    exact = torch.cartesian_prod(*3 * [torch.tensor([1.0, -1.0])]).diag_embed()
    R = exact[torch.linalg.det(exact) > 0].double().requires_grad_()
    total = sum((x * x + x).sum() for x in convert("matrix", target, (R,)))
    (grad,) = torch.autograd.grad(total, R, create_graph=True)
    assert grad.isfinite().all()
    (second,) = torch.autograd.grad((grad * torch.rand_like(R)).sum(), R)
    assert second.isfinite().all()


def test_single_precision(rotations: Tensor) -> None:
    for form in FORMS[1:]:
        there = convert("matrix", form, (rotations.float(),))
        (back,) = convert(form, "matrix", there)
        assert back.dtype == torch.float32
        assert (back - rotations).abs().max() < 3e-6


def test_compiles() -> None:
    R = special_rotations()[:50]
    angles = torch.compile(matrix_to_angles, fullgraph=True)(R)
    torch.testing.assert_close(angles_to_matrix(*angles), R)


def test_rand_matrix(generator: torch.Generator) -> None:
    R = rand_matrix(20000, generator=generator, dtype=torch.float64)
    eye = torch.eye(3, dtype=torch.float64)
    assert (R @ R.mT - eye).abs().max() < 1e-14
    assert (torch.linalg.det(R) - 1).abs().max() < 1e-14
    # Haar: E[R_ij R_kl] = delta_ik delta_jl / 3, and (angle - sin angle) / pi uniform
    second = torch.einsum("nij,nkl->ijkl", R, R) / len(R)
    expected = torch.einsum("ik,jl->ijkl", eye, eye) / 3
    assert (second - expected).abs().max() < 0.015
    angle = matrix_to_axis_angle(R)[1].sort().values
    uniform = (torch.arange(len(R)) + 0.5) / len(R)
    assert ((angle - angle.sin()) / math.pi - uniform).abs().max() < 0.015


def test_rand_matrix_arguments(generator: torch.Generator) -> None:
    improper = rand_matrix(2, 3, improper=True, generator=generator)
    assert improper.shape == (2, 3, 3, 3)
    assert improper.dtype == torch.get_default_dtype()
    torch.testing.assert_close(torch.linalg.det(improper), -torch.ones(2, 3))
    again = rand_matrix(2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(improper, -again)
    assert rand_matrix().shape == (3, 3)
    assert rand_matrix(0, dtype=torch.float64).dtype == torch.float64
    assert rand_matrix(device="meta").is_meta


@pytest.mark.parametrize(
    "function", [matrix_to_angles, matrix_to_axis_angle, matrix_to_quaternion]
)
def test_errors(function: Callable[[Tensor], object]) -> None:
    with pytest.raises(ValueError, match=r"improper \(determinant -1\)"):
        function(torch.stack([torch.eye(3), -torch.eye(3)]))
    with pytest.raises(ValueError, match=r"not orthogonal: .* reaches 3\.0e"):
        function(2 * torch.eye(3))
    with pytest.raises(ValueError, match="not orthogonal"):
        function(torch.full((3, 3), math.nan))
    with pytest.raises(ValueError, match=r"shape \(3, 2\)"):
        function(torch.zeros(3, 2))
    with pytest.raises(TypeError, match=r"dtype torch.int64"):
        function(torch.eye(3, dtype=torch.int64))


@pytest.mark.parametrize("length", [1e-4, 1.0, 300.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_quaternions_of_any_length_in_half_precision(
    dtype: torch.dtype, length: float
) -> None:
    """Their squares have no room in float16."""
    q = length * torch.tensor([0.5, -0.5, 0.5, 0.5])
    found = quaternion_to_matrix(q.to(dtype))
    assert found.dtype == dtype
    expected = quaternion_to_matrix(q.to(dtype).double())
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=5e-3)
