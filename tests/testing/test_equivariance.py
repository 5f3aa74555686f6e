"""The equivariance test lets through what is equivariant, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import FullyConnectedTensorProduct, Linear, SteerableLinear
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant, equivariance_error


def distances(pos: Tensor) -> Tensor:
    return (pos[:, None] - pos).norm(dim=-1)


def spread(pos: Tensor, channels: Tensor) -> Tensor:
    """Vectors ``(n, 3, channels)`` along the distance from the mean position."""
    return (pos - pos.mean(0)).unsqueeze(-1) * channels.norm(dim=1, keepdim=True)


EQUIVARIANT: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "dot product": (lambda x, y: (x * y).sum(-1, keepdim=True), ["1o", "1o"], "0e"),
    "cross product": (torch.linalg.cross, ["1o", "1o"], "1e"),
    "triple product": (
        lambda x, y, z: (x * torch.linalg.cross(y, z)).sum(-1, keepdim=True),
        ["1o", "1o", "1o"],
        "0o",
    ),
    "length times vector": (lambda x: x * x.norm(dim=-1, keepdim=True), "1o", "1o"),
    "mean position": (lambda pos: pos.mean(0, keepdim=True), "pos", "pos"),
    "distances": (distances, "pos", "5x0e"),
    "displacements": (lambda pos: pos - pos.mean(0), "pos", "1o"),
    "two outputs": (lambda pos, x: (pos + x, x), ["pos", "1o"], ["pos", "1o"]),
    "nothing": (lambda x: x, "", ""),
}
NOT_EQUIVARIANT: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "cross product as a vector": (torch.linalg.cross, ["1o", "1o"], "1o"),
    "square as odd": (lambda x: x**2, "0o", "0o"),
    "activated vector": (torch.tanh, "1o", "1o"),
    "axes exchanged": (lambda x: x[:, [1, 0, 2]], "1o", "1o"),
    "slightly off": (lambda x: x + 1e-8 * x.abs(), "1o", "1o"),
    "constant vector": (lambda x: torch.ones_like(x), "1o", "1o"),
    "distance from the origin": (
        lambda pos: pos.norm(dim=-1, keepdim=True),
        "pos",
        "0e",
    ),
    "position as a vector": (lambda pos: pos, "pos", "1o"),
    "second output": (lambda x: (x, x.abs()), "1o", ["1o", "1o"]),
    "random": (lambda x: x * torch.rand(len(x), 3), "1o", "1o"),
    "not a number": (lambda x: x / 0 * 0, "1o", "1o"),
    "not a number after rotation": (lambda x: (x - 9).sqrt(), "1o", "1o"),
    "infinite": (lambda x: x / 0, "1o", "1o"),
}


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_equivariant_functions_pass(name: str) -> None:
    assert_equivariant(*EQUIVARIANT[name])


@pytest.mark.parametrize("name", NOT_EQUIVARIANT)
def test_functions_that_are_not_fail(name: str) -> None:
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(*NOT_EQUIVARIANT[name])


def test_errors_tell_rotation_reflection_and_translation_apart() -> None:
    error = equivariance_error(torch.linalg.cross, ["1o", "1o"], "1o")
    assert error.rotation < 1e-12
    assert error.reflection > 1
    assert error.translation == 0
    error = equivariance_error(lambda pos: pos.norm(dim=-1, keepdim=True), "pos", "0e")
    assert max(error.rotation, error.reflection) < 1e-12
    assert error.translation > 0.1


def test_the_error_is_relative_to_the_largest_number() -> None:
    for scale in (1e-6, 1.0, 1e6):
        error = equivariance_error(
            lambda x, s=scale: s * (x + 1e-3 * x.abs()),
            "1o",
            "1o",
            generator=torch.Generator().manual_seed(0),
        )
        assert 1e-4 < error.rotation < 1e-2


def test_inputs_of_every_kind() -> None:
    pos = torch.randn(4, 3, dtype=torch.float64)
    channels = torch.randn(4, 3, 6, dtype=torch.float64)
    index = torch.tensor([0, 2, 3, 1])

    def function(pos: Tensor, channels: Tensor, index: Tensor, none: None) -> Tensor:
        assert index.dtype == torch.long
        assert none is None
        return spread(pos, channels)[index]

    kinds = ["pos", "cartesian", None, None]
    inputs = [pos, channels, index, None]
    assert_equivariant(function, kinds, "cartesian", inputs)
    with pytest.raises(AssertionError):
        assert_equivariant(
            lambda *x: function(*x).sort(dim=1)[0], kinds, "cartesian", inputs
        )


def test_modules_say_what_they_take() -> None:
    for module in (
        Linear("2x0e+1o", "1o+0e"),
        FullyConnectedTensorProduct("2x0e+1o", "0e+1o", "1o+0e"),
        SteerableLinear("2x0e+1o", "0e+1o", "1o+0e"),
    ):
        assert_equivariant(module.double())
        with pytest.raises(AssertionError):
            assert_equivariant(module.double(), irreps_out="4x0e")


def test_dtypes_follow_the_module_and_set_the_tolerance() -> None:
    seen = []

    class Watched(Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.dtype)
            return super().forward(x)

    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        assert_equivariant(Watched("4x0e+4x1o", "4x0e+4x1o").to(dtype))
        assert seen.pop() == dtype
    single = Watched("4x0e+4x1o", "4x0e+4x1o")
    with pytest.raises(AssertionError, match="tolerance 1e-10"):
        assert_equivariant(single, tolerance=1e-10)
    assert equivariance_error(Watched("1o", "1o"), dtype=torch.float32).rotation < 1e-5


def test_a_changing_shape_is_an_error() -> None:
    with pytest.raises(AssertionError, match="shape changed"):
        assert_equivariant(lambda x: x[x[:, 0] > 0], "1o", "1o")


def test_a_seed_makes_the_error_reproducible() -> None:
    errors = [
        equivariance_error(
            torch.tanh, "1o", "1o", generator=torch.Generator().manual_seed(seed)
        )
        for seed in (0, 0, 1)
    ]
    assert errors[0] == errors[1] != errors[2]


def test_random_state_outside_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    generator = torch.Generator().manual_seed(0)
    equivariance_error(torch.tanh, "1o", "1o", generator=generator)
    assert torch.equal(torch.rand(3), expected)


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(ValueError, match="give irreps_in"):
        assert_equivariant(torch.tanh)
    with pytest.raises(ValueError, match="give irreps_out"):
        assert_equivariant(torch.tanh, "1o")
    with pytest.raises(ValueError, match="got 1 inputs for 2"):
        assert_equivariant(torch.tanh, ["1o", "1o"], "1o", [torch.zeros(1, 3)])
    with pytest.raises(ValueError, match="got 1 outputs for 2"):
        assert_equivariant(torch.tanh, "1o", ["1o", "1o"])
    for kind in (None, "cartesian"):
        with pytest.raises(ValueError, match="pass inputs="):
            assert_equivariant(torch.tanh, [kind], Irreps("1o"))


def test_rotations_alone_can_be_asked_for() -> None:
    cross = torch.linalg.cross
    assert_equivariant(cross, ["1o", "1o"], "1o", group="SO(3)")
    with pytest.raises(AssertionError):
        assert_equivariant(cross, ["1o", "1o"], "1o")
    with pytest.raises(AssertionError):
        assert_equivariant(torch.mul, ["1o", "1o"], "1o", group="SO(3)")
    translated = torch.randn(5, 3).double()

    def stretched(x: torch.Tensor) -> torch.Tensor:
        return (x - x[0]) * torch.tensor([1.0, 2.0, 3.0])

    assert_equivariant(stretched, "pos", [None], [translated], group="T(3)")
    with pytest.raises(AssertionError):
        assert_equivariant(stretched, "pos", [None], [translated], group="SO(3)")
    with pytest.raises(AssertionError):
        assert_equivariant(stretched, "pos", "pos", [translated], group="T(3)")
    with pytest.raises(ValueError, match=r"got group 'SE\(3\)'"):
        assert_equivariant(cross, ["1o", "1o"], "1e", group="SE(3)")
