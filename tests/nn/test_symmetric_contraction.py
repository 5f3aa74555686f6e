"""Symmetric contractions: equivariant polynomials of the channels of nodes."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import SymmetricContraction
from pyg_equivariant.o3 import Irreps, symmetric_couplings
from pyg_equivariant.testing import assert_equivariant

CASES = [
    ("3x0e+3x1o", "3x0e+3x1o", 1),
    ("3x0e+3x1o+3x2e", "3x2e+3x0e+3x1o", 2),
    ("2x0e+2x1o+2x2e+2x3o", "2x0e+2x1o", 3),
    ("2x0o+2x0e+2x1o+2x1e", "2x0o+2x1e+2x2o", 3),
    ("2x1o+2x2e", "2x0e+2x1o", 4),
]


def by_couplings(module: SymmetricContraction, x: Tensor, species: Tensor) -> Tensor:
    """The formula of the paper, coupling after coupling."""
    irreps, outputs = module.irreps_in, []
    blocks = [
        part.unflatten(1, (ir.dim, -1)) for (_, ir), part in irreps_parts(x, irreps)
    ]
    number = 0
    for _, ir in module.irreps_out:
        total = x.new_zeros(len(x), ir.dim, module.num_channels)
        for n in range(1, module.correlation + 1):
            for coupling in symmetric_couplings(irreps, ir, n):
                tensor = torch.from_numpy(np.array(coupling.tensor)).to(x)
                letters = "abde"[:n]
                factors = ",".join(f"i{q}c" for q in letters)
                given = [blocks[b] for b in coupling.blocks]
                value = torch.einsum(f"{letters}m,{factors}->imc", tensor, *given)
                weight = module.weight[species, number].unsqueeze(1)
                total = total + coupling.num_orders * weight * value
                number += 1
        outputs.append(total.flatten(1))
    assert number == module.weight.shape[1]
    return torch.cat(outputs, dim=1)


def irreps_parts(x: Tensor, irreps: Irreps):
    return zip(irreps, (x[:, part] for part in irreps.slices()), strict=True)


def build(*arguments) -> SymmetricContraction:
    return SymmetricContraction(*arguments, num_species=3).double()


@pytest.mark.parametrize("case", CASES)
def test_is_the_formula_of_the_paper(case) -> None:
    module = build(*case)
    x = module.irreps_in.randn(6, -1, dtype=torch.float64)
    species = torch.tensor([0, 2, 1, 0, 0, 2])
    found, expected = module(x, species), by_couplings(module, x, species)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_equivariance(case, generator: torch.Generator) -> None:
    module = build(*case)
    species = torch.tensor([0, 2, 1, 0])
    x = module.irreps_in.randn(4, -1, dtype=torch.float64, generator=generator)
    assert_equivariant(
        lambda x: module(x, species),
        [module.irreps_in],
        module.irreps_out,
        [x],
        generator=generator,
    )


@pytest.mark.parametrize("case", CASES[:4])
def test_derivatives(case, check_derivatives: Callable[..., None]) -> None:
    module = build(*case)
    species = torch.tensor([0, 2])

    class OfFeatures(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, x: Tensor) -> Tensor:
            return self.module(x, species)

    x = module.irreps_in.randn(2, -1, dtype=torch.float64)
    x[1] = 0
    check_derivatives(OfFeatures(), x)


def test_a_power_of_a_scalar() -> None:
    module = SymmetricContraction("1x0e", "1x0e", 3, num_species=2)
    with torch.no_grad():
        module.weight.copy_(
            torch.tensor([[1.0, 10.0, 100.0], [1.0, 0.0, 2.0]])[..., None]
        )
    out = module(torch.tensor([[2.0], [3.0]]), torch.tensor([0, 1]))
    torch.testing.assert_close(out, torch.tensor([[842.0], [57.0]]))


def test_nodes_do_not_meet_and_none_is_none() -> None:
    module = build("3x0e+3x1o", "3x0e+3x1o", 3)
    x = module.irreps_in.randn(5, -1, dtype=torch.float64)
    species = torch.tensor([0, 1, 2, 2, 0])
    whole = module(x, species)
    for i in range(5):
        torch.testing.assert_close(
            module(x[i : i + 1], species[i : i + 1])[0], whole[i]
        )
    assert module(x[:0], species[:0]).shape == (0, 12)
    assert not module(torch.zeros_like(x), species).any()


def test_weights_of_a_species_that_does_not_occur_stay() -> None:
    module = build("3x0e+3x1o", "3x0e", 2)
    x = module.irreps_in.randn(4, -1, dtype=torch.float64)
    module(x, torch.tensor([0, 2, 2, 0])).sum().backward()
    touched = module.weight.grad.flatten(1).any(1)
    assert touched.tolist() == [True, False, True]


def test_weights_of_a_degree_share_one_size() -> None:
    module = SymmetricContraction("64x0e+64x1o+64x2e", "64x0e+64x1o", 3, 1)
    counts = [len(path.couplings) for path in module.paths]
    assert counts == [1, 3, 5, 1, 2, 5]
    for part, count in zip(module.weight.split(counts, dim=1), counts, strict=True):
        assert abs(part.std() * count - 1) < 0.3


def test_constants_survive_a_narrower_dtype() -> None:
    module = build("2x0e+2x1o+2x2e", "2x0e", 3)
    before = module.coefficients.clone()
    assert torch.equal(module.half().double().coefficients, before)


def test_compiles_and_is_the_same_without_a_kernel(monkeypatch) -> None:
    from pyg_equivariant.kernels.symmetric_contraction import operator

    module = build("2x0e+2x1o", "2x0e+2x1o", 3)
    x = module.irreps_in.randn(5, -1, dtype=torch.float64)
    species = torch.tensor([0, 1, 2, 2, 0])
    expected = module(x, species)
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, species), expected, rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(operator, "kernel_for", lambda *tensors: "plain")
    torch.testing.assert_close(module(x, species), expected, rtol=1e-12, atol=1e-12)


def test_shapes_are_known_without_numbers() -> None:
    module = build("2x0e+2x1o", "2x0e+2x1o", 3).to("meta")
    x = torch.empty(3, 8, dtype=torch.float64, device="meta")
    species = torch.zeros(3, dtype=torch.long, device="meta")
    assert module(x, species).shape == (3, 8)
    empty = build("2x0e+2x1o", "2x0e+2x1o", 3)
    whole = module.to_empty(device="cpu")
    assert torch.equal(whole.coefficients, empty.coefficients)
    assert torch.equal(whole.monomials, empty.monomials)


def test_full_precision_under_autocast() -> None:
    module = SymmetricContraction("2x0e+2x1o", "2x0e+2x1o", 3, num_species=1)
    x, species = torch.randn(3, 8), torch.zeros(3, dtype=torch.long)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = module(x, species)
    torch.testing.assert_close(found, module(x, species), rtol=0, atol=0)


def test_under_vmap_and_forward_mode() -> None:
    module = build("2x0e+2x1o", "2x0e+2x1o", 3)
    x = module.irreps_in.randn(3, 4, -1, dtype=torch.float64)
    species = torch.tensor([0, 1, 2, 2])
    found = torch.func.vmap(lambda x: module(x, species))(x)
    expected = torch.stack([module(part, species) for part in x])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    _, slope = torch.func.jvp(lambda x: module(x, species), (x[0],), (x[1],))
    _, other = torch.autograd.functional.jvp(lambda x: module(x, species), x[0], x[1])
    torch.testing.assert_close(slope, other, rtol=1e-12, atol=1e-12)


def test_outputs_out_of_reach_are_zero_and_named() -> None:
    with pytest.warns(UserWarning, match="no path leads to 2x1e") as log:
        module = SymmetricContraction("2x0e+2x1o", "2x0e+2x1e", 3, num_species=1)
    assert log[0].filename == __file__
    out = module(torch.randn(3, 8), torch.zeros(3, dtype=torch.long))
    assert out[:, :2].all()
    assert not out[:, 2:].any()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nothing = SymmetricContraction("2x1o", "2x0o", 2, num_species=1)
    assert not nothing(torch.randn(3, 6), torch.zeros(3, dtype=torch.long)).any()


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("2x0e+3x1o", "2x0e", 2, 1), ValueError, "equal multiplicities"),
        (("2x0e", "3x0e", 2, 1), ValueError, "equal multiplicities"),
        (("", "2x0e", 2, 1), ValueError, "equal multiplicities"),
        (("2x0e", "2x0e", 5, 1), ValueError, "correlation is from 1 to 4, got 5"),
        (("2x0e", "2x0e", 0, 1), ValueError, "correlation is from 1 to 4, got 0"),
        (("2x0e", "2x0e", 2.0, 1), TypeError, "correlation"),
        (("2x0e", "2x0e", 2, 0), ValueError, "num_species is 1 or more, got 0"),
    ],
)
def test_what_cannot_be_built(arguments, error, match: str) -> None:
    with pytest.raises(error, match=match):
        SymmetricContraction(*arguments)


def test_unknown_species_and_other_features_are_named() -> None:
    module = SymmetricContraction("2x0e+2x1o", "2x0e", 2, num_species=2)
    x = torch.randn(3, 8)
    with pytest.raises(IndexError, match="species from 0 to 1, got them from 0 to 2"):
        module(x, torch.tensor([0, 2, 1]))
    with pytest.raises(IndexError, match="from -1 to 1"):
        module(x, torch.tensor([0, -1, 1]))
    with pytest.raises(TypeError, match="species as integers"):
        module(x, torch.tensor([0.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match="expected 8 numbers"):
        module(x[:, 1:], torch.tensor([0, 1, 1]))
    with pytest.raises(TypeError, match="float64"):
        module(x.double(), torch.tensor([0, 1, 1]))


def test_says_what_it_is() -> None:
    module = SymmetricContraction("2x0e+2x1o", "2x0e", 2, num_species=2)
    text = "SymmetricContraction(2x0e+2x1o -> 2x0e, correlation=2, num_species=2)"
    assert str(module) == text
