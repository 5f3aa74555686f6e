"""The operators refuse what they cannot read, whoever calls them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pyg_equivariant.kernels.convolution.operator import convolution
from pyg_equivariant.kernels.fully_connected.operator import fully_connected
from pyg_equivariant.kernels.paths import Paths
from pyg_equivariant.o3 import TensorProductPaths

IRREPS = "3x0e+2x1o", "0e+1o"
EDGES, SOURCES, TARGETS = 7, 5, 4
Call = Callable[[dict[str, Tensor | None], str], list[Tensor]]


def of_edges() -> tuple[Call, dict[str, Tensor | None]]:
    paths = Paths.of(TensorProductPaths.depthwise(*IRREPS), "uvu")
    ends = [torch.randint(n, (EDGES,)) for n in (SOURCES, TARGETS)]
    edge_index, rest = torch.stack(ends), (SOURCES, TARGETS, "auto")
    rows = zip("xywg", (SOURCES, EDGES, EDGES, TARGETS), paths.dims, strict=True)
    arguments = {a: torch.randn(n, d) for a, n, d in rows}
    return lambda given, outputs: convolution(
        *given.values(), edge_index, paths.text(), outputs, *rest
    ), arguments


def of_rows() -> tuple[Call, dict[str, Tensor | None]]:
    product = TensorProductPaths.fully_connected(*IRREPS, "2x0e+3x1o")
    paths = Paths.of(product, "uvw")
    shapes = {a: (EDGES, d) for a, d in paths.dims._asdict().items()}
    shapes["w"] = (paths.dims.w,)
    arguments = {a: torch.randn(shape) for a, shape in shapes.items()}
    return lambda given, outputs: fully_connected(
        *given.values(), paths.text(), outputs, EDGES
    ), arguments


OPERATORS = {"convolution": of_edges, "fully_connected": of_rows}


@pytest.mark.parametrize("letter", "xywg")
@pytest.mark.parametrize("name", OPERATORS)
def test_other_shapes_are_refused(name: str, letter: str) -> None:
    call, arguments = OPERATORS[name]()
    right = arguments[letter]
    assert right is not None
    call(arguments, "xywg")
    count = len(right)
    wrong = [right[:-1], torch.cat([right, right[:1]]), right[:1], right[:0]]
    wrong += [right[None], right.flatten()[0]]
    if right.dim() == 2:
        wrong += [right[:, 1:], torch.cat([right, right], dim=1), right[:, :0]]
    for t in wrong:
        assert t.shape != right.shape or count == 1
        with pytest.raises(ValueError, match=rf"expected {letter} \("):
            call({**arguments, letter: t}, "xywg")
        others = "xywg".replace(letter, "")
        with pytest.raises(ValueError, match=rf"expected {letter} \("):
            call({**arguments, letter: t}, others)


@pytest.mark.parametrize("letter", "xywg")
@pytest.mark.parametrize("name", OPERATORS)
def test_only_what_is_not_read_may_be_missing(name: str, letter: str) -> None:
    call, arguments = OPERATORS[name]()
    missing = {**arguments, letter: None}
    (expected,), (found,) = call(arguments, letter), call(missing, letter)
    assert torch.equal(found, expected)
    for outputs in ("xywg".replace(letter, ""), "xywg"):
        with pytest.raises(ValueError, match=rf"expected {letter} .* got none"):
            call(missing, outputs)


@pytest.mark.parametrize("name", OPERATORS)
def test_other_kinds_of_numbers_are_refused(name: str) -> None:
    call, arguments = OPERATORS[name]()
    for a in "ywg":
        with pytest.raises(ValueError, match=f"expected {a} of torch.float32 on cpu"):
            call({**arguments, a: arguments[a].double()}, "xywg")
    whole = {a: t.long() for a, t in arguments.items()}
    with pytest.raises(ValueError, match="floating-point"):
        call(whole, "xywg")
    with pytest.raises(ValueError, match="'xv'"):
        call(arguments, "xv")


def test_paths_of_another_operator_are_refused() -> None:
    (_, x), (_, y) = of_edges(), of_rows()
    depthwise = Paths.of(TensorProductPaths.depthwise(*IRREPS), "uvu").text()
    with pytest.raises(ValueError, match="fully_connected takes paths uvw"):
        fully_connected(*y.values(), depthwise, "g", EDGES)
    product = TensorProductPaths.fully_connected(*IRREPS, "2x0e+3x1o")
    mixed = Paths.of(product, "uvw").text()
    edge_index = torch.zeros(2, EDGES, dtype=torch.int64)
    with pytest.raises(ValueError, match="convolution takes paths uvu"):
        convolution(*x.values(), edge_index, mixed, "g", SOURCES, TARGETS, "auto")


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
@pytest.mark.parametrize("bad", [-1, 100])
@pytest.mark.parametrize("end", [0, 1])
def test_edges_to_nowhere_are_refused(end: int, bad: int, dtype: torch.dtype) -> None:
    _, arguments = of_edges()
    paths = Paths.of(TensorProductPaths.depthwise(*IRREPS), "uvu").text()
    edge_index = torch.zeros(2, EDGES, dtype=dtype)
    rest = SOURCES, TARGETS, "auto"
    convolution(*arguments.values(), edge_index, paths, "g", *rest)
    edge_index[end, 3] = bad
    name = ("source", "target")[end]
    with pytest.raises(IndexError, match=f"{name} nodes from .* but there are"):
        convolution(*arguments.values(), edge_index, paths, "g", *rest)


@pytest.mark.parametrize(
    ("edge_index", "message"),
    [
        (torch.zeros(2, EDGES), "integers"),
        (torch.zeros(3, EDGES).long(), r"\(2, \|E\|\)"),
        (torch.zeros(2, EDGES + 1).long(), "expected y"),
        (torch.zeros(2, 1).long(), "expected y"),
    ],
)
def test_other_edges_are_refused(edge_index: Tensor, message: str) -> None:
    _, arguments = of_edges()
    paths = Paths.of(TensorProductPaths.depthwise(*IRREPS), "uvu").text()
    rest = edge_index, paths, "g", SOURCES, TARGETS, "auto"
    with pytest.raises(ValueError, match=message):
        convolution(*arguments.values(), *rest)


@pytest.mark.parametrize("count", [0, 1])
def test_one_row_and_none(count: int) -> None:
    paths = Paths.of(TensorProductPaths.depthwise(*IRREPS), "uvu")
    tensors = [torch.randn(count, d, dtype=torch.float64) for d in paths.dims]
    edge_index = torch.zeros(2, count, dtype=torch.int32)
    rest = edge_index, paths.text(), "xywg", count, count, "auto"
    for result, argument in zip(convolution(*tensors, *rest), tensors, strict=True):
        assert result.shape == argument.shape
    paths = Paths.of(TensorProductPaths.fully_connected(*IRREPS, "2x0e"), "uvw")
    tensors = [torch.randn(count, d, dtype=torch.float64) for d in paths.dims]
    tensors[2] = torch.randn(paths.dims.w, dtype=torch.float64)
    results = fully_connected(*tensors, paths.text(), "xywg", count)
    for result, argument in zip(results, tensors, strict=True):
        assert result.shape == argument.shape
