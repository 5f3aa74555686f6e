"""Rotations form a group in each of their forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant import o3

DRAW = {"dtype": torch.float64}
FORMS = {
    "angles": (o3.rand_angles, o3.compose_angles, o3.angles_to_matrix),
    "axis_angle": (o3.rand_axis_angle, o3.compose_axis_angle, o3.axis_angle_to_matrix),
    "quaternion": (
        lambda *shape, **kwargs: (o3.rand_quaternion(*shape, **kwargs),),
        lambda *given: (o3.compose_quaternion(*given),),
        o3.quaternion_to_matrix,
    ),
}
close = torch.testing.assert_close


@pytest.mark.parametrize("form", FORMS)
def test_products_are_those_of_matrices(form: str, generator: torch.Generator) -> None:
    draw, compose, to_matrix = FORMS[form]
    first = draw(5, 1, generator=generator, **DRAW)
    second = draw(7, generator=generator, **DRAW)
    found = to_matrix(*compose(*first, *second))
    close(found, to_matrix(*first) @ to_matrix(*second))


def test_inverses_and_neutral_elements(generator: torch.Generator) -> None:
    one = torch.eye(3, dtype=torch.float64).expand(6, 3, 3)
    angles = o3.rand_angles(6, generator=generator, **DRAW)
    product = o3.compose_angles(*angles, *o3.inverse_angles(*angles))
    close(o3.angles_to_matrix(*product), one)
    q = o3.rand_quaternion(6, generator=generator, **DRAW)
    close(
        o3.compose_quaternion(q, o3.inverse_quaternion(q)),
        o3.identity_quaternion(6, **DRAW),
    )
    close(o3.angles_to_matrix(*o3.identity_angles(6, **DRAW)), one)
    assert {len({id(angle) for angle in o3.identity_angles(2)})} == {3}


def test_random_rotations_follow_a_generator() -> None:
    for draw in (o3.rand_angles, o3.rand_axis_angle):
        torch.manual_seed(0)
        state = torch.random.get_rng_state()
        one, other = (draw(4, generator=torch.Generator().manual_seed(3)) for _ in "ab")
        close(one, other, rtol=0, atol=0)
        assert torch.equal(torch.random.get_rng_state(), state)


def test_directions_are_images_of_the_y_axis(generator: torch.Generator) -> None:
    alpha, beta, gamma = o3.rand_angles(50, generator=generator, **DRAW)
    xyz = o3.angles_to_xyz(alpha, beta)
    close(xyz, o3.angles_to_matrix(alpha, beta, gamma)[:, :, 1])
    back = o3.xyz_to_angles(3 * xyz)
    close(back, (torch.atan2(alpha.sin(), alpha.cos()), beta))


def test_directions_at_the_poles_and_of_nothing() -> None:
    xyz = torch.tensor([[0.0, 1, 0], [0, -1, 0], [0, 0, 0]], dtype=torch.float64)
    alpha, beta = o3.xyz_to_angles(xyz)
    assert alpha.tolist() == [0, 0, 0]
    close(beta, torch.tensor([0, math.pi, math.pi / 2], dtype=torch.float64))
    xyz.requires_grad_()
    first = torch.autograd.grad(
        sum(o3.xyz_to_angles(xyz)).sum(), xyz, create_graph=True
    )[0]
    assert first.isfinite().all()
    assert torch.autograd.grad(first.sum(), xyz)[0].isfinite().all()


def test_derivatives(generator: torch.Generator) -> None:
    q = o3.rand_quaternion(3, generator=generator, **DRAW).requires_grad_()
    xyz = torch.randn(4, 3, generator=generator, **DRAW).requires_grad_()
    for function, given in (
        (o3.compose_quaternion, (q, q.detach().flip(0).requires_grad_())),
        (o3.xyz_to_angles, (xyz,)),
    ):
        assert gradcheck(function, given)
        assert gradgradcheck(function, given)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 4 numbers on the last dimension"):
        o3.compose_quaternion(torch.rand(4), torch.rand(3))
    with pytest.raises(ValueError, match="expected 4 numbers"):
        o3.inverse_quaternion(torch.rand(5))
    with pytest.raises(ValueError, match="expected 3 numbers"):
        o3.xyz_to_angles(torch.rand(4))
    with pytest.raises(TypeError):
        o3.inverse_angles(*torch.zeros(3, dtype=torch.long))
