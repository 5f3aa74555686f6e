"""Linear maps and tensor products with e3nn's weights give e3nn's numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.interop import (
    features_from_e3nn,
    features_to_e3nn,
    linear_from_e3nn,
    linear_to_e3nn,
    regroup_weights,
    tensor_product_from_e3nn,
    tensor_product_to_e3nn,
)

e3nn_o3 = pytest.importorskip("e3nn.o3")
pytestmark = pytest.mark.filterwarnings("ignore:.*no path leads to")


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    """The constants of e3nn's modules keep the precision they were made in."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(params=range(6))
def rng(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.param)


def _random_irreps(rng: random.Random, blocks: int = 4, lmax: int = 2) -> Any:
    """Unsorted, with repeated irreps."""
    out = [
        (rng.randint(1, 4), (rng.randint(0, lmax), rng.choice([-1, 1])))
        for _ in range(rng.randint(1, blocks))
    ]
    return e3nn_o3.Irreps(out)


def _equal(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-12 * theirs.abs().max().clamp(min=1)


def test_features_transform_alike(rng: random.Random) -> None:
    irreps = _random_irreps(rng)
    x = irreps.randn(3, -1)
    rotation = -o3.rand_matrix()
    matrix = irreps.D_from_matrix(rotation)
    ours = o3.rotate(str(irreps), features_from_e3nn(irreps, x), rotation)
    _equal(features_to_e3nn(irreps, ours), x @ matrix.T)


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("path_normalization", ["element", "path"])
def test_linear(rng: random.Random, biases: bool, path_normalization: str) -> None:
    scalars = e3nn_o3.Irreps("2x0e")  # its biases alone are too much for e3nn 0.6
    irreps = _random_irreps(rng) + scalars, _random_irreps(rng) + scalars
    theirs = e3nn_o3.Linear(
        *irreps, biases=biases, path_normalization=path_normalization
    )
    with torch.no_grad():
        theirs.bias.normal_()
    ours = linear_from_e3nn(
        theirs.state_dict(), *irreps, path_normalization=path_normalization
    )
    x = irreps[0].randn(5, -1)
    out = theirs(x)
    _equal(features_to_e3nn(irreps[1], ours(features_from_e3nn(irreps[0], x))), out)
    if path_normalization == "element":
        again = e3nn_o3.Linear(*irreps, biases=biases)
        again.load_state_dict(linear_to_e3nn(ours), strict=False)
        _equal(again(x), out)


@pytest.mark.parametrize("irrep_normalization", ["component", "norm"])
def test_fully_connected(rng: random.Random, irrep_normalization: str) -> None:
    irreps = [_random_irreps(rng, 3) for _ in range(3)]
    path_normalization = rng.choice(["element", "path"])
    options = {
        "irrep_normalization": irrep_normalization,
        "path_normalization": path_normalization,
    }
    theirs = e3nn_o3.FullyConnectedTensorProduct(*irreps, **options)
    x1, x2 = (i.randn(4, -1) for i in irreps[:2])
    out = theirs(x1, x2)
    a, b = features_from_e3nn(irreps[0], x1), features_from_e3nn(irreps[1], x2)
    for kwargs in (options, {"instructions": theirs.instructions}):
        if theirs.weight_numel == 0:
            continue
        ours = tensor_product_from_e3nn(theirs.state_dict(), *irreps, **kwargs)
        _equal(features_to_e3nn(irreps[2], ours(a, b)), out)
    # merged as simplify() does, the weights in their new order
    merged = [o3.Irreps(str(i.simplify())) for i in irreps]
    target = o3.TensorProductPaths.fully_connected(*merged, **options)
    source = o3.TensorProductPaths.fully_connected(*map(str, irreps), **options)
    weight = regroup_weights(theirs.weight.detach(), source, target)
    simple = e3nn_o3.FullyConnectedTensorProduct(*map(str, merged), **options)
    _equal(simple(x1, x2, weight), out)


def _instructions(rng: random.Random, irreps: list[Any]) -> list[tuple[Any, ...]]:
    """Some allowed paths of every kind, with weights and without."""
    found = []
    for i1, (mul1, ir1) in enumerate(irreps[0]):
        for i2, (mul2, ir2) in enumerate(irreps[1]):
            for o, (mul, ir) in enumerate(irreps[2]):
                kinds = ["uvw"]
                kinds += ["uvu"] if mul == mul1 else []
                kinds += ["uuu"] if mul == mul1 == mul2 else []
                if ir in ir1 * ir2 and rng.random() < 0.8:
                    kind = rng.choice(kinds)
                    has_weight = kind == "uvw" or rng.random() < 0.7
                    scale = rng.choice([1.0, 0.5, 2.0])
                    found.append((i1, i2, o, kind, has_weight, scale))
    rng.shuffle(found)
    return found


def test_chosen_paths(rng: random.Random) -> None:
    blocks = [(2, (l, p)) for l in range(3) for p in (-1, 1)]
    irreps = [e3nn_o3.Irreps(rng.choices(blocks, k=3)) for _ in range(2)]
    irreps.append(e3nn_o3.Irreps(rng.sample(blocks, 4)))
    instructions = _instructions(rng, irreps)
    options = {"path_normalization": rng.choice(["element", "path"])}
    theirs = e3nn_o3.TensorProduct(*irreps, instructions, **options)
    if theirs.weight_numel == 0:
        pytest.skip("no path was drawn that has weights")
    x1, x2 = (i.randn(4, -1) for i in irreps[:2])
    out = theirs(x1, x2)
    a, b = features_from_e3nn(irreps[0], x1), features_from_e3nn(irreps[1], x2)
    for given, kwargs in ((instructions, options), (theirs.instructions, {})):
        ours = tensor_product_from_e3nn(theirs.state_dict(), *irreps, given, **kwargs)
        _equal(features_to_e3nn(irreps[2], ours(a, b)), out)
    again = e3nn_o3.TensorProduct(*irreps, instructions, **options)
    again.load_state_dict(tensor_product_to_e3nn(ours), strict=False)
    _equal(again(x1, x2), out)


def test_weights_of_a_convolution_sorted_by_output(rng: random.Random) -> None:
    """The instructions of NequIP and MACE: outputs sorted, then paths by output."""
    irreps = e3nn_o3.Irreps([(rng.randint(1, 4), (l, (-1) ** l)) for l in (0, 1, 2, 1)])
    harmonics = e3nn_o3.Irreps.spherical_harmonics(2)
    found, outputs = [], []
    for i, (mul, ir1) in enumerate(irreps):
        for j, (_, ir2) in enumerate(harmonics):
            for ir in ir1 * ir2:
                found.append((i, j, len(outputs), "uvu", True))
                outputs.append((mul, ir))
    middle, place, _ = e3nn_o3.Irreps(outputs).sort()
    found = [(i, j, place[o], mode, weight) for i, j, o, mode, weight in found]
    found.sort(key=lambda instruction: instruction[2])
    theirs = e3nn_o3.TensorProduct(
        irreps, harmonics, middle, found, shared_weights=False, internal_weights=False
    )
    target = o3.TensorProductPaths.depthwise(str(irreps), str(harmonics))
    assert str(target.irreps_out) == str(middle)
    paths = [o3.Path(*instruction) for instruction in found]
    source = o3.TensorProductPaths(str(irreps), str(harmonics), str(middle), paths)
    x, y = irreps.randn(7, -1), harmonics.randn(7, -1)
    weight = torch.randn(7, theirs.weight_numel)
    ours = tensor_product_from_e3nn(
        {"weight": torch.zeros(0)},
        irreps,
        harmonics,
        middle,
        [tuple(path) for path in target.paths],
    )
    own = regroup_weights(weight, source, target)
    out = ours(features_from_e3nn(irreps, x), features_from_e3nn(harmonics, y), own)
    _equal(features_to_e3nn(middle, out), theirs(x, y, weight))
