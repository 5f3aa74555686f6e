"""Kernels equal plain torch: any shapes, layouts, graphs and derivatives to the third.

A few examples, always the same, run every time; many, always others, with
``pytest -m slow``. A failure prints what was drawn, the seed of all numbers included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from torch import Tensor

from pyg_equivariant import kernels
from pyg_equivariant.kernels import dispatch
from pyg_equivariant.kernels.activation import operator as activation_operator
from pyg_equivariant.kernels.activation.reference import value as activation_reference
from pyg_equivariant.kernels.c.build import compiler
from pyg_equivariant.kernels.gate.reference import value as gate_reference
from pyg_equivariant.kernels.matmul import operator as matmul_operator
from pyg_equivariant.kernels.species.reference import (
    species_product as species_reference,
)
from pyg_equivariant.kernels.tensor_product.reference import tensor_product
from pyg_equivariant.o3 import (
    Irrep,
    Irreps,
    Path,
    TensorProductPaths,
    spherical_harmonics_reference,
)

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")

Function = Callable[..., Tensor]
LMAX = 6
CHANNELS = (1, 2, 3, 7, 16, 33)
LAYOUTS = ("rows", "columns", "spaced", "offset", "wide", "one row for all", "flipped")
ORDER = 3
TOLERANCE = 1e-9
MANY, MANY_BUILT = 300, 40
# Those whose kernels are built anew for every product and every set of derivatives.
BUILT = ("convolution", "fully_connected", "edge_product", "node_first")
COMMON: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "suppress_health_check": list(HealthCheck),
}


class Example(NamedTuple):
    """A kernel, its specification, and what both are called with."""

    fused: Function
    plain: Function
    inputs: list[Tensor]


class Draw:
    """Choices of hypothesis, and numbers from a seed that it chose."""

    def __init__(self, data: st.DataObject, wide: bool) -> None:
        self.data, self.wide = data, wide
        self.seed = self.integer("seed", 0, 2**31)
        self.generator = torch.Generator().manual_seed(self.seed)

    def integer(self, label: str, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high), label=label)

    def one_of(self, label: str, options: Any) -> Any:
        return self.data.draw(st.sampled_from(list(options)), label=label)

    def irreps(self, label: str, blocks: int = 3, channels: Any = CHANNELS) -> Irreps:
        """Irreps of any degree and parity, blocks of one irrep apart included."""
        block = st.tuples(
            st.sampled_from(list(channels)),
            st.tuples(st.integers(0, LMAX), st.sampled_from([-1, 1])),
        )
        drawn = st.lists(block, min_size=1, max_size=blocks)
        return Irreps(self.data.draw(drawn, label=label))

    def numbers(self, label: str, *shape: int) -> Tensor:
        """Normal numbers, which lie in memory in some way."""
        t = torch.randn(*shape, generator=self.generator, dtype=torch.float64)
        layout = self.one_of(f"layout of {label}", LAYOUTS)
        t = laid_out(t, layout)
        return t.requires_grad_(self.data.draw(st.booleans(), label=f"d/d{label}"))

    def edges(self, num_sources: int, num_targets: int) -> Tensor:
        """Any edges: multiple ones, loops, none; nodes without any."""
        count = self.integer("edges", 0, 40) if num_sources and num_targets else 0
        ends = [
            torch.randint(max(n, 1), (count,), generator=self.generator)
            for n in (num_sources, num_targets)
        ]
        edge_index = torch.stack(ends)
        if self.data.draw(st.booleans(), label="sorted"):
            edge_index = edge_index[:, edge_index[1].argsort(stable=True)]
        kind = self.one_of("kind of edges", (torch.int64, torch.int32))
        return laid_out(edge_index.to(kind), self.one_of("layout", LAYOUTS[:5]))


def laid_out(t: Tensor, layout: str) -> Tensor:
    """The same numbers in another order in memory, or the first row for all."""
    if layout == "columns":
        return t.transpose(0, -1).contiguous().transpose(0, -1)
    if layout == "spaced":
        return torch.stack([t, t + 1], -1)[..., 0]
    if layout == "offset":
        return torch.cat([t.new_zeros(1), t.flatten()])[1:].view(t.shape)
    if layout == "wide":
        return torch.cat([t, t], -1)[..., : t.shape[-1]]
    if layout == "one row for all" and len(t) and t.dim() > 1:
        return t[:1].expand(t.shape)
    if layout == "flipped" and t.dim() > 1:
        return torch.cat([t.new_zeros(1, *t.shape[1:]), t])[1:]
    return t


def convolution(draw: Draw) -> Example:
    few = [("7x0e+7x1o", "0e+1o", "0e+1o"), ("2x6e+1x0e", "0e+2e", "6e+2e+0e")]
    if draw.wide:
        sh = Irreps.spherical_harmonics(draw.integer("lmax", 0, 3))
        product = TensorProductPaths.depthwise(draw.irreps("irreps", 2), sh)
    else:
        irreps, sh, keep = draw.one_of("irreps", few)
        product = TensorProductPaths.depthwise(irreps, sh, keep=keep)
    sources, targets = draw.integer("sources", 0, 9), draw.integer("targets", 0, 9)
    edge_index = draw.edges(sources, targets)
    count = edge_index.shape[1]
    inputs = [
        draw.numbers("x", sources, product.irreps_in1.dim),
        draw.numbers("y", count, product.irreps_in2.dim),
    ]
    if product.weight_numel:
        shared = draw.data.draw(st.booleans(), label="shared weights")
        shape = (product.weight_numel,) if shared else (count, product.weight_numel)
        inputs.append(draw.numbers("w", *shape))
    convolve = kernels.Convolution(product)

    def call(backend: Any) -> Function:
        def run(x: Tensor, y: Tensor, w: Tensor | None = None) -> Tensor:
            return convolve(x, y, w, edge_index, targets, backend)

        return run

    return Example(call("auto"), call("reference"), inputs)


def fully_connected(draw: Draw) -> Example:
    if draw.wide:
        small = CHANNELS[:4]
        irreps = draw.irreps("in", 2, small), draw.irreps("attr", 2, (1,))
        product = TensorProductPaths.fully_connected(*irreps, draw.irreps("out", 2))
    else:
        few = [("3x0e+2x1o", "0e+1o", "7x0e+1x1o"), ("2x6e", "2e", "1x4e+3x6e")]
        product = TensorProductPaths.fully_connected(*draw.one_of("irreps", few))
    rows = draw.integer("rows", 0, 20)
    inputs = [
        draw.numbers("x", rows, product.irreps_in1.dim),
        draw.numbers("y", rows, product.irreps_in2.dim),
        draw.numbers("w", product.weight_numel),
    ]
    compute = kernels.TensorProductKernel(product)
    return Example(
        lambda x, y, w: compute(x, y, w, compute.constants),
        lambda x, y, w: tensor_product(product, x, y, w),
        inputs,
    )


def edge_product(draw: Draw) -> Example:
    mul = draw.one_of("channels", CHANNELS if draw.wide else CHANNELS[:3])
    few = [("0e+1o", "0e+1o"), ("2e+3o", "1o")]
    given = [Irreps(irreps) for irreps in draw.one_of("irreps", few)]
    first, second = (Irreps([(mul, ir) for _, ir in irreps]) for irreps in given)
    paths = [
        Path(i, j, 0, "uuu")
        for i, (_, a) in enumerate(first)
        for j, (_, b) in enumerate(second)
        if Irrep("1o") in a * b
    ]
    out = Irreps([(mul, "1o")])
    product = TensorProductPaths(first, second, out, tuple(paths))
    nodes = draw.integer("nodes", 1, 9)
    edge_index = draw.edges(nodes, nodes)
    inputs = [
        draw.numbers("x", edge_index.shape[1], first.dim),
        draw.numbers("y", nodes, second.dim),
        draw.numbers("w", product.weight_numel),
    ]
    compute = kernels.EdgeProduct(product)

    def plain(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        return tensor_product(product, x, y.index_select(0, edge_index[1]), w)

    def fused(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        return compute(x, y, w, edge_index, compute.constants)

    return Example(fused, plain, inputs)


def node_first(draw: Draw) -> Example:
    nodes = draw.irreps("nodes", 2, CHANNELS[:4]) if draw.wide else Irreps("2x0e+3x1o")
    sh = Irreps.spherical_harmonics(draw.integer("lmax", 0, 3) if draw.wide else 1)
    others = draw.one_of("others", (0, 2))
    out = draw.irreps("out", 2) if draw.wide else Irreps("7x0e+2x1o")
    edges = Irreps([(others, "0e")] if others else [])
    product = TensorProductPaths.fully_connected(nodes + nodes + edges, sh, out)
    sources, targets = draw.integer("sources", 1, 9), draw.integer("targets", 1, 9)
    edge_index = draw.edges(sources, targets)
    count = edge_index.shape[1]
    inputs = [
        draw.numbers("x_i", targets, nodes.dim),
        draw.numbers("x_j", sources, nodes.dim),
        draw.numbers("edge_sh", count, sh.dim),
        draw.numbers("weight", product.weight_numel),
    ]
    if others:
        inputs.append(draw.numbers("edge_attr", count, others))
    multiply = kernels.NodeFirst(product, len(nodes))

    def fused(x_i: Tensor, x_j: Tensor, sh: Tensor, w: Tensor, *e: Tensor) -> Tensor:
        return multiply(x_i, x_j, e[0] if e else None, sh, w, edge_index)

    def plain(x_i: Tensor, x_j: Tensor, sh: Tensor, w: Tensor, *e: Tensor) -> Tensor:
        source, target = edge_index.long()
        x = torch.cat([x_i[target], x_j[source], *e], dim=-1)
        return tensor_product(product, x, sh, w)

    return Example(fused, plain, inputs)


def gated(draw: Draw) -> Example:
    scalars, mul = draw.one_of("scalars", (0, *CHANNELS)), draw.one_of("mul", CHANNELS)
    odd, l = draw.one_of("odd", (0, *CHANNELS)), draw.integer("l", 1, LMAX)
    silu, last = draw.one_of("silu", (False, True)), draw.one_of("last", (False, True))
    gates, rows = mul, 2 * l + 1
    passed = odd + scalars
    block = kernels.GateBlock(passed + gates, mul, passed, passed, rows, mul)
    sizes = passed + gates + rows * mul, passed + rows * mul, scalars, gates
    form = kernels.GateForm(*sizes, 1.7, 0.6, (block,), silu, odd, 1.3, last)
    inputs = [
        draw.numbers("x", draw.integer("rows", 0, 200), form.x_dim),
        draw.numbers("bias", form.num_biases),
    ]
    return Example(
        lambda x, bias: kernels.gate(x, bias, form),
        lambda x, bias: gate_reference(x, F.pad(bias, (odd, 0)), form),
        inputs,
    )


def spherical_harmonics(draw: Draw) -> Example:
    few = [[0, 1, 2], [6]]
    if draw.wide:
        degrees = st.lists(st.integers(0, LMAX), min_size=1, max_size=4)
        ls = draw.data.draw(degrees, label="degrees")
    else:
        ls = draw.one_of("degrees", few)
    normalize = draw.data.draw(st.booleans(), label="normalize") or not draw.wide
    x = draw.numbers("x", draw.integer("rows", 0, 70), 3)
    return Example(
        lambda x: kernels.spherical_harmonics(ls, x, normalize),
        lambda x: spherical_harmonics_reference(ls, x, normalize),
        [x],
    )


def activated(draw: Draw) -> Example:
    name = draw.one_of("name", ("silu", "shifted_softplus"))
    shape = draw.integer("rows", 1, 70), draw.one_of("columns", CHANNELS)

    def plain(x: Tensor) -> Tensor:
        return activation_reference(x, None, name)

    return Example(getattr(kernels, name), plain, [draw.numbers("x", *shape)])


def multiplied(draw: Draw) -> Example:
    m, k, n = (draw.one_of(label, (*CHANNELS, 70, 129)) for label in "mkn")
    inputs = [draw.numbers("a", m, k), draw.numbers("b", k, n), draw.numbers("c", n)]
    return Example(kernels.matmul, lambda a, b, c: a @ b + c, inputs)


def of_species(draw: Draw) -> Example:
    rows, columns = (draw.one_of(label, CHANNELS) for label in ("rows", "columns"))
    dim, number = 2 * draw.integer("l", 0, LMAX) + 1, draw.integer("species", 1, 4)
    blocks = (
        kernels.SpeciesBlock(1, 0, 2, dim, rows, columns),
        kernels.SpeciesBlock(1, dim * columns, 0, dim, rows, columns),
        kernels.SpeciesBlock(1, 0, 1, dim, rows, columns),  # what shares its weights
    )
    sizes = 1 + dim * rows, 2 * dim * columns, 2 + rows * columns
    form = kernels.SpeciesForm(*sizes, blocks)
    nodes = draw.integer("nodes", 0, 9)
    species = torch.arange(nodes).mul(7) % number
    inputs = [
        draw.numbers("x", nodes, form.x_dim),
        draw.numbers("weight", number, form.weight_numel),
    ]
    return Example(
        lambda x, w: kernels.species_product(x, w, species, form),
        lambda x, w: species_reference(x, w, species, form),
        inputs,
    )


def neighbor_sum(draw: Draw) -> Example:
    targets = draw.integer("targets", 0, 9)
    edge_index = draw.edges(targets, targets)
    count = edge_index.shape[1]
    channels = draw.one_of("channels", CHANNELS if draw.wide else CHANNELS[2:4])
    inputs = [draw.numbers("messages", count, channels), draw.numbers("weight", count)]

    def plain(messages: Tensor, weight: Tensor) -> Tensor:
        out = messages.new_zeros(targets, channels)
        messages = messages * weight.unsqueeze(-1)
        return out.index_add(0, edge_index[1].long(), messages)

    return Example(
        lambda m, w: kernels.neighbor_sum(m, edge_index, targets, w), plain, inputs
    )


def symmetric_contraction(draw: Draw) -> Example:
    few = [("0e+1o", "0e+1o", 3), ("1e+0o", "2e", 3), ("0e+1o+2e", "1o", 2)]
    irreps, out, correlation = draw.one_of("irreps", few)
    channels = draw.one_of("channels", CHANNELS if draw.wide else CHANNELS[:4])
    compute = kernels.SymmetricContractionKernel(irreps, out, correlation)
    nodes = draw.integer("nodes", 0, 9)
    species = torch.randint(2, (nodes,), generator=draw.generator)
    inputs = [
        draw.numbers("x", nodes, compute.form.dim_in * channels),
        draw.numbers("w", 2, compute.form.num_paths, channels),
    ]

    def plain(x: Tensor, w: Tensor) -> Tensor:
        x = x.unflatten(1, (-1, channels))
        parts = [x[:, part] for part in Irreps(irreps).slices()]
        outputs = []
        weights = iter(w.unbind(1))
        for i_out, (_, ir) in enumerate(Irreps(out)):
            total = x.new_zeros(nodes, ir.dim, channels)
            for path in compute.form.paths:
                for blocks, tensor in path.couplings if path.i_out == i_out else ():
                    value = torch.tensor(tensor)
                    given = [parts[b] for b in blocks]
                    letters = "abd"[: len(given)]
                    formula = ",".join(f"i{q}c" for q in letters)
                    formula = f"{letters}m,{formula}->imc"
                    value = torch.einsum(formula, value, *given)
                    orders = len(set(permutations(blocks)))
                    total = total + orders * value * next(weights)[species, None]
            outputs.append(total.flatten(1))
        return torch.cat(outputs, dim=1)

    constants = compute.constants
    return Example(lambda x, w: compute(x, w, species, constants), plain, inputs)


FAMILIES = {
    "convolution": convolution,
    "fully_connected": fully_connected,
    "edge_product": edge_product,
    "node_first": node_first,
    "gate": gated,
    "spherical_harmonics": spherical_harmonics,
    "activation": activated,
    "matmul": multiplied,
    "species": of_species,
    "neighbor_sum": neighbor_sum,
    "symmetric_contraction": symmetric_contraction,
}


@pytest.fixture(scope="module", autouse=True)
def _kernels_of_any_size() -> Iterator[None]:
    """Kernels run however small the tensors are, on any processor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activation_operator, "_SMALLEST", 0)
        patch.setattr(dispatch, "_neglects_processor", lambda: True)
        patch.setattr(matmul_operator, "_SMALLEST", 1)
        patch.setattr(matmul_operator, "_NARROWEST", 1)
        yield


def derivatives(
    function: Function, inputs: list[Tensor], seed: int
) -> Iterator[tuple[str, Tensor]]:
    """The value, and derivatives to the third order along random directions."""
    generator = torch.Generator().manual_seed(seed)
    out = function(*inputs)
    yield "value", out
    needed = [t for t in inputs if t.requires_grad]
    for order in range(1, ORDER + 1):
        if not needed:
            return
        along = torch.randn(out.shape, generator=generator, dtype=out.dtype)
        # Where nothing depends on the inputs any more, derivatives are zero.
        total = (out * along).sum() + 0.0 * sum(t.sum() for t in needed)
        grads = torch.autograd.grad(total, needed, create_graph=order < ORDER)
        out = torch.cat([grad.flatten() for grad in grads])
        yield f"derivative {order}", out


def compare(example: Example, seed: int) -> None:
    pairs = zip(
        derivatives(example.fused, example.inputs, seed),
        derivatives(example.plain, example.inputs, seed),
        strict=True,
    )
    for (name, found), (_, expected) in pairs:
        assert found.shape == expected.shape, name
        if not found.numel():
            continue
        error = (found - expected).abs().max()
        assert error <= TOLERANCE * (1e-3 + expected.abs().max()), (name, error)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_few_examples(family: str) -> None:
    @settings(max_examples=12, derandomize=True, **COMMON)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        draw = Draw(data, wide=False)
        compare(FAMILIES[family](draw), draw.seed)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_many_examples(family: str) -> None:
    @settings(max_examples=MANY_BUILT if family in BUILT else MANY, **COMMON)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        draw = Draw(data, wide=True)
        note(f"seed {draw.seed}")
        compare(FAMILIES[family](draw), draw.seed)

    run()


def test_another_function_is_noticed() -> None:
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    right = Example(lambda x: x**3, lambda x: x * x * x, [x])
    compare(right, 0)
    for wrong in (lambda x: x**3 * (1 + 1e-8), lambda x: x**3 + 1e-7 * x.sin()):
        with pytest.raises(AssertionError):
            compare(right._replace(fused=wrong), 0)


def test_kernels_run() -> None:
    tensor = torch.ones(3, 3, dtype=torch.float64)
    assert dispatch.kernel_for(tensor) == "c"
    assert dispatch.multiplies_slowly()
