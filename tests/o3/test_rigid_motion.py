"""Logarithms and exponentials are inverse, and smooth where formulas divide by zero."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.o3 import (
    quaternion_to_matrix,
    rand_quaternion,
    se3_exp,
    se3_log,
    so3_exp,
    so3_jacobian,
    so3_log,
)

ANGLES = (0.0, 1e-12, 1e-6, 1e-3, 0.2, 0.499, 0.501, 1.0, 2.0, 3.0, math.pi - 1e-6)


def of_angle(angle: float) -> Tensor:
    """A logarithm of that angle."""
    axis = torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64) / 3
    return torch.cat([angle * axis, torch.tensor([0.3, -0.7, 1.1]).double()])


def generator_of(a: Tensor) -> Tensor:
    """The matrix of which the rigid motion is the matrix exponential."""
    x, y, z = a[:3].tolist()
    out = torch.zeros(4, 4, dtype=a.dtype)
    out[:3, :3] = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=a.dtype)
    out[:3, 3] = a[3:]
    return out


@pytest.mark.parametrize("angle", [*ANGLES, math.pi, 4.0])
def test_exponentials_are_those_of_matrices(angle: float) -> None:
    a = of_angle(angle)
    q, t = se3_exp(a)
    expected = torch.linalg.matrix_exp(generator_of(a))
    torch.testing.assert_close(quaternion_to_matrix(q), expected[:3, :3])
    torch.testing.assert_close(t, expected[:3, 3], rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(q.norm(), torch.ones((), dtype=q.dtype))


@pytest.mark.parametrize("angle", ANGLES)
def test_logarithms_undo_exponentials(angle: float) -> None:
    a = of_angle(angle)
    q, t = se3_exp(a)
    for scale in (1.0, -2.5):
        found = se3_log(scale * q, t)
        torch.testing.assert_close(found, a, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(so3_log(so3_exp(a[:3])), a[:3], rtol=1e-13, atol=1e-13)
    inverse = so3_jacobian(a[:3]) @ so3_jacobian(a[:3], inverse=True)
    torch.testing.assert_close(inverse, torch.eye(3).double(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("angle", [*ANGLES, math.pi])
def test_derivatives_are_right(angle: float) -> None:
    a = of_angle(angle).requires_grad_()
    if angle < math.pi - 0.01:
        assert gradcheck(se3_exp, (a,))
        assert gradgradcheck(se3_exp, (a,))
        q, t = (x.detach().requires_grad_() for x in se3_exp(a))
        assert gradcheck(se3_log, (q, t))
        assert gradgradcheck(se3_log, (q, t))
    q, t = (x.detach().requires_grad_() for x in se3_exp(a))
    first = torch.autograd.grad(se3_log(q, t).sin().sum(), (q, t), create_graph=True)
    total = sum(x.square().sum() for x in first)
    second = torch.autograd.grad(total, (q, t))
    for x in (*first, *second):
        assert x.isfinite().all()
        assert x.any()


def test_half_turns_are_finite_in_every_precision() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        q = torch.tensor([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0.6, 0, -0.8]], dtype=dtype)
        q.requires_grad_()
        a = se3_log(q, torch.ones(3, 3, dtype=dtype))
        angles = a[:, :3].detach().double().norm(dim=-1)
        expected = math.pi * torch.tensor([1.0, 0.0, 1.0]).double()
        torch.testing.assert_close(angles, expected, rtol=0.01, atol=0.01)
        assert a.dtype == dtype
        (gradient,) = torch.autograd.grad(a.float().sum(), q)
        assert gradient.isfinite().all()


def test_logarithms_turn_with_the_axes() -> None:
    """Conjugation by a rotation turns both halves."""
    q, r = rand_quaternion(2, 7, dtype=torch.float64)
    t, R = torch.randn(7, 3, dtype=torch.float64), quaternion_to_matrix(r)
    a = se3_log(q, t).unflatten(-1, (2, 3))
    turned = torch.cat([q[:, :1], (R @ q[:, 1:, None]).squeeze(-1)], dim=-1)
    moved = se3_log(turned, (R @ t.unsqueeze(-1)).squeeze(-1)).unflatten(-1, (2, 3))
    torch.testing.assert_close(moved, torch.einsum("nij,nkj->nki", R, a))


def test_bad_shapes_are_named() -> None:
    with pytest.raises(ValueError, match="expected 4 numbers on the last dimension"):
        so3_log(torch.ones(3))
    with pytest.raises(ValueError, match="expected 3 numbers on the last dimension"):
        se3_log(torch.ones(4), torch.ones(4))
    with pytest.raises(TypeError, match=r"t is torch\.float64"):
        se3_log(torch.ones(4), torch.ones(3).double())
    with pytest.raises(ValueError, match="do not broadcast"):
        se3_log(torch.ones(2, 4), torch.ones(3, 3))
