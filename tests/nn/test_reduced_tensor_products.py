"""Products of features with the symmetry of a formula."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from pyg_equivariant.nn import ReducedTensorProducts
from pyg_equivariant.o3 import CartesianTensor, Irreps
from pyg_equivariant.testing import assert_equivariant

CASES = [
    ("i", {"i": "2x1o+1x0e"}),
    ("ij", {"i": "2x0e+1x1o", "j": "1x2e+1x0o"}),
    ("ij=ji", {"i": "2x1o+1x0e+1x1e"}),
    ("ij=-ji", {"j": "2x1o+2x0e"}),
    ("ijk=jik", {"i": "1x1o+1x0e", "k": "1x1e+1x2o"}),
    ("ijk=jik=ikj", {"i": "1x0e+2x1o"}),
    ("ijk=-jik=-ikj", {"k": "2x1o"}),
    ("ijkl=jikl=klij", {"i": "1e"}),
]


@pytest.mark.parametrize(("formula", "irreps"), CASES)
def test_equivariance(formula: str, irreps: dict[str, str]) -> None:
    module = ReducedTensorProducts(formula, **irreps).double()
    assert_equivariant(module, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("formula", "irreps"), CASES)
def test_all_that_has_the_symmetry_and_nothing_twice(
    formula: str, irreps: dict[str, str]
) -> None:
    """Lengths of symmetrized products are those of irreps."""
    module = ReducedTensorProducts(formula, **irreps).double()
    Q = module.change_of_basis.flatten(1)
    torch.testing.assert_close(Q @ Q.T, torch.eye(len(Q), dtype=torch.float64))
    first, *others = formula.split("=")
    shape = [irreps.dim for irreps in module.irreps_in]
    T = torch.randn(shape, dtype=torch.float64)
    for _ in range(200):
        for term in others:
            sign = -1 if term.startswith("-") else 1
            axes = [first.index(letter) for letter in term.removeprefix("-")]
            T = (T + sign * T.permute(axes)) / 2
    back = (Q.T @ (Q @ T.flatten())).view(shape)
    torch.testing.assert_close(back, T, rtol=0, atol=1e-10)


def test_trading_places() -> None:
    module = ReducedTensorProducts("ijk=-jik=-ikj", i="1o+0e+1e").double()
    xs = torch.randn(3, 7, dtype=torch.float64)
    expected = module(*xs)
    assert expected.abs().max() > 1e-3
    for order in permutations(range(3)):
        sign = torch.linalg.det(torch.eye(3)[list(order)])
        found = module(*(xs[i] for i in order))
        torch.testing.assert_close(found, sign * expected, check_dtype=False)


def test_indices_that_are_vectors_make_cartesian_tensors() -> None:
    module = ReducedTensorProducts("ijkl=jikl=klij", i="1o").double()
    tensor = CartesianTensor("ijkl=jikl=klij")
    assert module.irreps_out == tensor.irreps
    assert torch.equal(module.change_of_basis, tensor.change_of_basis(torch.float64))


def test_only_what_is_asked_for() -> None:
    whole = ReducedTensorProducts("ijk=jik", i="1o", k="1o+0e")
    some = ReducedTensorProducts("ijk=jik", filter_ir_out=["1o"], i="1o", k="1o+0e")
    assert some.irreps_out == whole.irreps_out.filter(keep="1o")
    xs = torch.randn(4, 3), torch.randn(4, 3), torch.randn(4, 4)
    blocks = zip(whole.irreps_out, whole.irreps_out.split(whole(*xs)), strict=True)
    (kept,) = [block for (_, ir), block in blocks if str(ir) == "1o"]
    torch.testing.assert_close(some(*xs), kept.flatten(1))
    through = ReducedTensorProducts(
        "ijk", filter_ir_mid=["0e", "1o"], i="1o", j="1o", k="1o"
    )
    assert through.irreps_out == Irreps("1o")  # (1 x 1 -> 0) x 1
    contradiction = ReducedTensorProducts("ijk=-jki", i="1o")  # its cube is -1
    assert not len(contradiction.irreps_out)
    nothing = ReducedTensorProducts("ij=-ji", i="0e")
    assert nothing(torch.ones(2, 1), torch.ones(2, 1)).shape == (2, 0)


def test_leading_dimensions_broadcast() -> None:
    module = ReducedTensorProducts("ij=ji", i="1x0e+1x1o")
    x, y = torch.randn(5, 1, 4), torch.randn(3, 4)
    assert module(x, y).shape == (5, 3, 10)
    torch.testing.assert_close(module(x, y)[2, 1], module(x[2, 0], y[1]))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"expected one choice .* for i=j, got none"):
        ReducedTensorProducts("ij=ji")
    with pytest.raises(ValueError, match=r"for i=j, got 1x.. and 1x"):
        ReducedTensorProducts("ij=ji", i="1o", j="0e")
    with pytest.raises(ValueError, match=r"\['k'\], expected letters of 'ij'"):
        ReducedTensorProducts("ij=ji", i="1o", k="0e")
    with pytest.raises(ValueError, match="has 2 indices: expected a tensor for each"):
        ReducedTensorProducts("ij=ji", i="1o")(torch.ones(3))


def test_compiles() -> None:
    module = ReducedTensorProducts("ij=ji", i="1x0e+1x1o")
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    x = torch.randn(5, 4)
    torch.testing.assert_close(compiled(x, x), module(x, x))
