"""The convolution equals gather, product and sum, with all derivatives."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.kernels import Convolution, dispatch
from pyg_equivariant.kernels.c.build import BuildError, compiler
from pyg_equivariant.kernels.convolution import operator
from pyg_equivariant.kernels.convolution.operator import convolution
from pyg_equivariant.kernels.convolution.reference import convolution_reference
from pyg_equivariant.kernels.environment import said
from pyg_equivariant.kernels.paths import Paths
from pyg_equivariant.o3 import Irreps, Path, TensorProductPaths

HARMONICS = Irreps.spherical_harmonics(2)
PRODUCTS = {
    "scalars": TensorProductPaths.depthwise("7x0e", "0e"),
    "vectors": TensorProductPaths.depthwise("3x0e+3x1o", "0e+1o", keep="0e+1o"),
    "one channel": TensorProductPaths.depthwise("0e+1o+2e", HARMONICS),
    "unequal channels": TensorProductPaths.depthwise("33x0e+5x1o+1x1e+0x2e", HARMONICS),
    "degree 5": TensorProductPaths.depthwise("2x2e+3x5o", "3o+4e", keep="1o+5e+2e"),
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
    "unsorted": (6, 5, 40),
    "two parts": (50, 70, 600),
    "isolated": (30, 30, 4),
    "one target": (4, 1, 50),
    "no edges": (3, 2, 0),
    "no nodes": (0, 0, 0),
}


def inputs(
    product: TensorProductPaths, graph: str, dtype: torch.dtype = torch.float64
) -> tuple[list[Tensor], Tensor, int]:
    """Arguments ``x``, ``y``, ``w``; edges; number of targets."""
    num_sources, num_targets, edges = GRAPHS[graph]
    ends = [torch.randint(max(n, 1), (edges,)) for n in (num_sources, num_targets)]
    rows = (num_sources, edges, edges)
    dims = product.irreps_in1.dim, product.irreps_in2.dim, product.weight_numel
    tensors = [
        torch.randn(n, d, dtype=dtype, requires_grad=True)
        for n, d in zip(rows, dims, strict=True)
    ]
    return tensors, torch.stack(ends), num_targets


def derivatives(function, arguments: list[Tensor], order: int) -> list[Tensor]:
    """Value and derivatives, each of a scalar of all before it."""
    torch.manual_seed(1)
    results = [function(*arguments)]
    for _ in range(order):
        scalar = sum((r * torch.randn(r.shape, dtype=r.dtype)).sum() for r in results)
        scalar = scalar + sum(0 * a.sum() for a in arguments)
        results += torch.autograd.grad(
            scalar, arguments, create_graph=True, materialize_grads=True
        )
    return results


def assert_same(found: list[Tensor], expected: list[Tensor], rtol: float) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        scale = float(b.detach().abs().max()) if b.numel() else 1.0
        torch.testing.assert_close(a, b, rtol=0, atol=rtol * max(scale, 1.0))


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_values_and_three_derivatives(product: TensorProductPaths, graph: str) -> None:
    convolve = Convolution(product)
    arguments, edge_index, size = inputs(product, graph)

    def run(backend: str):
        def function(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
            weight = w if product.weight_numel else None
            return convolve(x, y, weight, edge_index, size, backend=backend)

        return function

    arguments = [a.detach().requires_grad_() for a in arguments]
    found = derivatives(run("auto"), arguments, 3)
    expected = derivatives(run("reference"), arguments, 3)
    assert_same(found, expected, 1e-12)


@pytest.mark.parametrize("mul", [1, 3, 7, 33, 128])
@pytest.mark.parametrize(
    ("dtype", "rtol", "harmonics"),
    [(torch.float64, 1e-12, "0e+1o"), (torch.float32, 1e-5, str(HARMONICS))],
)
def test_precision_and_channels(
    mul: int, dtype: torch.dtype, rtol: float, harmonics: str
) -> None:
    features = "+".join(f"{mul}x{block.ir}" for block in Irreps(harmonics))
    product = TensorProductPaths.depthwise(features, harmonics)
    convolve = Convolution(product)
    arguments, edge_index, size = inputs(product, "two parts", dtype)

    def function(*arguments: Tensor) -> Tensor:
        return convolve(*arguments, edge_index, size)

    def reference(*arguments: Tensor) -> Tensor:
        return convolve(*arguments, edge_index, size, backend="reference")

    found = derivatives(function, arguments, 2)
    expected = derivatives(
        reference, [a.detach().requires_grad_() for a in arguments], 2
    )
    assert_same(found, expected, rtol)


@pytest.mark.parametrize("wanted", ["x", "y", "w", "g", "xy", "yw", "xw", "xywg"])
@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_the_operator_is_its_reference(
    product: TensorProductPaths, wanted: str
) -> None:
    if "w" in wanted and not product.weight_numel:
        pytest.skip("no weights")
    (x, y, w), edge_index, size = inputs(product, "two parts")
    g = torch.randn(size, product.irreps_out.dim, dtype=torch.float64)
    tensors = dict(zip("xywg", (x.detach(), y.detach(), w.detach(), g), strict=True))
    if len(wanted) == 1:
        tensors[wanted] = None
    paths = Paths.of(product, "uvu")
    sizes = (len(x), size)
    rest = paths.text(), wanted, *sizes, "auto"
    found = convolution(*tensors.values(), edge_index, *rest)
    expected = convolution_reference(paths, tensors, edge_index, sizes, wanted)
    assert_same(found, expected, 1e-12)


def test_the_reference_is_the_gradient_of_the_plain_convolution() -> None:
    product = PRODUCTS["shared blocks"]
    (x, y, w), edge_index, size = inputs(product, "unsorted")
    g = torch.randn(size, product.irreps_out.dim, dtype=torch.float64)
    out = Convolution(product)(x, y, w, edge_index, size, backend="reference")
    expected = [*torch.autograd.grad((out * g).sum(), (x, y, w)), out]
    with torch.no_grad():
        tensors = dict(zip("xywg", (x, y, w, g), strict=True))
        paths, sizes = Paths.of(product, "uvu"), (len(x), size)
        found = convolution_reference(paths, tensors, edge_index, sizes, "xywg")
    assert_same(found, expected, 1e-12)


@pytest.mark.parametrize("name", ["vectors", "shared blocks"])
def test_numerical_derivatives(name: str) -> None:
    product = PRODUCTS[name]
    convolve = Convolution(product)
    arguments, edge_index, size = inputs(product, "unsorted")
    edge_index = edge_index[:, :7]
    arguments = [a[:7].detach().requires_grad_() for a in arguments]

    def function(*arguments: Tensor) -> Tensor:
        return convolve(*arguments, edge_index, size)

    assert gradcheck(function, arguments, fast_mode=True)
    assert gradgradcheck(function, arguments, fast_mode=True)


@pytest.mark.parametrize("wanted", ["g", "xyw"])
def test_it_is_a_proper_operator(wanted: str) -> None:
    product = PRODUCTS["vectors"]
    arguments, edge_index, size = inputs(product, "unsorted")
    g = None
    if wanted != "g":
        g = torch.randn(size, product.irreps_out.dim, dtype=torch.float64)
        g.requires_grad_()
    paths = Paths.of(product, "uvu").text()
    rest = paths, wanted, len(arguments[0]), size, "auto"
    torch.library.opcheck(
        torch.ops.pyg_equivariant.convolution.default,
        (*arguments, g, edge_index, *rest),
    )


def test_compiled_graphs_hold_it_whole() -> None:
    product = PRODUCTS["vectors"]
    convolve = Convolution(product)

    @torch.compile(fullgraph=True, dynamic=True, backend="aot_eager")
    def function(x: Tensor, y: Tensor, w: Tensor, edge_index: Tensor) -> Tensor:
        return convolve(2 * x, y, w, edge_index, x.shape[0]).square()

    for nodes, edges in ((6, 40), (11, 25)):
        GRAPHS["compiled"] = (nodes, nodes, edges)
        arguments, edge_index, _ = inputs(product, "compiled", torch.float32)
        found = function(*arguments, edge_index)
        x, y, w = arguments
        expected = convolve(2 * x, y, w, edge_index, nodes, "reference").square()
        assert_same([found], [expected], 1e-5)
        grads = torch.autograd.grad(found.sum(), arguments)
        assert_same(grads, torch.autograd.grad(expected.sum(), arguments), 1e-5)


def test_exported_programs_hold_it_whole() -> None:
    class Module(torch.nn.Module):
        convolve = Convolution(PRODUCTS["vectors"])

        def forward(self, x: Tensor, y: Tensor, w: Tensor, edges: Tensor) -> Tensor:
            return self.convolve(x, y, w, edges, x.shape[0])

    GRAPHS["exported"] = (6, 6, 40)
    arguments, edge_index, _ = inputs(PRODUCTS["vectors"], "exported")
    arguments = [a.detach() for a in arguments]
    nodes, edges = torch.export.Dim("nodes"), torch.export.Dim("edges")
    shapes = ({0: nodes}, {0: edges}, {0: edges}, {1: edges})
    program = torch.export.export(
        Module(), (*arguments, edge_index), dynamic_shapes=shapes
    )
    assert "pyg_equivariant.convolution" in program.graph_module.code
    GRAPHS["exported"] = (9, 9, 17)
    arguments, edge_index, _ = inputs(PRODUCTS["vectors"], "exported")
    expected = Module()(*arguments, edge_index)
    assert_same([program.module()(*arguments, edge_index)], [expected], 1e-12)


def test_any_strides() -> None:
    product = PRODUCTS["vectors"]
    convolve = Convolution(product)
    (x, y, w), edge_index, size = inputs(product, "unsorted")
    expected = convolve(x, y, w, edge_index, size)
    wide = torch.randn(len(x), 2 * x.shape[1] + 1, dtype=x.dtype)
    wide[:, 1::2] = x.detach()
    columns = w.detach().T.contiguous().T
    rows = edge_index.T.contiguous().T
    found = convolve(wide[:, 1::2], y, columns, rows, size)
    assert torch.equal(found, expected)
    padded = torch.cat([y, y], dim=1)[:, : y.shape[1]]
    assert torch.equal(convolve(x, padded, w, edge_index.int(), size), expected)


def test_shared_weights() -> None:
    product = PRODUCTS["vectors"]
    convolve = Convolution(product)
    (x, y, w), edge_index, size = inputs(product, "unsorted")
    arguments = [x, y, w[0].detach().requires_grad_()]

    def run(backend: str):
        return lambda *a: convolve(*a, edge_index, size, backend=backend)

    found = derivatives(run("auto"), arguments, 2)
    assert_same(found, derivatives(run("reference"), arguments, 2), 1e-12)


def test_one_node_with_very_many_edges() -> None:
    product = PRODUCTS["vectors"]
    GRAPHS["star"] = (100_001, 100_001, 100_000)
    arguments, _, size = inputs(product, "star", torch.float32)
    leaves = torch.arange(1, 100_001)
    hub = torch.zeros_like(leaves)
    for edge_index in (torch.stack([leaves, hub]), torch.stack([hub, leaves])):

        def run(dtype: torch.dtype, backend: str, edge_index: Tensor = edge_index):
            given = [a.detach().to(dtype).requires_grad_() for a in arguments]
            out = Convolution(product)(*given, edge_index, size, backend=backend)
            return [out, *torch.autograd.grad(out.sum(), given)]

        exact = run(torch.float64, "reference")
        assert_same(run(torch.float64, "auto"), exact, 1e-12)
        plain, found = run(torch.float32, "reference"), run(torch.float32, "auto")
        for a, b, c in zip(found, plain, exact, strict=True):
            assert (a - c).abs().max() <= 2 * (b - c).abs().max() + 1e-5


def test_bitwise_equal_runs_whatever_the_threads() -> None:
    product = PRODUCTS["unequal channels"]
    arguments, edge_index, size = inputs(product, "two parts", torch.float32)
    before = torch.get_num_threads()
    runs = []
    try:
        for threads in (1, 1, 2, 2, 4, 20):
            torch.set_num_threads(threads)
            out = Convolution(product)(*arguments, edge_index, size)
            runs.append([out, *torch.autograd.grad(out.sin().sum(), arguments)])
    finally:
        torch.set_num_threads(before)
    for run in runs[1:]:
        for a, b in zip(run, runs[0], strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("wide", [0, 1, 2])
@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_the_widest_dtype_is_that_of_the_result(wide: int, backend: str) -> None:
    product = PRODUCTS["vectors"]
    arguments, edge_index, size = inputs(product, "unsorted", torch.float32)
    arguments[wide] = arguments[wide].detach().double()
    mixed = Convolution(product)(*arguments, edge_index, size, backend=backend)
    double = [a.detach().double() for a in arguments]
    expected = Convolution(product)(*double, edge_index, size, backend="reference")
    assert mixed.dtype == torch.float64
    torch.testing.assert_close(mixed, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_is_summed_in_single(dtype: torch.dtype) -> None:
    product = PRODUCTS["vectors"]
    arguments, edge_index, size = inputs(product, "one target", torch.float32)
    low = [a.detach().to(dtype) for a in arguments]
    found = Convolution(product)(*low, edge_index, size)
    expected = Convolution(product)(*(a.float() for a in low), edge_index, size)
    assert torch.equal(found, expected.to(dtype))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_derivatives_of_low_precision_round_once(dtype: torch.dtype) -> None:
    """Every sum of products is rounded only when it is complete, by half a spacing."""
    product = PRODUCTS["vectors"]
    arguments, edge_index, size = inputs(product, "one target", torch.float32)
    low = [a.detach().to(dtype).requires_grad_() for a in arguments]
    exact = [a.detach().double().requires_grad_() for a in low]
    g = torch.randn(size, product.irreps_out.dim).to(dtype)
    results = []
    for given in (low, exact):
        out = Convolution(product)(*given, edge_index, size)
        grads = torch.autograd.grad(out, given, g.to(out.dtype))
        results.append([out.detach(), *grads])
    for a, b in zip(*results, strict=True):
        assert a.dtype == dtype
        bound = torch.finfo(dtype).eps / 2 * b.abs() + 1e-6 * b.abs().max()
        assert bool(((a.double() - b).abs() <= bound).all())


def test_a_long_sum_of_low_precision_does_not_stall() -> None:
    """In bfloat16, 256 + 1 is 256."""
    ones = torch.ones(400, 1, dtype=torch.bfloat16)
    edge_index = torch.stack([torch.arange(400), torch.zeros(400).long()])
    convolve = Convolution(TensorProductPaths.depthwise("1x0e", "0e"))
    assert convolve(ones, ones, ones, edge_index, 1).item() == 400


@pytest.mark.parametrize("backend", ["auto", "c"])
def test_the_backend_asked_for_serves_all_derivatives(backend: str) -> None:
    if compiler() is None:
        pytest.skip("no compiler")
    product = PRODUCTS["vectors"]
    arguments, edge_index, size = inputs(product, "unsorted")

    def run(backend: str):
        return lambda *a: Convolution(product)(*a, edge_index, size, backend=backend)

    found = derivatives(run(backend), arguments, 2)
    expected = derivatives(run("reference"), arguments, 2)
    assert_same(found, expected, 1e-12)


def test_edges_changed_in_place_are_noticed() -> None:
    product = PRODUCTS["vectors"]
    (x, y, w), edge_index, size = inputs(product, "unsorted")
    convolve = Convolution(product)
    convolve(x, y, w, edge_index, size)
    edge_index.numpy()[1] = (edge_index.numpy()[1] + 1) % size  # unseen by torch
    expected = convolve(x, y, w, edge_index, size, backend="reference")
    assert_same([convolve(x, y, w, edge_index, size)], [expected], 1e-12)


@pytest.mark.parametrize("bad", [-1, 6])
def test_edges_outside_are_refused(bad: int) -> None:
    product = PRODUCTS["vectors"]
    (x, y, w), edge_index, size = inputs(product, "unsorted")
    edge_index[0, 3] = bad
    with pytest.raises(IndexError, match="source nodes"):
        Convolution(product)(x, y, w, edge_index, size)


def test_wrong_arguments_are_refused() -> None:
    product = PRODUCTS["vectors"]
    convolve = Convolution(product)
    (x, y, w), edge_index, size = inputs(product, "unsorted")
    with pytest.raises(ValueError, match="expected x"):
        convolve(x[:, 1:], y, w, edge_index, size)
    with pytest.raises(ValueError, match="expected y"):
        convolve(x, y[1:], w, edge_index, size)
    for weight in (None, w[1:], w[:, 1:]):
        with pytest.raises(ValueError, match="expected weights"):
            convolve(x, y, weight, edge_index, size)
    with pytest.raises(ValueError, match="backend"):
        convolve(x, y, w, edge_index, size, backend="fast")
    with pytest.raises(ValueError, match="integers in edge_index"):
        convolve(x, y, w, edge_index.double(), size)
    with pytest.raises(ValueError, match=r"edge_index \(2, \|E\|\)"):
        convolve(x, y, w, edge_index[:1], size)


@pytest.mark.parametrize(
    "product",
    [
        TensorProductPaths.fully_connected("2x0e+3x1o", "0e+2x1o", "2x0e+1o"),
        TensorProductPaths.depthwise("2x0e+3x1o", "0e+2x1o"),
        TensorProductPaths.elementwise("2x0e+3x1o", "2x0e+3x1o"),
    ],
)
def test_products_without_kernels_run_too(product: TensorProductPaths) -> None:
    arguments, edge_index, size = inputs(product, "unsorted")
    x, y, w = arguments
    weight = w if product.weight_numel else None
    convolve = Convolution(product)
    found = convolve(x, y, weight, edge_index, size)
    expected = convolve(x, y, weight, edge_index, size, backend="reference")
    assert_same([found], [expected], 1e-12)
    for backend in ("c", "triton"):
        with pytest.raises(ValueError, match="takes paths uvu"):
            convolve(x, y, weight, edge_index, size, backend=backend)


def test_vmap_and_forward_mode_run_in_plain_torch() -> None:
    product = PRODUCTS["vectors"]
    convolve = Convolution(product)
    (x, y, w), edge_index, size = inputs(product, "unsorted")
    x, y, w = (t.detach() for t in (x, y, w))
    batch = torch.stack([x, 2 * x])
    found = torch.func.vmap(lambda x: convolve(x, y, w, edge_index, size))(batch)
    out = convolve(x, y, w, edge_index, size)
    assert_same([found[0], found[1]], [out, 2 * out], 1e-12)
    function = lambda x: convolve(x, y, w, edge_index, size)  # noqa: E731
    _, tangent = torch.func.jvp(function, (x,), (x,))
    assert_same([tangent], [out], 1e-12)


def test_without_a_compiler_it_warns_once_and_goes_on(monkeypatch) -> None:
    monkeypatch.setattr(dispatch, "compiler", lambda: None)
    monkeypatch.setattr(dispatch, "_built_ahead", lambda: False)
    said.clear()
    product = PRODUCTS["vectors"]
    arguments, edge_index, size = inputs(product, "unsorted")
    convolve = Convolution(product)
    expected = convolve(*arguments, edge_index, size, backend="reference")
    try:
        with pytest.warns(UserWarning, match="no C compiler"):
            found = convolve(*arguments, edge_index, size)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            convolve(*arguments, edge_index, size)
    finally:
        said.clear()
    assert_same([found], [expected], 1e-12)


def test_a_compiler_that_fails_is_no_error(monkeypatch) -> None:
    if compiler() is None:
        pytest.skip("no compiler")

    def fail(*arguments) -> None:
        raise BuildError("cc could not compile a kernel")

    monkeypatch.setitem(operator._RUN, "c", fail)
    said.clear()
    product = PRODUCTS["vectors"]
    arguments, edge_index, size = inputs(product, "unsorted")
    convolve = Convolution(product)
    expected = convolve(*arguments, edge_index, size, backend="reference")
    with pytest.warns(UserWarning, match="could not compile.*plain torch"):
        found = convolve(*arguments, edge_index, size)
    assert_same([found], [expected], 1e-12)
