"""Linear maps by species, one product for all rows of one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.kernels import (
    SpeciesBlock,
    SpeciesForm,
    species_product,
)
from pyg_equivariant.kernels.species import operator
from pyg_equivariant.kernels.species.operator import check_species_index
from pyg_equivariant.kernels.species.reference import species_product as reference

FORM = SpeciesForm(
    *(8, 4, 4), (SpeciesBlock(0, 0, 0, 1, 2, 1), SpeciesBlock(2, 1, 2, 3, 2, 1))
)
SPECIES = torch.tensor([2, 0, 0, 2, 3])


def inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    x, weight = torch.randn(5, 8, dtype=dtype), torch.randn(4, 4, dtype=dtype)
    return x.requires_grad_(), weight.requires_grad_()


def product(x: Tensor, weight: Tensor) -> Tensor:
    return species_product(x, weight, SPECIES, FORM)


def test_derivatives_to_the_second_order() -> None:
    assert gradcheck(product, inputs())
    assert gradgradcheck(product, inputs())


def test_species_without_nodes_get_no_gradient() -> None:
    x, weight = inputs()
    product(x, weight).square().sum().backward()
    assert weight.grad is not None
    assert not weight.grad[1].any()
    assert weight.grad[[0, 2, 3]].all()


def test_no_node_has_a_matrix_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def gathered(*_: object) -> Tensor:
        raise AssertionError("weights were gathered for every node")

    monkeypatch.setattr(operator.reference, "species_product", gathered)
    x, weight = inputs()
    (first,) = torch.autograd.grad(product(x, weight).sin().sum(), x, create_graph=True)
    first.square().sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_plain_version(dtype: torch.dtype) -> None:
    x, weight = inputs(dtype)
    assert torch.equal(product(x, weight), reference(x, weight, SPECIES, FORM))


def test_torch_func_sees_through() -> None:
    x, weight = inputs()

    def total(x: Tensor) -> Tensor:
        return product(x, weight).sin().sum()

    found = torch.func.hessian(total)(x)
    expected = torch.autograd.functional.hessian(total, x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_compiles_whole() -> None:
    compiled = torch.compile(product, fullgraph=True, dynamic=True, backend="aot_eager")
    x, weight = inputs()
    results = []
    for function in (compiled, product):
        out = function(x, weight)
        results.append((out, *torch.autograd.grad(out.sin().sum(), (x, weight))))
    torch.testing.assert_close(results[0], results[1], rtol=1e-14, atol=1e-14)


def test_is_refused_where_indices_would_leave_the_table() -> None:
    x, weight = inputs()
    with pytest.raises(IndexError, match="from 0 to 2, got them from 0 to 3"):
        product(x, weight[:3])
    with pytest.raises(ValueError, match="one of species for each of 4 rows"):
        check_species_index(SPECIES, 4, 4)
    with pytest.raises(TypeError, match=r"got torch\.int16"):
        check_species_index(SPECIES.short(), 5, 4)
    operate = torch.ops.pyg_equivariant.species_product
    with pytest.raises(IndexError, match="from 0 to 2, got them"):
        operate(x, weight[:3], None, SPECIES, 3, FORM.text, "y")
    with pytest.raises(TypeError, match=r"weight of torch\.float64, as what it meets"):
        product(x, weight.float())
