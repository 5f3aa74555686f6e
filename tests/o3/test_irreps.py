"""Direct sums of irreps."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from dataclasses import FrozenInstanceError
from itertools import pairwise
from random import Random
from typing import Any

import pytest
import torch

from pyg_equivariant.o3 import Irrep, Irreps, MulIrrep, rotate


def random_irreps(seed: int) -> Irreps:
    """Up to six blocks, in any order, some of them equal, some empty."""
    random = Random(seed)
    return Irreps(
        [
            (
                random.choice([0, 1, 1, 2, 3]),
                (random.randrange(4), random.choice([1, -1])),
            )
            for _ in range(random.randrange(7))
        ]
    )


MANY = [random_irreps(seed) for seed in range(40)]


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("16x0e + 8x1o+ 4 x 2e", "16x0e+8x1o+4x2e"),
        ("0e+1o", "1x0e+1x1o"),
        ("  ", ""),
        ("", ""),
        ([], ""),
        ("0x3o", "0x3o"),
        ([(16, "0e"), (8, (1, -1)), "2e", Irrep("3o"), MulIrrep(2, "0o")],
         "16x0e+8x1o+1x2e+1x3o+2x0o"),
        (Irrep("1o"), "1x1o"),
        (MulIrrep(4, "1o"), "4x1o"),
        (Irreps("2x1o"), "2x1o"),
        ("10x12e", "10x12e"),
    ],
)  # fmt: skip
def test_every_way_to_write_irreps(given: Any, printed: str) -> None:
    assert repr(Irreps(given)) == str(Irreps(given)) == printed


@pytest.mark.parametrize(
    ("given", "token"),
    [
        ("16x0e+8x1", "'8x1'"),
        ("16x0e++8x1o", "''"),
        ("16x0e,8x1o", "'16x0e,8x1o'"),
        ("-2x0e", "'-2x0e'"),
        ("1.5x0e", "'1.5x0e'"),
        ("2*0e", r"'2\*0e'"),
        ("0e + 2x1p", "'2x1p'"),
        (["0e", "nonsense"], "'nonsense'"),
        ([(2, "1q")], "'1q'"),
        ([(-2, "1o")], "got -2"),
        ([3], "3 is no block"),
        (5, "5 is no irreps"),
        (None, "None is no irreps"),
    ],
)
def test_the_bad_token_is_named(given: Any, token: str) -> None:
    with pytest.raises(ValueError, match=token):
        Irreps(given)


@pytest.mark.parametrize("irreps", MANY, ids=str)
def test_sizes_follow_from_the_blocks(irreps: Irreps) -> None:
    assert irreps.dim == sum(mul * (2 * ir.l + 1) for mul, ir in irreps)
    assert irreps.num_irreps == len(irreps.ls) == sum(mul for mul, _ in irreps)
    covered = [i for s in irreps.slices() for i in range(s.start, s.stop)]
    assert covered == list(range(irreps.dim))
    assert len(irreps.slices()) == len(irreps)
    if irreps.ls:
        assert irreps.lmax == max(irreps.ls)
    else:
        with pytest.raises(ValueError, match="no lmax"):
            _ = irreps.lmax


@pytest.mark.parametrize("irreps", MANY, ids=str)
def test_equal_irreps_hash_alike_and_copies_are_equal(irreps: Irreps) -> None:
    others = [
        Irreps(str(irreps)),
        Irreps(irreps),
        Irreps(list(irreps)),
        copy.deepcopy(irreps),
        pickle.loads(pickle.dumps(irreps)),
    ]
    for other in others:
        assert other == irreps
        assert hash(other) == hash(irreps)
    assert irreps + "1x9o" != irreps


def test_irreps_cannot_be_changed() -> None:
    irreps = Irreps("2x0e+1o")
    with pytest.raises(FrozenInstanceError):
        irreps.blocks = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        irreps[0] = MulIrrep(1, "0e")  # type: ignore[index]
    before = str(irreps)
    irreps += "1x2e"
    assert before == "2x0e+1x1o"
    assert irreps == Irreps("2x0e+1o+2e")


@pytest.mark.parametrize("irreps", MANY, ids=str)
def test_sorting_is_a_stable_permutation(irreps: Irreps) -> None:
    ordered, p, inv = irreps.sort()
    assert [ordered[k] for k in p] == list(irreps)
    assert [irreps[i] for i in inv] == list(ordered)
    assert [ir for _, ir in ordered] == sorted(ir for _, ir in irreps)
    for a, b in pairwise(inv):
        assert irreps[a].ir < irreps[b].ir or a < b


@pytest.mark.parametrize("irreps", MANY, ids=str)
def test_merging_keeps_every_copy(irreps: Irreps) -> None:
    copies = Counter({ir: irreps.count(ir) for _, ir in irreps})
    for merged in (irreps.simplify(), irreps.regroup()):
        assert {ir: merged.count(ir) for ir in copies} == copies
        assert merged.dim == irreps.dim
        assert all(mul > 0 for mul, _ in merged)
    simple = irreps.simplify()
    assert all(a.ir != b.ir for a, b in pairwise(simple))
    assert simple.simplify() == simple
    assert [ir for _, ir in irreps.regroup()] == sorted(
        ir for ir in copies if copies[ir]
    )
    kept = irreps.remove_zero_multiplicities()
    assert list(kept) == [block for block in irreps if block.mul]


@pytest.mark.parametrize("irreps", MANY, ids=str)
def test_keeping_and_dropping_are_complements(irreps: Irreps) -> None:
    for chosen in ("0e + 1o", [Irrep("1o")], lambda block: block.mul > 1):
        kept, dropped = irreps.filter(keep=chosen), irreps.filter(drop=chosen)
        assert sorted([*kept, *dropped]) == sorted(irreps)
    assert irreps.filter(drop="0o").count("0o") == 0
    assert irreps.filter(keep="2e").dim == 5 * irreps.count("2e")


def test_filter_takes_one_condition() -> None:
    for arguments in ({}, {"keep": "0e", "drop": "1o"}):
        with pytest.raises(ValueError, match="one of keep= and drop="):
            Irreps("0e").filter(**arguments)


def test_sums_products_slices_and_membership() -> None:
    irreps = Irreps("2x0e+1o")
    assert irreps + "1x2e" == "2x0e+1o" + Irreps("2e") == Irreps("2x0e+1o+2e")
    assert irreps * 2 == 2 * irreps == Irreps("2x0e+1o+2x0e+1o")
    assert sum([irreps, irreps], Irreps()) == 2 * irreps
    assert irreps[0] == (2, Irrep("0e"))
    assert irreps[-1] == MulIrrep(1, "1o")
    assert irreps[1:] == Irreps("1o")
    assert "1o" in irreps
    assert Irrep("1e") not in irreps
    assert Irrep("1o") not in Irreps("0x1o")
    assert irreps.count("0e") == 2
    assert Irreps("3x0e").is_scalar()
    assert not Irreps("3x0e+0o").is_scalar()


def test_irreps_of_harmonics() -> None:
    assert str(Irreps.spherical_harmonics(3)) == "1x0e+1x1o+1x2e+1x3o"
    assert str(Irreps.spherical_harmonics(2, p=1)) == "1x0e+1x1e+1x2e"


@pytest.mark.parametrize("irreps", MANY, ids=str)
def test_splitting_and_joining(irreps: Irreps) -> None:
    x = irreps.randn(2, 3, -1)
    blocks = irreps.split(x)
    assert [b.shape for b in blocks] == [(2, 3, ir.dim, mul) for mul, ir in irreps]
    for block, part in zip(blocks, irreps.slices(), strict=True):
        assert torch.equal(block.flatten(-2), x[..., part])
        assert block.numel() == 0 or block._base is x
    if blocks:
        assert torch.equal(irreps.join(blocks), x)
        assert torch.equal(irreps.join([b[0, 0] for b in blocks]), x[0, 0])
        assert irreps.join([b[:0] for b in blocks]).shape == (0, 3, irreps.dim)


def test_what_cannot_be_split_or_joined_is_refused() -> None:
    irreps = Irreps("2x0e+2x1o")
    for x in (torch.zeros(5, 7), torch.zeros(())):
        with pytest.raises(ValueError, match=r"2x0e\+2x1o have 8 components, got"):
            irreps.split(x)
    scalars, vectors = irreps.split(torch.zeros(5, 8))
    for blocks in ([scalars], [scalars, vectors.mT], [vectors, scalars], []):
        with pytest.raises(ValueError, match=r"end in \[\(1, 2\), \(3, 2\)\], one at"):
            irreps.join(blocks)
    with pytest.raises(ValueError, match=r"as in e3nn: give block.mT"):
        irreps.join([scalars, vectors.mT])
    with pytest.raises(ValueError, match=r"got shapes \[\]$"):
        Irreps("").join([])
    assert Irreps("").split(torch.zeros(5, 0)) == []


class Doubled(torch.nn.Module):
    def __init__(self, irreps: Irreps) -> None:
        super().__init__()
        self.irreps = irreps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.irreps.join([2 * block for block in self.irreps.split(x)])


def test_compiling_and_exporting_split_and_join() -> None:
    module = Doubled(pickle.loads(pickle.dumps(Irreps("2x1o+3x0e+0x2e+1x1o"))))
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for batch in (5, 8, 3):
            x = torch.randn(batch, 12)
            assert torch.equal(compiled(x), 2 * x)
    shapes = ({0: torch.export.Dim("batch")},)
    for strict in (False, True):
        exported = torch.export.export(
            module, (x,), dynamic_shapes=shapes, strict=strict
        )
        assert torch.equal(exported.module()(x[:2]), 2 * x[:2])


@pytest.mark.parametrize("irreps", MANY, ids=str)
def test_changing_the_layout_there_and_back(irreps: Irreps) -> None:
    x = irreps.randn(2, 3, -1)
    there = irreps.to_mul_ir(x)
    assert torch.equal(irreps.from_mul_ir(there), x)
    for (mul, ir), part in zip(irreps, irreps.slices(), strict=True):
        ours = x[..., part].reshape(2, 3, ir.dim, mul)
        theirs = there[..., part].reshape(2, 3, mul, ir.dim)
        assert torch.equal(ours.transpose(-1, -2), theirs)


def test_layout_of_integers_and_wrong_sizes() -> None:
    index = torch.arange(6)
    assert Irreps("2x1o").to_mul_ir(index).tolist() == [0, 2, 4, 1, 3, 5]
    with pytest.raises(ValueError, match=r"2x1o have 6 components.*\(5, 7\)"):
        Irreps("2x1o").to_mul_ir(torch.zeros(5, 7))


def test_random_features_have_the_promised_moments(generator: torch.Generator) -> None:
    irreps = Irreps("2x0e + 3x1o + 0x2e + 1x4e")
    x = irreps.randn(4000, -1, generator=generator, dtype=torch.float64)
    assert x.shape == (4000, irreps.dim)
    assert (x.mean(0).abs() < 0.1).all()
    assert ((x.var(0) - 1).abs() < 0.15).all()
    x = irreps.randn(50, -1, normalization="norm", generator=generator)
    for (mul, ir), part in zip(irreps, irreps.slices(), strict=True):
        lengths = x[:, part].unflatten(-1, (ir.dim, mul)).norm(dim=-2)
        torch.testing.assert_close(lengths, torch.ones(50, mul))


def test_random_features_take_dtype_and_seed(generator: torch.Generator) -> None:
    first = Irreps("2x1o").randn(3, -1, generator=generator, requires_grad=True)
    assert first.requires_grad
    again = Irreps("2x1o").randn(3, -1, generator=generator.manual_seed(0))
    assert torch.equal(first, again)
    assert Irreps("0e").randn(-1, dtype=torch.float64).dtype == torch.float64
    with pytest.raises(ValueError, match="last size is -1"):
        Irreps("0e").randn(3)
    with pytest.raises(ValueError, match="'integral'"):
        Irreps("0e").randn(-1, normalization="integral")


@pytest.mark.parametrize("x", [torch.randn(500, 13), torch.randn(500, 13).numpy()])
def test_features_in_the_place_of_irreps_are_not_printed(x: Any) -> None:
    for call in (Irreps, lambda x: rotate(x, "4x0e+3x1o", torch.eye(3))):  # type: ignore[arg-type, return-value]
        with pytest.raises(TypeError, match=r"shape \(500, 13\).*come before") as error:
            call(x)
        assert len(str(error.value)) < 150
