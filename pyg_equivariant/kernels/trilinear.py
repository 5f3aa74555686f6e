"""One operator, closed under differentiation, for the tensor-product convolution.

The form :math:`F(x, y, w, g)` is linear in each argument, so its derivative with
respect to one does not contain that one, and is linear in the others: the derivatives
of ``contract`` are ``contract`` again, to any order.
"""

from __future__ import annotations

import warnings
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor

from .c_backend import contract_c
from .c_build import BuildError, compiler
from .table import Table
from .trilinear_reference import contract_reference

_SCHEMA = (
    "(Tensor? x, Tensor? y, Tensor? w, Tensor? g, Tensor edge_index, "
    "SymInt num_sources, SymInt num_targets, str table, str wanted) -> Tensor[]"
)


def _contract(
    x: Tensor | None,
    y: Tensor | None,
    w: Tensor | None,
    g: Tensor | None,
    edge_index: Tensor,
    num_sources: int,
    num_targets: int,
    table: str,
    wanted: str,
) -> list[Tensor]:
    arguments = {"x": x, "y": y, "w": w, "g": g}
    sizes = num_sources, num_targets
    form = Table.parse(table)
    first = next(t for t in arguments.values() if t is not None)
    compiled = first.device.type == "cpu" and first.dtype in _COMPILED
    if compiled and compiler_or_warning():
        try:
            return contract_c(form, arguments, edge_index, sizes, wanted)
        except BuildError as error:
            warnings.warn(f"{error}; plain torch runs instead", stacklevel=2)
    return contract_reference(form, arguments, edge_index, sizes, wanted)


_COMPILED = (torch.float32, torch.float64)


@cache
def compiler_or_warning() -> bool:
    """Whether C can be compiled; if not, say so once."""
    if compiler() is None:
        warnings.warn(
            "no C compiler was found, so tensor-product convolutions run in plain "
            "torch, much slower; install gcc or clang, or set CC",
            stacklevel=2,
        )
    return compiler() is not None


contract = torch.library.custom_op(
    "pyg_equivariant::contract", _contract, mutates_args=(), schema=_SCHEMA
)


@contract.register_fake
def _(
    x: Tensor | None,
    y: Tensor | None,
    w: Tensor | None,
    g: Tensor | None,
    edge_index: Tensor,
    num_sources: int,
    num_targets: int,
    table: str,
    wanted: str,
) -> list[Tensor]:
    edges = edge_index.shape[1]
    rows = dict(zip("xywg", (num_sources, edges, edges, num_targets), strict=True))
    dims = dict(zip("xywg", Table.parse(table).dims, strict=True))
    like = next(t for t in (x, y, w, g) if t is not None)
    return [like.new_empty(rows[a], dims[a]) for a in wanted]


def _save(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    ctx.save_for_backward(*inputs[:5])
    *ctx.sizes, ctx.table, ctx.wanted = inputs[5:]
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grads: list[Tensor | None]) -> tuple[Tensor | None, ...]:
    *saved, edge_index = ctx.saved_tensors
    arguments = dict(zip("xywg", saved, strict=True))
    needed = [a for a, n in zip("xywg", ctx.needs_input_grad[:4], strict=True) if n]
    totals: dict[str, Tensor] = {}
    for letter, grad in zip(ctx.wanted, grads, strict=True):
        wanted = "".join(a for a in needed if a != letter)
        if grad is None or not wanted:
            continue
        replaced = {**arguments, letter: grad}
        table = _weighted(ctx.table) if letter == "w" else ctx.table
        parts = contract(*replaced.values(), edge_index, *ctx.sizes, table, wanted)
        for a, part in zip(wanted, parts, strict=True):
            totals[a] = totals[a] + part if a in totals else part
    return tuple(totals.get(a) for a in "xywg") + (None,) * 5


@lru_cache(maxsize=256)
def _weighted(table: str) -> str:
    """The paths with weights: those without are constant in ``w``."""
    form = Table.parse(table)
    return form._replace(terms=tuple(t for t in form.terms if t.w >= 0)).text()


contract.register_autograd(_backward, setup_context=_save)
