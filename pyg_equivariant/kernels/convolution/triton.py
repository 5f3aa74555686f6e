"""Derivatives of the convolution by Triton, on CUDA devices."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..c.memory import contiguous_rows
from ..multilinear import Arguments, Shapes
from ..paths import Paths, couplings
from ..templates import render
from ..triton.build import TritonError, load
from .order import EdgeOrder, Segments
from .plan import Plan, plan_kernels

_TEMPLATE = Path(__file__).with_name("triton.py.jinja")
_WIDE = {
    torch.bfloat16: torch.float32,
    torch.float16: torch.float32,
    torch.float32: torch.float32,
    torch.float64: torch.float64,
}
_JOINED = 128  # columns of a program that adds up segments


def convolution_triton(
    paths: Paths, arguments: Arguments, order: EdgeOrder, shapes: Shapes, outputs: str
) -> list[Tensor]:
    """What the reference specifies, on floating-point CUDA tensors.

    Sums are in float32, or float64 of float64; results are of the dtype of arguments.

    Raises:
        TritonError: if the kernels cannot be compiled or launched.
    """
    given = {a: contiguous_rows(t) for a, t in arguments.items() if t is not None}
    like = next(iter(given.values()))
    results = {a: _new(paths, a, shapes[a], like) for a in outputs}
    if not paths.terms or not order.edges.shape[1]:
        return [result.zero_() for result in results.values()]
    with _on(like):
        # Programs own sources, or targets
        for owned in (outputs.replace("g", ""), "g" if "g" in outputs else ""):
            if owned:
                _run(paths, owned, given, order, results)
    return list(results.values())


def _run(
    paths: Paths,
    outputs: str,
    given: dict[str, Tensor],
    order: EdgeOrder,
    results: dict[str, Tensor],
) -> None:
    """Write some derivatives, all by programs of one owner."""
    like = next(iter(given.values()))
    wide = _WIDE[like.dtype]
    real = str(wide).removeprefix("torch.")
    plan, text = _plan(paths, outputs, real)
    owner = plan.owner
    segments = order.segments_by_target if owner == "g" else order.segments_by_source
    sums = {a: _summed(plan, a, results[a], wide) for a in outputs}
    module = _module(text)
    _launch(module, plan, given, segments.whole, segments, sums)
    if len(segments.joins):
        whole = sums.get(owner)
        if whole is not None:
            rows = len(segments.pieces)
            sums[owner] = whole.new_zeros(rows, whole.shape[1], dtype=wide)
        _launch(module, plan, given, segments.pieces, segments, sums)
        if whole is not None:
            grid = (len(segments.joins), -(-whole.shape[1] // _JOINED))
            sizes = {"DIM": whole.shape[1], "BLOCK": _JOINED}
            _try(module["join"][grid], segments.joins, sums[owner], whole, **sizes)
            sums[owner] = whole
    for a, total in sums.items():
        if total is not results[a]:
            results[a].copy_(total.sum(1) if a == "y" else total)


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
    sums: dict[str, Tensor],
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
            _try(kernel, programs, visits, *arguments, *sums.values(), num_warps=1)


def _try(launch: Any, *arguments: Any, **options: Any) -> None:
    try:
        launch(*arguments, **options)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise TritonError(f"Triton could not run a kernel: {error}") from error


@lru_cache(maxsize=256)
def _plan(paths: Paths, outputs: str, real: str) -> tuple[Plan, str]:
    """What to launch, and the text of the kernels."""
    plan = plan_kernels(paths, outputs, real)
    variables = {
        **plan._asdict(),
        "dims": paths.dims,
        "outputs": outputs,
        "real": real,
        "couplings": couplings,
        "y_width": 1 << max(0, paths.dims.y - 1).bit_length(),
    }
    return plan, render(_TEMPLATE.read_text("utf-8"), variables)


def _module(text: str) -> dict[str, Any]:
    try:
        return load(text)
    except Exception as error:
        raise TritonError(f"Triton could not read a kernel: {error}") from error


def _on(like: Tensor) -> AbstractContextManager[object]:
    """The device on which kernels start."""
    return torch.cuda.device(like.device) if like.is_cuda else nullcontext()


def _new(paths: Paths, a: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Memory for a derivative, zero where no path writes."""
    blocks = {(getattr(t, a), math.prod(paths.shapes(t)[a])) for t in paths.terms}
    if a == "w":
        blocks = {(start, size) for start, size in blocks if start >= 0}
    is_full = a == "y" or sum(size for _, size in blocks) >= shape[1]
    return like.new_empty(shape) if is_full else like.new_zeros(shape)
