"""How paths are shared out: each once, on numbers that are its own."""

from __future__ import annotations

import pytest

from pyg_equivariant.kernels.convolution.plan import plan_kernels
from pyg_equivariant.kernels.paths import Paths
from pyg_equivariant.o3 import Irreps, TensorProductPaths

FEATURES = Irreps("70x0e+70x1o+40x2e+3x1e")
HARMONICS = Irreps("0e+1o+2e+3o")
PRODUCT = TensorProductPaths.depthwise(FEATURES, HARMONICS, keep=FEATURES)
PATHS = Paths.of(PRODUCT, "uvu")


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("outputs", ["g", "x", "y", "w", "xy", "yw", "xyw"])
def test_every_path_and_channel_is_shared_out_once(outputs: str, real: str) -> None:
    plan = plan_kernels(PATHS, outputs, real)
    assert plan.owner == ("x" if "x" in outputs else "g")
    shared = [term for group in plan.groups for term in group.terms]
    assert sorted(shared) == sorted(PATHS.terms)
    written: set[int] = set()
    for group in plan.groups:
        (channels,) = {term.mul1 for term in group.terms}
        assert (group.blocks - 1) * group.block < channels
        assert group.blocks * group.block >= channels
        assert group.block.bit_count() == 1
        own = {getattr(term, plan.owner) for term in group.terms}
        assert group.stored == own & written
        written |= own
    assert plan.parts == max(group.blocks for group in plan.groups)
    assert ("y" in plan.stages) == ("y" in outputs)


@pytest.mark.parametrize("outputs", ["g", "xyw"])
def test_kernels_touch_the_blocks_of_their_paths(outputs: str) -> None:
    slices = PRODUCT.irreps_in2.slices()
    blocks = {block.start: [*range(block.start, block.stop)] for block in slices}
    widths = {
        block.start: ir.l for block, (_, ir) in zip(slices, HARMONICS, strict=True)
    }
    for group in plan_kernels(PATHS, outputs, "float32").groups:
        starts = sorted({term.y for term in group.terms})
        assert group.columns == [column for y in starts for column in blocks[y]]
        assert all(widths[term.y] == term.l2 for term in group.terms)
        for letter, degree in (("x", "l1"), ("g", "l3")):
            count = {
                getattr(term, letter): 2 * getattr(term, degree) + 1
                for term in group.terms
            }
            expected = [(s, m) for s in sorted(count) for m in range(count[s])]
            assert group.numbers(letter) == expected
