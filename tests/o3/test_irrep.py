"""One irrep, alone and with a multiplicity."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from pyg_equivariant.o3 import Irrep, Irreps, MulIrrep

ALL = [Irrep(l, p) for l in range(5) for p in (-1, 1)]


@pytest.mark.parametrize("ir", ALL)
def test_printing_and_parsing_are_inverse(ir: Irrep) -> None:
    assert Irrep(str(ir)) == Irrep(repr(ir)) == Irrep(ir) == Irrep(ir.l, ir.p) == ir
    assert Irrep((ir.l, ir.p)) == ir
    assert tuple(ir) == (ir.l, ir.p)
    assert Irrep(f"  {ir.l} {'e' if ir.p == 1 else 'o'}\n") == ir
    assert ir.dim == 2 * ir.l + 1
    assert ir.is_scalar() == (str(ir) == "0e")


@pytest.mark.parametrize("ir", ALL)
def test_equal_irreps_hash_alike_and_copies_are_equal(ir: Irrep) -> None:
    for other in (Irrep(str(ir)), copy.deepcopy(ir), pickle.loads(pickle.dumps(ir))):
        assert other == ir
        assert hash(other) == hash(ir)
    assert len({*ALL, ir}) == len(ALL)


def test_irreps_compare_by_degree_then_parity() -> None:
    backwards = ALL[::-1]
    assert sorted(backwards) == ALL
    assert [str(ir) for ir in ALL[:4]] == ["0o", "0e", "1o", "1e"]


@pytest.mark.parametrize("a", ALL)
@pytest.mark.parametrize("b", ALL)
def test_the_product_has_the_right_dimension_and_parity(a: Irrep, b: Irrep) -> None:
    assert sum(ir.dim for ir in a * b) == a.dim * b.dim
    assert {ir.p for ir in a * b} == {a.p * b.p}
    assert a * b == b * a


def test_sums_and_multiples_are_irreps() -> None:
    assert 3 * Irrep("1o") == Irreps("3x1o")
    assert Irrep("1o") + Irrep("0e") == Irreps("1o+0e")
    assert Irrep("1o") + "2x0e" == Irreps("1o+2x0e")


def test_irreps_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Irrep("1o").l = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        MulIrrep(2, "1o").mul = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("1x",), "'1x'"),
        (("",), "''"),
        (("-1o",), "'-1o'"),
        (("1O",), "'1O'"),
        (("2x1o",), "'2x1o'"),
        ((1,), "1 is no irrep"),
        ((None,), "None"),
        ((-1, 1), "got -1"),
        ((1.0, 1), "got 1.0"),
        ((True, 1), "got True"),
        ((1, 0), "got 0"),
        ((1, 2), "got 2"),
    ],
)
def test_what_is_no_irrep_is_named(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Irrep(*arguments)


def test_a_block_unpacks_and_knows_its_size() -> None:
    block = MulIrrep(8, "1o")
    mul, ir = block
    assert (mul, ir) == (8, Irrep("1o")) == block
    assert block.dim == 24
    assert repr(block) == "8x1o"
    assert pickle.loads(pickle.dumps(block)) == copy.deepcopy(block) == block
    assert isinstance(copy.deepcopy(block), MulIrrep)


@pytest.mark.parametrize("mul", [-1, 1.5, True, "2"])
def test_a_multiplicity_is_a_natural_number(mul: Any) -> None:
    with pytest.raises(ValueError, match=f"multiplicity.*got {mul!r}"):
        MulIrrep(mul, "1o")
