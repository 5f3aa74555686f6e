"""The mistakes that can be made with an argument, by its kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .table import EITHER, FREE, REFUSED, SAME, Argument, Entry

Case = tuple[str, Any, str]  # its name, the argument, and what must become of it


def cases_of(entry: Entry, name: str) -> Iterator[Case]:
    """All cases of an argument."""
    argument = entry.arguments[name]
    value = argument.value
    if not isinstance(value, Tensor):
        found = _numbers(value)
    else:
        shared = [a.rows for a in entry.arguments.values()].count(argument.rows) > 1
        found = [
            *_foreign(value, argument),
            *_layouts(value),
            *_KINDS[argument.kind](value),
        ]
        if argument.kind != "edges":
            found += [*_shapes(value, argument)]
        if argument.rows is not None and shared:
            found += [*_rows(value, argument.kind == "edges")]
    for case, wrong, outcome in found:
        yield case, wrong, argument.valid.get(case, (outcome, ""))[0]
    unknown = argument.valid.keys() - {case for case, *_ in found}
    assert not unknown, f"{name} has no cases {sorted(unknown)}"


def _rows(t: Tensor, is_index: bool) -> Iterator[Case]:
    """Rows that are too many or too few; of edges, the columns."""
    dim = int(is_index)
    count = t.shape[dim]
    yield "a row less", t.narrow(dim, 0, count - 1), REFUSED
    yield "a row more", torch.cat([t, t.narrow(dim, 0, 1)], dim), REFUSED
    yield "one row", t.narrow(dim, 0, 1), REFUSED
    yield "no rows", t.narrow(dim, 0, 0), REFUSED
    yield "twice the rows", torch.cat([t, t], dim), REFUSED


def _shapes(t: Tensor, argument: Argument) -> Iterator[Case]:
    if argument.columns and t.dim() > 1 - (argument.rows is None):
        last = t.shape[-1]
        yield "a column less", t[..., : last - 1], REFUSED
        yield "a column more", torch.cat([t, t[..., :1]], -1), REFUSED
        yield "no columns", t[..., :0], REFUSED
        if last > 1:
            yield "one column", t[..., :1], REFUSED
    if argument.rows is not None:
        yield "a dimension more", t.unsqueeze(-1), REFUSED
        yield "a dimension before", t.unsqueeze(0), REFUSED
        if t.dim() > 1:
            yield "transposed", t.transpose(0, -1), REFUSED
            yield "a single row", t[0], REFUSED
            yield "flat", t.flatten(), REFUSED
    yield "no dimensions", t.flatten()[0], REFUSED


def _foreign(t: Tensor, argument: Argument) -> Iterator[Case]:
    """What is no tensor, or elsewhere, or lies otherwise in memory."""
    yield "on meta", t.to("meta"), FREE if argument.alone else REFUSED
    yield "a list", t.tolist(), REFUSED
    yield "an array", t.numpy(), REFUSED
    yield "text", "tensor", REFUSED
    yield "missing", None, REFUSED
    if t.dim():
        yield "sparse", t.to_sparse(), REFUSED
    if t.dim() == 2:
        yield "sparse rows", t.to_sparse_csr(), REFUSED


def _layouts(t: Tensor) -> Iterator[Case]:
    """The same numbers elsewhere in memory: no mistake at all."""
    spaced = torch.stack([t, t.flip(-1) if t.dim() else t], -1)[..., 0]
    yield "spaced", spaced, SAME
    offset = torch.cat([t.new_zeros(3), t.flatten()])[3:].view(t.shape)
    yield "not at the start", offset, SAME
    if t.dim() > 1:
        yield "columns first", t.transpose(0, -1).contiguous().transpose(0, -1), SAME
    if t.dim():
        wide = torch.cat([t, t], -1)[..., : t.shape[-1]]
        yield "of wider rows", wide, SAME


def _reals(t: Tensor) -> Iterator[Case]:
    yield "float64", t.double(), REFUSED
    yield "float16", t.half(), REFUSED
    yield "complex", t.to(torch.complex64), REFUSED
    yield "int64", t.long(), REFUSED
    yield "int32", t.int(), REFUSED
    yield "bool", t > 0, REFUSED
    for case, number in (("NaN", torch.nan), ("infinite", torch.inf)):
        wrong = t.clone()
        wrong.view(-1)[-1] = number
        yield case, wrong, FREE


def _integers(t: Tensor) -> Iterator[Case]:
    yield "int32", t.int(), SAME
    yield "int16", t.short(), EITHER
    yield "uint8", t.byte(), EITHER
    yield "float32", t.float(), REFUSED
    yield "float64", t.double(), REFUSED
    yield "complex", t.to(torch.complex64), REFUSED
    yield "bool", t > 0, REFUSED
    values = ("negative", -1), ("very negative", -(2**40)), ("huge", 2**40)
    for case, number in values:
        wrong = t.clone()
        wrong.view(-1)[-1] = number
        yield case, wrong, REFUSED


def _labels(t: Tensor) -> Iterator[Case]:
    yield from _integers(t)
    wrong = t.clone()
    wrong[0] = 1000
    yield "too large", wrong, REFUSED


def _edges(t: Tensor) -> Iterator[Case]:
    yield from _integers(t)
    for case, row in (("source", 0), ("target", 1)):
        for kind, number in (("too large", int(t.max()) + 1), ("negative", -1)):
            wrong = t.clone()
            wrong[row, 2] = number
            yield f"{case} {kind}", wrong, REFUSED
    yield "one line", t[:1], REFUSED
    yield "three lines", torch.cat([t, t[:1]]), REFUSED
    yield "no lines", t[:0], REFUSED
    yield "transposed", t.t(), REFUSED
    yield "flat", t.flatten(), REFUSED
    yield "a dimension more", t.unsqueeze(-1), REFUSED
    yield "a dimension before", t.unsqueeze(0), REFUSED
    yield "no dimensions", t[0, 0], REFUSED


def _images(t: Tensor) -> Iterator[Case]:
    """How often lattice vectors are added: numbers of any dtype that has a minus."""
    for dtype in (torch.int32, torch.int16, torch.float32, torch.float64):
        yield str(dtype), t.to(dtype), EITHER
    yield "complex", t.to(torch.complex64), REFUSED
    yield "bool", t > 0, REFUSED


def _flags(t: Tensor) -> Iterator[Case]:
    yield "int64", t.long(), REFUSED
    yield "float32", t.float(), REFUSED
    yield "complex", t.to(torch.complex64), REFUSED


def _numbers(value: Any) -> list[Case]:
    """What is no tensor: sizes and lengths."""
    found: list[Case] = [
        ("negative", -1, REFUSED),
        ("text", "one", REFUSED),
        ("missing", None, REFUSED),
        ("NaN", float("nan"), REFUSED),
        ("infinite", float("inf"), REFUSED),
        ("a tensor", torch.ones(3), REFUSED),
    ]
    if isinstance(value, int):
        found += [("zero", 0, REFUSED), ("one less", value - 1, REFUSED)]
        found += [("a fraction", value + 0.5, REFUSED)]
    return found


_KINDS = {"real": _reals, "labels": _labels, "edges": _edges, "flags": _flags}
_KINDS["images"] = _images
