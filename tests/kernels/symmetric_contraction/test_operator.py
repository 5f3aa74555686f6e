"""The compiled contraction equals its specification, with all derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.kernels import SymmetricContractionKernel
from pyg_equivariant.kernels.c.compiler import compiler
from pyg_equivariant.kernels.symmetric_contraction import cpu, operator, reference
from pyg_equivariant.kernels.symmetric_contraction.form import ContractionForm

needs_compiler = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
OPS = torch.ops.pyg_equivariant
SPECIES = 3


def tensors(
    form: ContractionForm,
    nodes: int,
    channels: int,
    dtype: torch.dtype = torch.float64,
) -> list[Tensor]:
    """``x``, ``table``, ``species``, ``grad``, ``along_x``, ``along_table``."""
    rows = len(form.monomials)
    x, along = torch.randn(2, nodes, form.dim_in * channels, dtype=dtype)
    table, along_table = torch.randn(2, SPECIES, rows, channels, dtype=dtype)
    grad = torch.randn(nodes, form.dim_out * channels, dtype=dtype)
    return [x, table, torch.randint(SPECIES, (nodes,)), grad, along, along_table]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("nodes", "channels"), [(0, 3), (1, 1), (5, 7), (600, 2), (9, 33), (3, 64)]
)
def test_the_operators_are_their_references(
    nodes: int, channels: int, dtype: torch.dtype
) -> None:
    form = ContractionForm("0e+1o+2e", "0e+1o", 3)
    given = tensors(form, nodes, channels, dtype)
    x, table, species, grad, *along = given
    found = (
        OPS.symmetric_contraction(x, table, species, form.text),
        *OPS.symmetric_contraction_gradient(x, table, species, grad, form.text),
        *OPS.symmetric_contraction_second(*given, form.text),
    )
    x, table, grad, *along = (t.double() for t in (x, table, grad, *along))
    expected = (
        reference.of_form(x, table, species, form),
        *reference.gradient(x, table, species, grad, form),
        *reference.second(x, table, species, grad, *along, form),
    )
    tolerance = 1e-11 if dtype == torch.float64 else 1e-3
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_no_digit(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    form = ContractionForm("0e+1o", "0e+1o", 3)
    given = tensors(form, 600, 5, torch.float32)
    expected = cpu.second(*given, form)
    monkeypatch.setattr(cpu, "num_threads", lambda: threads)
    found = cpu.second(*given, form)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_derivatives_of_the_operators() -> None:
    form = ContractionForm("0e+1o", "0e+1o", 3)
    x, table, species, grad, *_ = tensors(form, 3, 1)
    given = [t.requires_grad_() for t in (x, table, grad)]

    def run(x: Tensor, table: Tensor) -> Tensor:
        return OPS.symmetric_contraction(x, table, species, form.text)

    def differentiate(x: Tensor, table: Tensor, grad: Tensor) -> Tensor:
        inputs = x, table, species, grad, form.text
        return OPS.symmetric_contraction_gradient(*inputs)

    assert gradcheck(run, given[:2])
    assert gradgradcheck(run, given[:2])
    assert gradgradcheck(differentiate, given)


@pytest.mark.skipif(
    torch.__version__ < "2.9", reason="torch 2.8 ends in an assertion of its own"
)
def test_operators_pass_the_checks_of_torch() -> None:
    form = ContractionForm("0e+1o", "0e+1o", 2)
    given = tensors(form, 3, 2)
    for t in (given[0], given[1], *given[3:]):
        t.requires_grad_()
    for name, count in (("", 3), ("_gradient", 4), ("_second", 6)):
        op = getattr(OPS, f"symmetric_contraction{name}").default
        torch.library.opcheck(op, (*given[:count], form.text))


@needs_compiler
@pytest.mark.parametrize("products", [1, 2000, 1 << 24])
def test_nodes_part_by_part(products: int, monkeypatch: pytest.MonkeyPatch) -> None:
    form = ContractionForm("0e+1o", "0e+1o", 3)
    given = tensors(form, 9, 2)
    expected = *cpu.gradient(*given[:4], form), *cpu.second(*given, form)
    monkeypatch.setattr(reference, "_PRODUCTS", products)
    monkeypatch.setattr(operator, "kernel_for", lambda *tensors: "plain")
    found = (
        *OPS.symmetric_contraction_gradient(*given[:4], form.text),
        *OPS.symmetric_contraction_second(*given, form.text),
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("backend", ["c", "plain"])
def test_both_ways_give_the_same(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = SymmetricContractionKernel("0e+1o+2e", "0e+1o", 3)
    constants = compute.constants
    x = torch.randn(4, 9 * 3, dtype=torch.float64)
    weight = torch.randn(2, compute.form.num_paths, 3, dtype=torch.float64)
    species = torch.tensor([1, 0, 0, 1], dtype=torch.int32)
    expected = compute(x, weight, species, constants)
    monkeypatch.setattr(operator, "kernel_for", lambda *tensors: backend)
    found = compute(x, weight, species, constants)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    constants = [constants[0].bfloat16(), *constants[1:]]
    narrow = compute(x.bfloat16(), weight.bfloat16(), species, constants)
    assert narrow.dtype == torch.bfloat16


def test_species_without_weights_are_refused() -> None:
    compute = SymmetricContractionKernel("0e+1o", "0e", 2)
    x, weight = torch.randn(2, 8), torch.randn(2, compute.form.num_paths, 2)
    constants = [compute.constants[0].float(), *compute.constants[1:]]
    with pytest.raises(IndexError, match="from 0 to 1, got them from 0 to 2"):
        compute(x, weight, torch.tensor([0, 2]), constants)
    with pytest.raises(ValueError, match=r"expected weight \(S, 3, C\)"):
        compute(x, weight[:, 1:], torch.tensor([0, 1]), constants)
    with pytest.raises(ValueError, match="one of species for each of 2"):
        compute(x, weight, torch.tensor([0, 1, 1]), constants)


def test_operators_check_what_c_trusts() -> None:
    form = ContractionForm("0e+1o", "0e", 2)
    x, table, species, grad, *_ = tensors(form, 4, 2)
    call = OPS.symmetric_contraction
    with pytest.raises(ValueError, match="expected x"):
        call(x[:, 1:], table, species, form.text)
    with pytest.raises(ValueError, match="table"):
        call(x, table[:, 1:], species, form.text)
    with pytest.raises(IndexError, match="species"):
        call(x, table, species + SPECIES, form.text)
    with pytest.raises(ValueError, match="expected grad"):
        OPS.symmetric_contraction_gradient(x, table, species, grad[:3], form.text)
