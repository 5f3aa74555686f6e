"""Triton's kernels give the numbers of the reference, with all derivatives.

On a CUDA device where there is one. Elsewhere ``test_triton.py`` runs this file in
Triton's interpreter: few edges, for it is slow.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.kernels import Convolution
from pyg_equivariant.kernels import edges as memory
from pyg_equivariant.kernels.convolution import order, plan, triton
from pyg_equivariant.kernels.convolution.operator import convolution
from pyg_equivariant.kernels.convolution.reference import convolution_reference
from pyg_equivariant.kernels.paths import Paths
from pyg_equivariant.kernels.triton.build import has_triton, interpreting
from pyg_equivariant.o3 import Irreps, Path, TensorProductPaths

if not has_triton() or not (torch.cuda.is_available() or interpreting()):
    pytest.skip("test_triton.py runs these tests", allow_module_level=True)

DEVICE = "cpu" if interpreting() else "cuda"
PRODUCTS = {
    "scalars": TensorProductPaths.depthwise("7x0e", "0e"),
    "vectors": TensorProductPaths.depthwise("3x0e+3x1o", "0e+1o", keep="0e+1o"),
    "one channel": TensorProductPaths.depthwise(
        "0e+1o+2e", "0e+1o+2e", keep="0e+1o+2e"
    ),
    "unequal channels": TensorProductPaths.depthwise("33x0e+5x1o+1x1e+0x2e", "0e+1o"),
    "shared blocks": TensorProductPaths(
        Irreps("3x0e+3x1o"),
        Irreps("0e+1o+1e"),
        Irreps("2x2e+3x1o+3x0e"),
        (
            Path(1, 0, 1, "uvu"),
            Path(0, 1, 1, "uvu", False),
            Path(1, 2, 1, "uvu"),
            Path(1, 1, 2, "uvu", True, 0.3),
        ),
    ),
    "no weights": TensorProductPaths(
        Irreps("4x1o"), Irreps("1o"), Irreps("4x0e"), (Path(0, 0, 0, "uvu", False),)
    ),
    "no paths": TensorProductPaths(Irreps("2x0e"), Irreps("0e"), Irreps("3x0e"), ()),
}
GRAPHS = {  # sources, targets, edges
    "unsorted": (6, 5, 12),
    "isolated": (30, 40, 4),
    "one target": (4, 1, 9),
    "no edges": (3, 2, 0),
    "no nodes": (0, 0, 0),
}
WANTED = ["x", "y", "w", "g", "xy", "xw", "yw", "xyw", "xywg"]


def inputs(
    product: TensorProductPaths, graph: str, dtype: torch.dtype = torch.float64
) -> tuple[dict[str, Tensor], Tensor, tuple[int, int]]:
    """All four arguments, edges, numbers of nodes."""
    sources, targets, edges = GRAPHS[graph]
    ends = [torch.randint(max(n, 1), (edges,)) for n in (sources, targets)]
    rows = (sources, edges, edges, targets)
    tensors = {
        a: torch.randn(n, d, dtype=torch.float64).to(DEVICE, dtype)
        for a, n, d in zip("xywg", rows, Paths.of(product, "uvu").dims, strict=True)
    }
    return tensors, torch.stack(ends).to(DEVICE), (sources, targets)


def assert_same(found: list[Tensor], expected: list[Tensor], rtol: float) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        scale = float(b.detach().abs().max()) if b.numel() else 1.0
        torch.testing.assert_close(a, b, rtol=0, atol=rtol * max(scale, 1.0))


def assert_reference(
    product: TensorProductPaths,
    graph: str,
    wanted: str,
    dtype: torch.dtype,
    rtol: float,
) -> None:
    paths = Paths.of(product, "uvu")
    arguments, edge_index, sizes = inputs(product, graph, dtype)
    if len(wanted) == 1:
        arguments[wanted] = None
    rest = edge_index, paths.text(), wanted, *sizes, "triton"
    found = convolution(*arguments.values(), *rest)
    expected = convolution_reference(paths, arguments, edge_index, sizes, wanted)
    assert_same(found, expected, rtol)


@pytest.fixture
def small_kernels(monkeypatch: pytest.MonkeyPatch):
    """Segments, groups of paths and blocks of channels that few numbers fill."""
    monkeypatch.setattr(order, "_SEGMENT", 3)
    monkeypatch.setattr(plan, "ENTRIES", 8)
    monkeypatch.setattr(plan, "NUMBERS", 12)
    monkeypatch.setattr(plan, "BYTES", 64)
    triton._plan.cache_clear()
    memory._graphs.clear()
    yield
    triton._plan.cache_clear()
    memory._graphs.clear()


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("name", PRODUCTS)
def test_the_operator_is_its_reference(name: str, wanted: str) -> None:
    if "w" in wanted and not PRODUCTS[name].weight_numel:
        wanted = wanted.replace("w", "") or "x"
    assert_reference(PRODUCTS[name], "unsorted", wanted, torch.float64, 1e-12)


@pytest.mark.parametrize("wanted", ["g", "xyw", "yw"])
@pytest.mark.parametrize("name", ["vectors", "shared blocks"])
@pytest.mark.usefixtures("small_kernels")
def test_kernels_go_on_from_each_other(name: str, wanted: str) -> None:
    product = PRODUCTS[name]
    kernels = plan.plan_kernels(Paths.of(product, "uvu"), wanted, "float64")
    assert len(kernels.groups) > 1
    for graph in ("unsorted", "one target"):
        assert_reference(product, graph, wanted, torch.float64, 1e-12)


@pytest.mark.parametrize("graph", GRAPHS)
def test_values_and_two_derivatives(graph: str) -> None:
    product = PRODUCTS["vectors"]
    convolve = Convolution(product)
    arguments, edge_index, (_, size) = inputs(product, graph)
    coefficients = [torch.randn_like(a) for a in arguments.values()]

    def derivatives(backend: str) -> list[Tensor]:
        x, y, w = (arguments[a].clone().requires_grad_() for a in "xyw")
        out = convolve(x, y, w, edge_index, size, backend=backend)
        c = coefficients
        first = torch.autograd.grad(
            (out.sin() * c[3]).sum(), (x, y, w), create_graph=True
        )
        scalar = sum((a.square() * b).sum() for a, b in zip(first, c, strict=False))
        return [out, *first, *torch.autograd.grad(scalar, (x, y, w))]

    assert_same(derivatives("triton"), derivatives("reference"), 1e-12)


@pytest.mark.parametrize("mul", [1, 3, 7, 33, 128])
def test_single_precision_and_channels(mul: int) -> None:
    product = TensorProductPaths.depthwise(f"{mul}x0e+{mul}x1o", "0e+1o", keep="0e+1o")
    for wanted in ("g", "xyw"):
        assert_reference(product, "unsorted", wanted, torch.float32, 1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kernels", ["whole", "small"])
def test_narrow_numbers_are_summed_in_single(
    dtype: torch.dtype, kernels: str, request: pytest.FixtureRequest
) -> None:
    """Only the last step rounds to the narrow type.

    By half a spacing at most on devices; the interpreter cuts digits off, and may err
    by a whole one.
    """
    if kernels == "small":
        request.getfixturevalue("small_kernels")
    product = PRODUCTS["vectors"]
    paths = Paths.of(product, "uvu")
    arguments, edge_index, sizes = inputs(product, "unsorted", dtype)
    rest = edge_index, paths.text(), "xywg", *sizes, "triton"
    found = convolution(*arguments.values(), *rest)
    exact = {a: t.double() for a, t in arguments.items()}
    expected = convolution_reference(paths, exact, edge_index, sizes, "xywg")
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        bound = torch.finfo(dtype).eps * b.abs() + 1e-5 * b.abs().max()
        assert bool(((a.double() - b).abs() <= bound).all())


def test_a_long_sum_of_narrow_numbers_does_not_stall() -> None:
    """In bfloat16, 256 + 1 is 256."""
    product = TensorProductPaths.depthwise("1x0e", "0e")
    ones = torch.ones(400, 1, dtype=torch.bfloat16, device=DEVICE)
    edge_index = torch.stack([torch.arange(400), torch.zeros(400).long()]).to(DEVICE)
    out = Convolution(product)(ones, ones, ones, edge_index, 1, backend="triton")
    assert out.dtype == torch.bfloat16
    assert out.item() == 400


def test_any_strides() -> None:
    product = PRODUCTS["vectors"]
    convolve = Convolution(product)
    tensors, edge_index, (_, size) = inputs(product, "unsorted")
    x, y, w, _ = tensors.values()
    expected = convolve(x, y, w, edge_index, size, backend="triton")
    wide = torch.randn(len(x), 2 * x.shape[1] + 1, dtype=x.dtype, device=DEVICE)
    wide[:, 1::2] = x
    columns, rows = w.T.contiguous().T, edge_index.T.contiguous().T
    padded = torch.cat([y, y], dim=1)[:, : y.shape[1]]
    found = convolve(wide[:, 1::2], padded, columns, rows, size, backend="triton")
    assert torch.equal(found, expected)
    narrow = edge_index.int()
    assert torch.equal(convolve(x, y, w, narrow, size, backend="triton"), expected)


def test_shared_weights() -> None:
    product = PRODUCTS["vectors"]
    convolve = Convolution(product)
    tensors, edge_index, (_, size) = inputs(product, "unsorted")
    results = []
    for backend in ("triton", "reference"):
        w = tensors["w"][0].clone().requires_grad_()
        out = convolve(tensors["x"], tensors["y"], w, edge_index, size, backend=backend)
        results.append([out, *torch.autograd.grad(out.sin().sum(), w)])
    assert_same(*results, 1e-12)


def test_equal_runs_are_equal_bit_by_bit() -> None:
    product = PRODUCTS["vectors"]
    tensors, edge_index, (_, size) = inputs(product, "unsorted", torch.float32)
    runs = []
    for _ in range(3):
        x, y, w = (tensors[a].clone().requires_grad_() for a in "xyw")
        edges = edge_index.clone()
        out = Convolution(product)(x, y, w, edges, size, backend="triton")
        runs.append([out, *torch.autograd.grad(out.sin().sum(), (x, y, w))])
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


def test_compiled_graphs_hold_it_whole() -> None:
    product = PRODUCTS["scalars"]
    convolve = Convolution(product)

    @torch.compile(fullgraph=True, dynamic=True, backend="aot_eager")
    def function(x: Tensor, y: Tensor, w: Tensor, edge_index: Tensor) -> Tensor:
        return convolve(2 * x, y, w, edge_index, 5, backend="triton").square()

    tensors, edge_index, (_, size) = inputs(product, "unsorted")
    x, y, w = (tensors[a].requires_grad_() for a in "xyw")
    found = function(x, y, w, edge_index)
    expected = convolve(2 * x, y, w, edge_index, size, backend="reference").square()
    grads = [torch.autograd.grad(out.sum(), (x, y, w)) for out in (found, expected)]
    assert_same([found, *grads[0]], [expected, *grads[1]], 1e-12)


def test_edges_changed_in_place_are_noticed() -> None:
    product = PRODUCTS["vectors"]
    convolve = Convolution(product)
    tensors, edge_index, (_, size) = inputs(product, "unsorted")
    x, y, w, _ = tensors.values()
    convolve(x, y, w, edge_index, size, backend="triton")
    edge_index[1] = (edge_index[1] + 1) % size
    expected = convolve(x, y, w, edge_index, size, backend="reference")
    found = convolve(x, y, w, edge_index, size, backend="triton")
    assert_same([found], [expected], 1e-12)


def test_edges_outside_are_refused() -> None:
    product = PRODUCTS["vectors"]
    tensors, edge_index, (_, size) = inputs(product, "unsorted")
    x, y, w, _ = tensors.values()
    edge_index[0, 3] = len(x)
    with pytest.raises(IndexError, match="source nodes"):
        Convolution(product)(x, y, w, edge_index, size, backend="triton")
