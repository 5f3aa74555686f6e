"""Cartesian tensors turn as their irreps do, and come back as they were."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from pyg_equivariant.o3 import CartesianTensor, Irreps, rand_matrix, rotate
from pyg_equivariant.o3 import spherical_harmonics_reference as spherical_harmonics

FORMULAS = {
    "i": "1o",
    "ij": "0e+1e+2e",
    "ij=ji": "0e+2e",
    "ij=-ji": "1e",
    "ijk": "0o+3x1o+2x2o+3o",
    "ijk=jik": "2x1o+2o+3o",
    "ijk=ikj": "2x1o+2o+3o",
    "ijk=jik=ikj": "1o+3o",
    "ijk=-jik=-ikj": "0o",
    "ijkl": "3x0e+6x1e+6x2e+3x3e+4e",
    "ijkl=jikl=klij": "2x0e+2x2e+4e",
    "ijkl=jikl=ijlk": "2x0e+1e+3x2e+3e+4e",
    "ijkl=jikl=jkli": "0e+2e+4e",
}


@pytest.fixture
def R(generator: torch.Generator) -> Tensor:
    """Four rotations, two of them improper."""
    R = rand_matrix(4, generator=generator, dtype=torch.float64)
    return R * R.new_tensor([1, 1, -1, -1])[:, None, None]


def turned(tensor: Tensor, R: Tensor, rank: int) -> Tensor:
    """Every index of ``(4, 3, 3, ...)`` by the rotation of its row."""
    for axis in range(1, rank + 1):
        moved = tensor.movedim(axis, -1)
        moved = torch.einsum("b...j,bij->b...i", moved, R)
        tensor = moved.movedim(-1, axis)
    return tensor


def random(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize(("formula", "irreps"), FORMULAS.items())
def test_irreps_and_orthonormal_rows(formula: str, irreps: str) -> None:
    tensor = CartesianTensor(formula)
    assert tensor.irreps == Irreps(irreps)
    Q = tensor.change_of_basis(torch.float64).flatten(1)
    assert (Q @ Q.T - torch.eye(len(Q)).double()).abs().max() < 1e-14


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("p", [None, 1, -1])
def test_turns_as_its_irreps(formula: str, p: int | None, R: Tensor) -> None:
    tensor = CartesianTensor(formula, p)
    rank = tensor.rank
    T = random(4, *(3,) * rank)
    pseudo = tensor.p != (-1) ** rank
    det = torch.linalg.det(R).view(4, *[1] * rank) if pseudo else 1.0
    found = tensor.from_cartesian(det * turned(T, R, rank))
    expected = rotate(tensor.irreps, tensor.from_cartesian(T), R)
    assert (found - expected).abs().max() < 1e-10
    back = tensor.to_cartesian(expected)
    again = det * turned(tensor.to_cartesian(tensor.from_cartesian(T)), R, rank)
    assert (back - again).abs().max() < 1e-10


def symmetrized(formula: str, T: Tensor) -> Tensor:
    """The mean over products of the permutations, drawn until it stays."""
    first, *others = formula.split("=")
    for _ in range(200):
        for term in others:
            letters = term.removeprefix("-")
            sign = -1 if term != letters else 1
            axes = [T.dim() - len(first) + first.index(letter) for letter in letters]
            batch = list(range(T.dim() - len(first)))
            T = (T + sign * T.permute(*batch, *axes)) / 2
    return T


@pytest.mark.parametrize("formula", FORMULAS)
def test_there_and_back_is_the_symmetric_part(formula: str) -> None:
    tensor = CartesianTensor(formula)
    T = random(2, 5, *(3,) * tensor.rank)
    back = tensor.to_cartesian(tensor.from_cartesian(T))
    torch.testing.assert_close(back, symmetrized(formula, T), rtol=0, atol=1e-12)
    x = random(2, 5, tensor.irreps.dim)
    there = tensor.from_cartesian(tensor.to_cartesian(x))
    torch.testing.assert_close(there, x, rtol=0, atol=1e-13)
    assert tensor.from_cartesian(T).shape == x.shape
    assert torch.allclose(
        tensor.to_cartesian(x).flatten(2).norm(dim=-1), x.norm(dim=-1)
    )


def test_parts_that_have_names() -> None:
    """The trace, the axial vector in ``(x, y, z)``, and harmonics."""
    symmetric, T = CartesianTensor("ij=ji"), random(3, 3)
    trace = symmetric.from_cartesian(T)[0]
    torch.testing.assert_close(trace, T.trace() / 3**0.5)
    v, w = random(3), random(3)
    axial = CartesianTensor("ij=-ji").from_cartesian(torch.outer(v, w))
    torch.testing.assert_close(axial, torch.linalg.cross(v, w) / 2**0.5)
    unit = v / v.norm()
    harmonics = spherical_harmonics("2e", unit, normalization="norm")
    found = symmetric.from_cartesian(torch.outer(unit, unit))[1:]
    torch.testing.assert_close(found, (2 / 3) ** 0.5 * harmonics)


def test_an_isotropic_solid_has_two_moduli() -> None:
    elasticity, one = CartesianTensor("ijkl=jikl=klij"), torch.eye(3).double()
    bulk = torch.einsum("ij,kl->ijkl", one, one)
    pair = torch.einsum("ik,jl->ijkl", one, one)
    shear = pair + torch.einsum("il,jk->ijkl", one, one)
    x = elasticity.from_cartesian(torch.stack([bulk, shear]))
    assert x[:, 2:].abs().max() < 1e-14
    assert torch.linalg.matrix_rank(x[:, :2]) == 2
    back = elasticity.to_cartesian(x)
    torch.testing.assert_close(back, torch.stack([bulk, shear]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_keeps_the_dtype(dtype: torch.dtype) -> None:
    tensor = CartesianTensor("ij=ji")
    x = tensor.from_cartesian(torch.eye(3, dtype=dtype))
    assert x.dtype == tensor.to_cartesian(x).dtype == dtype
    assert tensor.change_of_basis().dtype == torch.float32


def test_derivatives() -> None:
    tensor = CartesianTensor("ijkl=jikl=klij")
    T = random(3, 3, 3, 3).requires_grad_()
    assert gradcheck(tensor.from_cartesian, (T,))
    assert gradcheck(tensor.to_cartesian, (random(2, 21).requires_grad_(),))


def test_compiles_whole() -> None:
    tensor = CartesianTensor("ij=ji")

    def there_and_back(T: Tensor) -> Tensor:
        return tensor.to_cartesian(tensor.from_cartesian(T))

    compiled = torch.compile(there_and_back, fullgraph=True, backend="eager")
    T = random(5, 3, 3)
    torch.testing.assert_close(compiled(T), there_and_back(T))


def test_a_formula_is_a_value() -> None:
    tensor = CartesianTensor("ij=ji")
    assert tensor == CartesianTensor("ij=ji", p=1) == pickle.loads(pickle.dumps(tensor))
    assert len({tensor, CartesianTensor("ij=ji"), CartesianTensor("ij")}) == 2
    assert repr(tensor) == "CartesianTensor('ij=ji', 1x0e+1x2e)"
    gyration = CartesianTensor("ij=ji", p=-1)
    assert repr(gyration) == "CartesianTensor('ij=ji', p=-1, 1x0o+1x2o)"
    before = tensor.change_of_basis()
    before.zero_()
    assert tensor.change_of_basis().any()


@pytest.mark.parametrize("formula", ["", "ij=", "ij=ik", "ii", "ij=ijk", "ij=+ji"])
def test_what_is_no_formula_is_named(formula: str) -> None:
    with pytest.raises(ValueError, match=r"formula.*got"):
        CartesianTensor(formula)


def test_other_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="up to 6 different letters"):
        CartesianTensor("abcdefg")
    with pytest.raises(TypeError, match="'ij=ji', got int"):
        CartesianTensor(2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no tensor but zero"):
        CartesianTensor("ij=ji=-ji")
    with pytest.raises(ValueError, match="1 or -1, or None, got 0"):
        CartesianTensor("ij", p=0)
    stress = CartesianTensor("ij=ji")
    with pytest.raises(ValueError, match=r"\(\.\.\., 3, 3\), got shape \(5, 6\)"):
        stress.from_cartesian(torch.randn(5, 6))
    with pytest.raises(ValueError, match=r"1x0e\+1x2e: expected 6 numbers"):
        stress.to_cartesian(torch.randn(5, 3, 3))
