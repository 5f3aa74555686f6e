"""MACE's symmetric contraction: the authors' numbers, and back to their weights."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop import (
    symmetric_contraction_from_mace,
    symmetric_contraction_to_mace,
)
from pyg_equivariant.interop._mace_couplings import authors_tensor
from pyg_equivariant.interop._signs import sign_before_e3nn_05
from pyg_equivariant.nn import SymmetricContraction
from pyg_equivariant.o3 import Irreps

Check = Callable[[Tensor, Tensor], None]
SMALL = "3x0e+3x1o+3x2e", "3x0e+3x1o"


def authors(
    state_dict: dict[str, Tensor], irreps: tuple[str, str], x: Tensor, species: Tensor
) -> Tensor:
    """The authors' sum, with all of their columns; ``x`` is (node, component, c)."""
    irreps_in, irreps_out = map(Irreps, irreps)
    top = sum(".0.weights." in name for name in state_dict) + 1
    blocks = []
    for o, (_, ir) in enumerate(irreps_out):
        total = x.new_zeros(len(x), ir.dim, x.shape[2])
        for n in range(1, top + 1):
            which = "_max" if n == top else f".{top - 1 - n}"
            weight = state_dict[f"contractions.{o}.weights{which}"][species]
            tensor = authors_tensor(irreps_in, ir, n)
            if not tensor.shape[-1]:
                continue
            part = torch.einsum("m...k,ikc->icm...", tensor, weight)
            for _ in range(n):
                part = torch.einsum("ic...q,iqc->ic...", part, x)
            total = total + part.mT
        blocks.append(total.flatten(1))
    return torch.cat(blocks, dim=1)


def random_weights(irreps: tuple[str, str], correlation: int) -> dict[str, Tensor]:
    irreps_in, irreps_out = map(Irreps, irreps)
    out = {}
    for o, (mul, ir) in enumerate(irreps_out):
        for n in range(1, correlation + 1):
            which = "_max" if n == correlation else f".{correlation - 1 - n}"
            columns = max(authors_tensor(irreps_in, ir, n).shape[-1], 1)
            weight = torch.randn(2, columns, mul, dtype=torch.float64)
            out[f"contractions.{o}.weights{which}"] = weight
    return out


@pytest.mark.parametrize("name", ["nu2", "nu3", "nu3_l3"])
def test_golden_file(name: str, reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference(f"mace_symmetric_contraction_{name}")
    irreps = Irreps(data["meta"]["irreps_in"]), Irreps(data["meta"]["irreps_out"])
    module = symmetric_contraction_from_mace(state_dict, *irreps)
    x = data["input/x"].requires_grad_()
    out = module(x.mT.flatten(1), data["input/element"])
    assert_equal(irreps[1].to_mul_ir(out), data["output/out"])
    total = (irreps[1].to_mul_ir(out) * data["input/cotangent"]).sum()
    (first,) = torch.autograd.grad(total, x, create_graph=True)
    assert_equal(first, data["grad/x"])
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert_equal(second, data["grad/second_x"])


@pytest.mark.parametrize("name", ["nu2", "nu3", "nu3_l3"])
def test_golden_couplings(name: str, reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference(f"mace_symmetric_contraction_{name}")
    irreps = Irreps(data["meta"]["irreps_in"]), Irreps(data["meta"]["irreps_out"])
    for (o, n, _), (_, ir) in (
        (shape, irreps[1][shape[0]]) for shape in data["meta"]["U_shapes"]
    ):
        expected = data[f"output/U_{o}_{n}"]
        found = authors_tensor(irreps[0], ir, n)
        assert_equal(found.reshape(expected.shape), expected)
        state_dict[f"contractions.{o}.U_matrix_{n}"] = expected
    symmetric_contraction_from_mace(state_dict, *irreps)


@pytest.mark.parametrize("correlation", [1, 2, 3, 4])
def test_any_couplings_are_read(correlation: int, assert_equal: Check) -> None:
    """Such as the reduced ones (``use_reduced_cg``): sums of the authors' own."""
    names = ("2x0e+2x1o", "2x0e+2x1o") if correlation == 4 else SMALL
    irreps_in, irreps_out = map(Irreps, names)
    state_dict, usual = {}, random_weights(names, correlation)
    for name, weight in random_weights(names, correlation).items():
        _, o, kind = name.split(".", 2)
        n = correlation - (0 if kind == "weights_max" else 1 + int(kind[8:]))
        U = authors_tensor(irreps_in, irreps_out[int(o)].ir, n)
        mix = torch.randn(U.shape[-1], U.shape[-1] + 2, dtype=torch.float64)
        stored = (U @ mix).squeeze(0)  # as it is for scalars
        state_dict[f"contractions.{o}.U_matrix_{n}"] = stored
        reduced = torch.randn(2, mix.shape[1], weight.shape[2], dtype=torch.float64)
        state_dict[name], usual[name] = reduced, mix @ reduced
    found = symmetric_contraction_from_mace(state_dict, *names)
    x = torch.randn(3, irreps_in.dim // irreps_in[0].mul, irreps_in[0].mul).double()
    species = torch.tensor([0, 1, 1])
    assert_equal(found(x.flatten(1), species), authors(usual, names, x, species))


def test_couplings_of_another_version_are_refused() -> None:
    irreps = "2x0e+2x1o+2x2e", "2x1o"
    state_dict = random_weights(irreps, 3)
    ir, name = Irreps("1o")[0].ir, "contractions.0.U_matrix_3"
    wrong = {
        "other signs": authors_tensor(Irreps(irreps[0]), ir, 3, old=False),
        "no polynomials": torch.randn(3, 9, 9, 9, 21).double(),
        "other sizes": torch.ones(5).double(),
    }
    for tensor in wrong.values():
        with pytest.raises(ValueError, match=r"0\.U_matrix_3 .*another version"):
            symmetric_contraction_from_mace(state_dict | {name: tensor}, *irreps)


@pytest.mark.parametrize(
    ("correlation", "out"), [(1, "3x0e+3x1o"), (2, "3x2e+3x0e"), (3, "3x1e+3x0o+3x1o")]
)
def test_is_the_authors_sum(correlation: int, out: str, assert_equal: Check) -> None:
    irreps = "3x0e+3x1o+3x2e+3x1e", out
    state_dict = random_weights(irreps, correlation)
    module = symmetric_contraction_from_mace(state_dict, *irreps)
    assert module.correlation == correlation
    x = torch.randn(5, 12, 3, dtype=torch.float64)
    species = torch.tensor([0, 1, 1, 0, 1])
    found = module(x.flatten(1), species)
    assert_equal(found, authors(state_dict, irreps, x, species))


def test_degree_four_passes_through_natural_parities(assert_equal: Check) -> None:
    irreps = "2x0e+2x1o", "2x0e+2x1o"
    state_dict = random_weights(irreps, 4)
    module = symmetric_contraction_from_mace(state_dict, *irreps)
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    species = torch.tensor([0, 1, 1])
    found = module(x.flatten(1), species)
    assert_equal(found, authors(state_dict, irreps, x, species))


def test_there_and_back(assert_equal: Check) -> None:
    module = SymmetricContraction(*SMALL, 3, num_species=2).double()
    back = symmetric_contraction_from_mace(
        symmetric_contraction_to_mace(module), *SMALL
    )
    assert_equal(back.weight, module.weight)


def test_couplings_of_other_kinds_are_refused() -> None:
    state_dict = random_weights(SMALL, 2)
    reduced = {k: v[:, :2] for k, v in state_dict.items()}
    with pytest.raises(ValueError, match="use_reduced_cg"):
        symmetric_contraction_from_mace(reduced, *SMALL)
    with pytest.raises(ValueError, match="without a place: density"):
        symmetric_contraction_from_mace(state_dict | {"density": torch.ones(1)}, *SMALL)
    state_dict.pop("contractions.1.weights.0")
    with pytest.raises(ValueError, match=r"missing: contractions\.1\.weights\.0"):
        symmetric_contraction_from_mace(state_dict, *SMALL)


def test_which_signs_changed() -> None:
    triples = [
        t
        for t in combinations_with_replacement(range(12), 3)
        if t[2] <= t[0] + t[1] and sign_before_e3nn_05(*t) == -1
    ]
    assert len(triples) == 44
    assert [t for t in triples if t[2] < 4] == [(1, 2, 2), (1, 3, 3)]
    assert sign_before_e3nn_05(2, 1, 2) == sign_before_e3nn_05(2, 2, 1) == -1
    with pytest.raises(ValueError, match="degree 11"):
        sign_before_e3nn_05(1, 12, 12)
