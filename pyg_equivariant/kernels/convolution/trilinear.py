"""One operator, closed under differentiation, for the tensor-product convolution.

The form :math:`F(x, y, w, g)` is linear in each argument, so its derivative with
respect to one does not contain that one, and is linear in the others: the derivatives
of ``contract`` are ``contract`` again, to any order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..compiled.build import BuildError, compiler, compiler_or_warning, warn_once
from ..compiled.forms import differentiate
from ..compiled.memory import REAL
from .c_backend import contract_c
from .reference import contract_reference
from .table import Table
from .triton_backend import contract_triton
from ..triton.build import TritonError, has_triton, interpreting

_SCHEMA = (
    "(Tensor? x, Tensor? y, Tensor? w, Tensor? g, Tensor edge_index, "
    "SymInt num_sources, SymInt num_targets, str table, str wanted, *, "
    "str backend='auto') -> Tensor[]"
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
    *,
    backend: str = "auto",
) -> list[Tensor]:
    arguments = {"x": x, "y": y, "w": w, "g": g}
    sizes = num_sources, num_targets
    form = Table.parse(table)
    like = next(t for t in arguments.values() if t is not None)
    chosen = _automatic(like) if backend == "auto" else _asked(backend, like)
    try:
        if chosen == "c":
            return contract_c(form, arguments, edge_index, sizes, wanted)
        if chosen == "triton":
            return contract_triton(form, arguments, edge_index, sizes, wanted)
    except (BuildError, TritonError) as error:
        if backend != "auto":
            raise
        warn_once(f"{error}; plain torch runs instead")
    wide = torch.promote_types(like.dtype, torch.float32)
    widened = {a: None if t is None else t.to(wide) for a, t in arguments.items()}
    found = contract_reference(form, widened, edge_index, sizes, wanted)
    return [t.to(like.dtype) for t in found]


def _automatic(like: Tensor) -> str:
    """The fastest backend for such tensors."""
    device = like.device.type
    if device == "cpu" and like.dtype in REAL and compiler_or_warning():
        return "c"
    if device == "cuda" and triton_or_warning():
        return "triton"
    return "reference"


def _asked(backend: str, like: Tensor) -> str:
    """The backend asked for, if it can serve such tensors."""
    otherwise = "or leave backend='auto'"
    device = like.device.type
    if backend == "c":
        if device != "cpu" or like.dtype not in REAL:
            raise ValueError(
                "backend='c' takes float32 or float64 on the CPU, got "
                f"{like.dtype} on {like.device}: move them, {otherwise}"
            )
        if compiler() is None:
            raise RuntimeError(
                "backend='c' needs a C compiler, and none was found: install gcc or "
                f"clang, or set CC, {otherwise}"
            )
    if backend == "triton":
        if not has_triton():
            raise RuntimeError(
                "backend='triton' needs Triton, which is not installed: "
                f"pip install triton, {otherwise}"
            )
        if device != "cuda" and not (device == "cpu" and interpreting()):
            raise ValueError(
                "backend='triton' takes CUDA tensors (or CPU tensors, slowly, where "
                "TRITON_INTERPRET=1 is set before Python starts), got them on "
                f"{like.device}: move them, {otherwise}"
            )
    return backend


def triton_or_warning() -> bool:
    """Whether Triton is installed; if not, say so once."""
    if not has_triton():
        warn_once(
            "Triton was not found, so tensor-product convolutions on CUDA run in plain "
            "torch, much slower; pip install triton"
        )
    return has_triton()


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
    *,
    backend: str = "auto",
) -> list[Tensor]:
    edges = edge_index.shape[1]
    rows = dict(zip("xywg", (num_sources, edges, edges, num_targets), strict=True))
    dims = dict(zip("xywg", Table.parse(table).dims, strict=True))
    like = next(t for t in (x, y, w, g) if t is not None)
    return [like.new_empty(rows[a], dims[a]) for a in wanted]


def _save(
    ctx: Any,
    inputs: tuple[Any, ...],
    keyword_only_inputs: dict[str, str],
    output: list[Tensor],
) -> None:
    ctx.save_for_backward(*inputs[:5])
    *ctx.sizes, ctx.table, ctx.wanted = inputs[5:]
    ctx.options = keyword_only_inputs
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grads: list[Tensor | None]) -> tuple[Tensor | None, ...]:
    *saved, edge_index = ctx.saved_tensors

    def again(
        arguments: dict[str, Tensor | None], replaced: str, wanted: str
    ) -> list[Tensor]:
        table = _weighted(ctx.table) if replaced == "w" else ctx.table
        rest = edge_index, *ctx.sizes, table, wanted
        return contract(*arguments.values(), *rest, **ctx.options)

    arguments = dict(zip("xywg", saved, strict=True))
    needs_grad = ctx.needs_input_grad[:4]
    found = differentiate(again, arguments, ctx.wanted, grads, needs_grad)
    return *found, *(None,) * 5


@lru_cache(maxsize=256)
def _weighted(table: str) -> str:
    """The paths with weights: those without are constant in ``w``."""
    form = Table.parse(table)
    return form._replace(terms=tuple(t for t in form.terms if t.w >= 0)).text()


contract.register_autograd(_backward, setup_context=_save)
