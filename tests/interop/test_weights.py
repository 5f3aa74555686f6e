from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch

from pyg_equivariant import o3
from pyg_equivariant.interop import regroup_weights
from pyg_equivariant.nn.tensor_product import TensorProduct


def _split(irreps: o3.Irreps, rng: random.Random) -> o3.Irreps:
    """The same irreps with blocks cut in two or three, in the same order."""
    blocks = []
    for mul, ir in irreps:
        cuts = sorted(rng.randint(0, mul) for _ in range(rng.randint(0, 2)))
        ends = [0, *cuts, mul]
        blocks += [(b - a, ir) for a, b in pairwise(ends)]
    return o3.Irreps(blocks)


def _random_irreps(rng: random.Random, most: int = 4) -> o3.Irreps:
    blocks = [(rng.randint(1, most), (l, p)) for l in range(3) for p in (-1, 1)]
    return o3.Irreps(rng.sample(blocks, rng.randint(1, 3))).sort().irreps


def _run(
    product: o3.TensorProductPaths, weight: torch.Tensor, *x: torch.Tensor
) -> torch.Tensor:
    """The product on features in the order mul_ir, whose blocks may be cut anywhere."""
    module = TensorProduct(product, internal_weights=False).double()
    a = product.irreps_in1.from_mul_ir(x[0])
    b = product.irreps_in2.from_mul_ir(x[1])
    return product.irreps_out.to_mul_ir(module(a, b, weight))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.filterwarnings("ignore:.*no path leads to")
def test_cut_blocks_give_the_same_map(seed: int) -> None:
    rng = random.Random(seed)
    whole = [_random_irreps(rng) for _ in range(3)]
    norms = "component", "none", "norm"
    source = o3.TensorProductPaths.fully_connected(*whole, rng.choice(norms), "path")
    cut = [_split(irreps, rng) for irreps in whole]
    path_norm = rng.choice(["element", "path", "none"])
    target = o3.TensorProductPaths.fully_connected(*cut, rng.choice(norms), path_norm)
    weight = torch.randn(source.weight_numel, dtype=torch.float64)
    other = regroup_weights(weight, source, target)
    x = [irreps.randn(4, -1, dtype=torch.float64) for irreps in whole[:2]]
    expected = _run(source, weight, *x)
    torch.testing.assert_close(
        _run(target, other, *x), expected, rtol=1e-12, atol=1e-12
    )
    back = regroup_weights(other, target, source)
    torch.testing.assert_close(back, weight, rtol=1e-12, atol=0)


@pytest.mark.parametrize("connection", ["uvu", "uuu"])
def test_paths_in_another_order(connection: str) -> None:
    second = "2x0e+1x1o" if connection == "uvu" else "3x0e+2x1o"
    make = getattr(
        o3.TensorProductPaths, "depthwise" if connection == "uvu" else "elementwise"
    )
    first = "3x0e+2x1o"
    product = make(first, second)
    if connection == "uuu":
        paths = [path._replace(has_weight=True) for path in product.paths]
        product = o3.TensorProductPaths(first, second, product.irreps_out, tuple(paths))
    for paths in (product.paths[::-1], sorted(product.paths, key=lambda p: p.i_out)):
        other = o3.TensorProductPaths(first, second, product.irreps_out, tuple(paths))
        weight = torch.randn(4, product.weight_numel, dtype=torch.float64)
        x = [i.randn(4, -1).double() for i in (product.irreps_in1, product.irreps_in2)]
        moved = regroup_weights(weight, product, other)
        assert moved.shape == weight.shape
        torch.testing.assert_close(
            _run(other, moved, *x), _run(product, weight, *x), rtol=1e-12, atol=1e-12
        )


def test_sorted_blocks() -> None:
    irreps = "2x1o+3x0e", "1x0e", "2x1o+3x0e"
    product = o3.TensorProductPaths.depthwise(*irreps[:2])
    unsorted = o3.TensorProductPaths(*irreps, [(0, 0, 0, "uvu"), (1, 0, 1, "uvu")])
    assert product.irreps_out != unsorted.irreps_out
    weight = torch.arange(5.0)
    assert torch.equal(regroup_weights(weight, unsorted, product), weight)


def test_paths_without_weights_stay() -> None:
    irreps = "2x0e+2x1o", "1x0e", "2x0e+2x1o"
    a = o3.TensorProductPaths(
        *irreps, [(0, 0, 0, "uvu", False), (1, 0, 1, "uvu", True)]
    )
    b = o3.TensorProductPaths(
        *irreps, [(1, 0, 1, "uvu", True), (0, 0, 0, "uvu", False)]
    )
    weight = torch.tensor([5.0, 6.0])
    assert torch.equal(regroup_weights(weight, a, b), weight)
    scaled = [(1, 0, 1, "uvu", True), (0, 0, 0, "uvu", False, 4.0)]
    with pytest.raises(ValueError, match="do not join the same channels"):
        regroup_weights(weight, a, o3.TensorProductPaths(*irreps, scaled))
    weighted = o3.TensorProductPaths(*irreps, [(1, 0, 1, "uvu"), (0, 0, 0, "uvu")])
    with pytest.raises(ValueError, match="do not join the same channels"):
        regroup_weights(weight, a, weighted)


def test_gradients_pass() -> None:
    a = o3.TensorProductPaths.fully_connected("2x1o+1x1o", "1x0e", "2x1o")
    b = o3.TensorProductPaths.fully_connected("3x1o", "1x0e", "2x1o")
    weight = torch.randn(a.weight_numel, requires_grad=True)
    regroup_weights(weight, a, b).sum().backward()
    assert weight.grad is not None
    assert (weight.grad > 0).all()


def test_what_is_not_the_same_is_refused() -> None:
    full = o3.TensorProductPaths.fully_connected
    a = full("2x0e", "1x0e", "2x0e")
    weight = torch.zeros(4)
    with pytest.raises(ValueError, match="irreps_in1 are not the same irreps"):
        regroup_weights(weight, a, full("3x0e", "1x0e", "2x0e"))
    with pytest.raises(ValueError, match="irreps_out are not the same irreps"):
        regroup_weights(weight, a, full("2x0e", "1x0e", "3x0e"))
    with pytest.raises(ValueError, match="do not join the same channels"):
        regroup_weights(weight, a, o3.TensorProductPaths.depthwise("2x0e", "1x0e"))
    with pytest.raises(
        ValueError, match=r"has 4 weights, got a tensor of shape \(5,\)"
    ):
        regroup_weights(torch.zeros(5), a, a)
    nothing = o3.TensorProductPaths("2x0e", "1x0e", "2x0e", [])
    assert regroup_weights(torch.zeros(0), nothing, nothing).shape == (0,)
