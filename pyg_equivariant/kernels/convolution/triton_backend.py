"""Derivatives of the trilinear form by Triton, on CUDA devices."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from .edge_order import EdgeOrder, Segments, edge_order
from .table import Table
from ..triton.build import TritonError, load
from .triton_plan import Plan, plan_kernels

_WIDE = {
    torch.bfloat16: torch.float32,
    torch.float16: torch.float32,
    torch.float32: torch.float32,
    torch.float64: torch.float64,
}
_JOINED = 128  # columns of a program that adds up segments


def contract_triton(
    table: Table,
    arguments: dict[str, Tensor | None],
    edge_index: Tensor,
    sizes: tuple[int, int],
    wanted: str,
) -> list[Tensor]:
    """What :func:`contract_reference` specifies, on floating-point CUDA tensors.

    Sums are in float32, or float64 of float64; results are of the dtype of arguments.

    Raises:
        TritonError: if the kernels cannot be compiled or launched.
    """
    given = {name: _rows(t) for name, t in arguments.items() if t is not None}
    like = next(iter(given.values()))
    if edge_index.device != like.device:
        raise ValueError(
            f"expected edge_index on {like.device}, as the features, got it on "
            f"{edge_index.device}"
        )
    edges = edge_index.shape[1]
    rows = dict(zip("xywg", (sizes[0], edges, edges, sizes[1]), strict=True))
    dims = dict(zip("xywg", table.dims, strict=True))
    out = {a: _results(table, a, rows[a], dims[a], like) for a in wanted}
    order = edge_order(edge_index, *sizes)
    if not table.terms or not edges:
        return [out[a].zero_() for a in wanted]
    with _on(like):
        for part in (wanted.replace("g", ""), "g" if "g" in wanted else ""):
            if part:
                _run(table, part, given, order, out)
    return [out[a] for a in wanted]


def _run(
    table: Table,
    wanted: str,
    given: dict[str, Tensor],
    order: EdgeOrder,
    out: dict[str, Tensor],
) -> None:
    """Write some derivatives, all by programs of one owner."""
    like = next(iter(given.values()))
    wide = _WIDE[like.dtype]
    plan = _plan(table, wanted, str(wide).removeprefix("torch."))
    owner = plan.owner
    segments = order.segments_by_target if owner == "g" else order.segments_by_source
    results = {a: _summed(plan, a, out[a], wide) for a in wanted}
    module = _module(plan)
    _launch(module, plan, given, segments.whole, segments, results)
    if len(segments.joins):
        whole = results.get(owner)
        if whole is not None:
            results[owner] = whole.new_zeros(
                len(segments.pieces), whole.shape[1], dtype=wide
            )
        _launch(module, plan, given, segments.pieces, segments, results)
        if whole is not None:
            grid = (len(segments.joins), -(-whole.shape[1] // _JOINED))
            sizes = {"DIM": whole.shape[1], "BLOCK": _JOINED}
            _try(module["join"][grid], segments.joins, results[owner], whole, **sizes)
            results[owner] = whole
    for a, result in results.items():
        if result is not out[a]:
            out[a].copy_(result.sum(1) if a == "y" else result)


def _summed(plan: Plan, a: str, out: Tensor, wide: torch.dtype) -> Tensor:
    """Where kernels write a derivative: wide if several of them add to it."""
    if a not in plan.stages or (out.dtype == wide and (a != "y" or plan.parts == 1)):
        return out
    if a == "y":
        return out.new_empty(len(out), plan.parts, out.shape[1], dtype=wide)
    return out.to(wide)


def _launch(
    module: dict[str, Any],
    plan: Plan,
    given: dict[str, Tensor],
    programs: Tensor,
    segments: Segments,
    results: dict[str, Tensor],
) -> None:
    """Run all kernels of a plan on some segments."""
    arguments: list[Any] = []
    for a in plan.reads:
        arguments += [given[a], given[a].stride(0)]
    for group in plan.groups:
        count = -(-len(programs) // group.rows)
        if count:
            kernel = module[group.name][(count, group.blocks)]
            visits = segments.visits
            _try(kernel, programs, visits, *arguments, *results.values(), num_warps=1)


def _try(launch: Any, *arguments: Any, **options: Any) -> None:
    try:
        launch(*arguments, **options)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise TritonError(f"Triton could not run a kernel: {error}") from error


@lru_cache(maxsize=256)
def _plan(table: Table, wanted: str, real: str) -> Plan:
    return plan_kernels(table, wanted, real)


def _module(plan: Plan) -> dict[str, Any]:
    try:
        return load(plan.text)
    except Exception as error:
        raise TritonError(f"Triton could not read a kernel: {error}") from error


def _on(like: Tensor) -> AbstractContextManager[object]:
    """The device on which kernels start."""
    return torch.cuda.device(like.device) if like.is_cuda else nullcontext()


def _rows(t: Tensor) -> Tensor:
    """The same numbers, each row consecutive."""
    return t if t.stride(-1) == 1 or t.shape[-1] == 1 else t.contiguous()


def _results(table: Table, a: str, rows: int, dim: int, like: Tensor) -> Tensor:
    """Memory for a derivative, zero where no path writes."""
    sizes = {
        "x": {(t.x, (2 * t.l1 + 1) * t.mul) for t in table.terms},
        "y": {(0, dim)},
        "w": {(t.w, t.mul) for t in table.terms if t.w >= 0},
        "g": {(t.g, (2 * t.l3 + 1) * t.mul) for t in table.terms},
    }
    if sum(size for _, size in sizes[a]) < dim:
        return like.new_zeros(rows, dim)
    return like.new_empty(rows, dim)
