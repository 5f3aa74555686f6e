"""The face of the kernels, and the operators that read memory by address."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from pyg_equivariant import kernels
from pyg_equivariant.kernels.paths import Paths
from pyg_equivariant.o3 import TensorProductPaths

from .table import (
    EDGES,
    FREE,
    NODES,
    SPREAD,
    THEIRS,
    Argument,
    Entry,
    edges,
    entry,
    only,
    outcome,
    real,
)

PATHS = TensorProductPaths.depthwise("6x0e+2x1o", "0e+1o", keep="0e+1o")
MIXING = TensorProductPaths.fully_connected("6x0e+2x1o", "0e+1o", "3x0e+2x1o")
MIXED = kernels.SpeciesForm(
    *(8, 4, 4),
    (kernels.SpeciesBlock(0, 0, 0, 1, 2, 1), kernels.SpeciesBlock(2, 1, 2, 3, 2, 1)),
)
GATE = kernels.GateForm(5, 4, 1, 1, 1.0, 1.0, (kernels.GateBlock(2, 1, 1, 1, 3, 1),))
# The face of the kernels joins dtypes to the widest.
WIDER = outcome(FREE, "joined to the widest", "float64", "float16")
MISSING = {"missing": (FREE, "none")}
_edge = partial(real, EDGES, rows="edges")
_node = partial(real, NODES, rows="nodes")


def _convolution(name: str) -> Entry:
    convolve = kernels.Convolution(PATHS)
    backend = "reference" if "reference" in name else "auto"

    def call(**inputs: Any) -> Any:
        return convolve(**inputs, backend=backend)

    number = PATHS.weight_numel
    weight = (
        real(number, valid=WIDER, aliases=("weights",))
        if "shared" in name
        else _edge(number, valid=WIDER)
    )
    if "shared" not in name:
        one = {"a single row": (SPREAD, "weights that all edges share")}
        weight = _edge(number, valid=WIDER | one, aliases=("weights",))
    arguments = {
        "x": _node(12, valid=WIDER),
        "y": _edge(4, valid=WIDER),
        "weight": weight,
        "edge_index": edges(),
        "num_targets": Argument(NODES, "size", aliases=("target nodes",)),
    }
    return Entry(call, arguments)


def _node_first(name: str) -> Entry:
    product = TensorProductPaths.fully_connected(
        "4x0e+2x1o+4x0e+2x1o+2x0e", "0e+1o", "3x0e+2x1o"
    )
    arguments = {
        "x_i": _node(10, valid=WIDER),
        "x_j": real(NODES, 10, rows="sources", valid=WIDER),
        "edge_attr": _edge(2, valid=WIDER),
        "edge_sh": _edge(4, valid=WIDER),
        "weight": real(product.weight_numel, valid=WIDER),
        "edge_index": edges(),
    }
    return Entry(kernels.NodeFirst(product, 2), arguments)


def _edge_product(name: str) -> Entry:
    irreps = "3x0e+3x1o"
    product = TensorProductPaths.elementwise(irreps, irreps, has_weight=True)
    compute = kernels.EdgeProduct(product)
    constants = [c.float() for c in compute.constants]
    unread = dict.fromkeys(
        ("source too large", "source negative"),
        (FREE, "only where edges arrive is read"),
    )
    arguments = {
        "x": _edge(12, valid=WIDER),
        "y": _node(12, valid=WIDER),
        "weight": real(product.weight_numel, valid=WIDER),
        "edge_index": edges(valid=unread),
    }

    def call(**inputs: Any) -> Any:
        return compute(**inputs, constants=constants)

    return Entry(call, arguments)


def _neighbor_sum(name: str) -> Entry:
    unread = dict.fromkeys(
        ("source too large", "source negative"),
        (FREE, "only where edges arrive is read"),
    )
    arguments = {
        "messages": _edge(6, columns=False, valid=WIDER),
        "edge_index": edges(valid=unread),
        "num_targets": Argument(NODES, "size", aliases=("target nodes",)),
        "weight": _edge(columns=False, valid=WIDER | MISSING),
    }
    return Entry(kernels.neighbor_sum, arguments)


def _product(name: str) -> Entry:
    compute = kernels.TensorProductKernel(MIXING)
    constants = [c.float() for c in compute.constants]
    one = {
        "one row": (SPREAD, "leading dimensions broadcast"),
        "a single row": (SPREAD, "leading dimensions broadcast"),
        "a dimension before": (FREE, "leading dimensions broadcast"),
    }
    samples = partial(real, 6, rows="samples", valid=one)
    arguments = {"x1": samples(12), "x2": samples(4)}
    arguments["weight"] = real(MIXING.weight_numel, aliases=("weights",))
    return Entry(partial(compute, constants=constants), arguments)


CONTRACTION = kernels.SymmetricContractionKernel("0e+1o", "0e+1o", 2)


def _kinds(**options: Any) -> Argument:
    value = torch.tensor([1, 0, 2, 2, 1])
    return Argument(value, "labels", "nodes", **options)


def _contraction(name: str) -> Entry:
    coefficients, *places = CONTRACTION.constants
    constants = [coefficients.float(), *places]
    call = partial(CONTRACTION, constants=constants)
    arguments = {
        "x": _node(8, valid=WIDER),
        "weight": real(3, CONTRACTION.form.num_paths, 2, valid=WIDER),
        "species": _kinds(),
    }
    return Entry(call, arguments)


def _contractions(name: str) -> Entry:
    """The operator of symmetric contractions, or one of its derivatives."""
    operator = getattr(OPS, name.split(".")[1])
    form = CONTRACTION.form
    rows = len(form.monomials)
    arguments = {
        "x": _node(2 * form.dim_in, valid=DISPATCHED),
        "table": real(3, rows, 2, valid=DISPATCHED),
        "species": _kinds(valid=DISPATCHED),
    }
    if not name.endswith("contraction"):
        arguments["grad"] = _node(2 * form.dim_out, valid=DISPATCHED)
    if name.endswith("second"):
        arguments["along_x"] = _node(2 * form.dim_in, valid=DISPATCHED)
        arguments["along_table"] = real(3, rows, 2, valid=DISPATCHED)

    def call(**inputs: Any) -> Any:
        return operator(*inputs.values(), form.text)

    return Entry(call, arguments)


def _edge_pairs(name: str) -> Entry:
    both = torch.tensor([[0, 1, 2, 0, 3, 4], [1, 0, 0, 2, 4, 3]])
    free = dict.fromkeys(
        ("source too large", "target too large"),
        (FREE, "nobody says how many nodes there are"),
    )
    arguments = {"edge_index": Argument(both, "edges", alone=True, valid=free)}
    return Entry(kernels.edge_pairs, arguments)


def _gate(name: str) -> Entry:
    call = partial(kernels.gate, form=GATE)
    x = real(6, 5, valid=WIDER)
    return Entry(call, {"x": x, "bias": real(2, valid=WIDER | MISSING)})


def _species(valid: dict[str, tuple[str, str]]) -> dict[str, Argument]:
    labels = torch.tensor([1, 0, 2, 2, 0])
    return {
        "x": real(NODES, 8, rows="nodes", valid=valid),
        "weight": real(3, 4, rows="species", valid=valid),
        "species": Argument(labels, "labels", "nodes", valid=valid),
    }


def _species_product(name: str) -> Entry:
    return Entry(partial(kernels.species_product, form=MIXED), _species({}))


def _activation(name: str) -> Entry:
    call = getattr(kernels, name.split(" ")[0])
    free = WIDER | {"no dimensions": (FREE, "any shape")}
    shape = (300, 60) if "large" in name else (6, 5)
    return Entry(call, {"x": only(*shape, columns=False, valid=free)})


def _matmul(name: str) -> Entry:
    rows, k, n = (600, 100, 80) if "large" in name else (6, 5, 4)
    arguments = {
        "a": real(rows, k),
        "b": real(k, n, rows="k"),
        "bias": real(n, valid=MISSING),
    }
    return Entry(kernels.matmul, arguments)


def _harmonics(name: str) -> Entry:
    call: Any = partial(kernels.spherical_harmonics, "0e+1o+2e")
    if name == "evaluate_harmonics":
        call = partial(kernels.evaluate_harmonics, blocks=((1, 0), (2, 1)))
    return Entry(call, {"vectors": only(EDGES, 3, valid=WIDER)})


entry(
    _convolution,
    "Convolution",
    "Convolution of shared weights",
    "Convolution by reference",
)
entry(_edge_product, "EdgeProduct")
entry(_node_first, "NodeFirst")
entry(_neighbor_sum, "neighbor_sum")
entry(_product, "TensorProductKernel")
entry(_contraction, "SymmetricContractionKernel")
entry(_edge_pairs, "edge_pairs")
entry(_gate, "kernels.gate")
entry(_species_product, "species_product")
entry(_activation, "silu", "silu of large tensors", "shifted_softplus of large tensors")
entry(_matmul, "matmul", "matmul of large matrices")
entry(_harmonics, "kernels.spherical_harmonics", "evaluate_harmonics")

# What the dispatcher of torch does before it calls us.
DISPATCHED = dict.fromkeys(
    ("a list", "an array", "text"),
    (THEIRS, "torch refuses what does not fit the schema of an operator"),
)
DISPATCHED["on meta"] = (FREE, "torch asks for the shapes of the results alone")
ANY_SHAPE = {"no dimensions": (FREE, "any shape")}
OPS = torch.ops.pyg_equivariant


def _operator(name: str) -> Entry:
    """A function of rows, or one of its derivatives, as the dispatcher has it."""
    kind = name.split(".")[1]
    root = kind.removesuffix("_gradient").removesuffix("_second")
    alone = kind == root and root != "gate"
    free = DISPATCHED | (WIDER if alone else {})
    rows = partial(real, 6, rows="samples", alone=alone, valid=free)
    of_any = rows(5)
    if alone:
        of_any = only(6, 5, columns=False, valid=free | ANY_SHAPE)
    x, shift, out, form = {
        "gate": (rows(5), real(2, valid=DISPATCHED), rows(4), GATE.text),
        "spherical_harmonics": (rows(3), None, rows(9), "component normalized 0 1 2"),
        "activation": (of_any, None, rows(5), "silu"),
    }[root]
    arguments = {"x": x}
    if shift is not None:
        arguments["shift"] = shift
    if kind != root:
        arguments["grad"] = out
    if kind.endswith("_second"):
        arguments["along"] = rows(x.value.shape[1])
    operator = getattr(OPS, kind)

    def call(x: Any, grad: Any = None, along: Any = None, shift: Any = None) -> Any:
        return operator(
            x,
            shift,
            *(t for k, t in (("grad", grad), ("along", along)) if k in arguments),
            form,
        )

    return Entry(call, arguments)


def _derivatives(name: str) -> Entry:
    """All derivatives of a form at once."""
    if "convolution" in name:
        paths = Paths.of(PATHS, "uvu")
        x, y, w, g = paths.dims
        arguments = {
            "x": real(NODES, x, rows="sources", valid=DISPATCHED),
            "y": _edge(y, valid=DISPATCHED),
            "w": _edge(w, valid=DISPATCHED),
            "g": _node(g, valid=DISPATCHED),
            "edge_index": edges(valid=DISPATCHED, aliases=("y", "w")),
        }

        def call(x: Any, y: Any, w: Any, g: Any, edge_index: Any) -> Any:
            rest = paths.text(), "xywg", NODES, NODES, "auto"
            return OPS.convolution(x, y, w, g, edge_index, *rest)

    else:
        paths = Paths.of(MIXING, "uvw")
        x, y, w, g = paths.dims
        rows = partial(real, 6, rows="samples", valid=DISPATCHED)
        arguments = {"x": rows(x), "y": rows(y), "g": rows(g)}
        arguments["w"] = real(w, valid=DISPATCHED)

        def call(x: Any, y: Any, w: Any, g: Any) -> Any:  # type: ignore[misc]
            return OPS.fully_connected(x, y, w, g, paths.text(), "xywg", 6)

    return Entry(call, arguments)


def _species_operator(name: str) -> Entry:
    """The map of every species, as the dispatcher has it."""

    def call(x: Any, weight: Any, species: Any) -> Any:
        return OPS.species_product(x, weight, None, species, 3, MIXED.text, "y")

    return Entry(call, _species(DISPATCHED))


functions = ("gate", "spherical_harmonics", "activation")
entry(
    _operator, *(f"ops.{f}{k}" for f in functions for k in ("", "_gradient", "_second"))
)
entry(
    _contractions,
    *(f"ops.symmetric_contraction{k}" for k in ("", "_gradient", "_second")),
)
entry(_derivatives, "ops.convolution", "ops.fully_connected")
entry(_species_operator, "ops.species_product")
