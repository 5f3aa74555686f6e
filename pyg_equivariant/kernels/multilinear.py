"""Operators that are their own derivatives.

A form :math:`F(x, y, w, g)` that is linear in each argument: its derivative with
respect to one does not contain that one, and is linear in the others. An operator that
returns such derivatives is therefore closed under differentiation, to any order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_device, check_real, check_tensor, clebsch_gordan

from .paths import LETTERS, Paths, Term
from .registration import register_operator

Arguments = dict[str, Tensor | None]
Shapes = dict[str, tuple[int, ...]]

_INDICES = {
    "uvu": {"x": "eiu", "y": "ej", "w": "eu", "g": "eku"},
    "uvw": {"x": "eiu", "y": "ej", "w": "uw", "g": "ekw"},
    "uuu": {"x": "eiu", "y": "eju", "w": "u", "g": "eku"},
}


def multilinear(
    name: str,
    connection: str,
    tensors: str,
    rest: str,
    run: Callable[..., list[Tensor]],
    shapes: Callable[..., Shapes],
) -> Callable[..., list[Tensor]]:
    """Register the operator that returns derivatives of a form.

    It takes ``x``, ``y``, ``w``, ``g`` and more tensors, the paths as text, the letters
    of the arguments to differentiate with respect to, and the rest. An argument may be
    ``None`` if it alone is wanted; ``w`` also if no path carries weights. To torch it
    always has four results, of which those that are not wanted are empty; what this
    function returns lists the others.

    Args:
        name: of the operator.
        connection: of its paths, ``"uvu"``, ``"uvw"`` or ``"uuu"``.
        tensors: schema of the tensors that follow ``g``, a comma behind each.
        rest: schema of what follows.
        run: the implementation; given the paths, the arguments by their letters, their
            shapes, the wanted letters, the tensors and the rest.
        shapes: of the four arguments; given the paths, the tensors and the rest.
    """
    count = 4 + tensors.count(",")

    def checked(*inputs: Any) -> tuple[Tensor, ...]:
        arguments = dict(zip(LETTERS, inputs, strict=False))
        text, outputs = inputs[count : count + 2]
        more = inputs[4:count] + inputs[count + 2 :]
        paths = Paths.parse(text)
        if paths.connection != connection:
            raise ValueError(f"{name} takes paths {connection}, got {text!r}")
        sizes = shapes(paths, *more)
        _check(arguments, paths, outputs, sizes)
        like = next(t for t in arguments.values() if t is not None)
        results = run(paths, arguments, sizes, outputs, *more)
        return _all_four(dict(zip(outputs, results, strict=True)), like)

    def fake(*inputs: Any) -> tuple[Tensor, ...]:
        like = next(t for t in inputs[:4] if t is not None)
        text, outputs, *rest = inputs[count:]
        sizes = shapes(Paths.parse(text), *inputs[4:count], *rest)
        return _all_four({a: like.new_empty(sizes[a]) for a in outputs}, like)

    def save(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
        ctx.save_for_backward(*inputs[:count])
        ctx.rest = inputs[count:]
        ctx.set_materialize_grads(False)

    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        """Derivatives again, with one argument replaced."""
        arguments = dict(zip(LETTERS, ctx.saved_tensors, strict=False))
        tensors = ctx.saved_tensors[4:]
        text, outputs, *rest = ctx.rest
        needs_grad = zip(LETTERS, ctx.needs_input_grad, strict=False)
        needed = [a for a, needs in needs_grad if needs]
        total: dict[str, Tensor] = {}
        for letter, grad in zip(LETTERS, grads, strict=True):
            others = "".join(a for a in needed if a != letter)
            if grad is None or letter not in outputs or not others:
                continue
            replaced = {**arguments, letter: grad}.values()
            paths = _weighted(text) if letter == "w" else text
            results = wanted(*replaced, *tensors, paths, others, *rest)
            for a, result in zip(others, results, strict=True):
                total[a] = total[a] + result if a in total else result
        return *(total.get(a) for a in LETTERS), *(None for _ in (*tensors, *ctx.rest))

    schema = (
        f"(Tensor? x, Tensor? y, Tensor? w, Tensor? g, {tensors}str paths, "
        f"str outputs, {rest}) -> (Tensor, Tensor, Tensor, Tensor)"
    )
    operator = register_operator(name, schema, checked, fake, backward, save)

    def wanted(*inputs: Any) -> list[Tensor]:
        results = dict(zip(LETTERS, operator(*inputs), strict=True))
        return [results[a] for a in inputs[count + 1]]

    return wanted


def _all_four(results: Mapping[str, Tensor], like: Tensor) -> tuple[Tensor, ...]:
    """One for every letter, empty if there is none."""
    return tuple(results[a] if a in results else like.new_empty(0) for a in LETTERS)


@lru_cache(maxsize=256)
def _weighted(text: str) -> str:
    """The paths with weights: those without are constant in ``w``."""
    paths = Paths.parse(text)
    terms = tuple(term for term in paths.terms if term.w >= 0)
    return paths._replace(terms=terms).text()


def _check(arguments: Arguments, paths: Paths, outputs: str, shapes: Shapes) -> None:
    """Refuse what the kernels, which read and write by address, could not survive."""
    if outputs.strip(LETTERS):
        raise ValueError(f"derivatives are with respect to x, y, w, g, got {outputs!r}")
    like = next((t for t in arguments.values() if t is not None), None)
    if like is None or not like.is_floating_point():
        got = "none" if like is None else str(like.dtype)
        raise ValueError(f"expected arguments of a floating-point dtype, got {got}")
    dtype, device = like.dtype, like.device
    for a, t in arguments.items():
        if t is None:
            is_read = outputs != a
            if is_read and (a != "w" or any(term.w >= 0 for term in paths.terms)):
                check_shape(a, t, shapes[a])
            continue
        check_shape(a, t, shapes[a])
        if t.dtype != dtype or t.device != device:
            raise ValueError(
                f"expected {a} of {dtype} on {device}, as the first argument, got "
                f"{t.dtype} on {t.device}"
            )


def check_shape(
    name: str, t: Tensor | None, shape: tuple[int, ...], edges: int | None = None
) -> None:
    """Refuse a tensor of another shape, or none.

    Args:
        name: what the caller named it.
        t: the tensor that came.
        shape: what it should have.
        edges: how many ``edge_index`` has, if that decides on the shape.

    Raises:
        TypeError: if it is no dense tensor.
        ValueError: if the shape is not the one expected.
    """
    if t is not None:
        check_tensor(t, name)
    if t is None or t.shape != shape:
        got = "none" if t is None else tuple(t.shape)
        why = "" if edges is None else f"; edge_index has {edges} edges"
        raise ValueError(f"expected {name} {tuple(shape)}, got {got}{why}")


def check_arguments(required: dict[str, Tensor], **others: Tensor | None) -> None:
    """Refuse what a front door of the kernels cannot join.

    Args:
        required: tensors by name.
        others: those that may be ``None``.

    Raises:
        TypeError: if one is no dense tensor of real numbers.
        ValueError: if one lies elsewhere than the first.
    """
    first, origin = None, ""
    given: dict[str, Tensor | None] = {**required, **others}
    for name, t in given.items():
        if t is None and name in others:
            continue
        check_real(t, name)
        assert t is not None
        if first is None:
            first, origin = t, name
        check_device(t, first, name, origin)


def derivatives(
    paths: Paths, arguments: Arguments, rows: int, outputs: str
) -> list[Tensor]:
    """Derivatives of a form in plain torch, row by row; see the references."""
    like = next(t for t in arguments.values() if t is not None)
    results = {}
    for a in outputs:
        is_shared = a == "w" and paths.connection != "uvu"
        shape = () if is_shared else (rows,)
        results[a] = like.new_zeros(*shape, getattr(paths.dims, a))
    for term in paths.terms:
        operands = _operands(paths, term, arguments, like)
        for a in outputs if term.w >= 0 else outputs.replace("w", ""):
            # Small things first: the result of each product stays small.
            order = "gwxc" if a == "y" else "cyxgw".replace(a, "")
            others = [operands[b] for b in order if b in operands]
            indices = _INDICES[paths.connection][a]
            formula = ",".join(labels for labels, _ in others) + "->" + indices
            result = torch.einsum(formula, *(block for _, block in others))
            result = result.flatten(int("e" in indices))
            start = getattr(term, a)
            results[a][..., start : start + result.shape[-1]] += result
    return [results[a] for a in outputs]


def _operands(
    paths: Paths, term: Term, arguments: Arguments, like: Tensor
) -> dict[str, tuple[str, Tensor]]:
    """The coefficients and the blocks of one path, with their indices."""
    c = clebsch_gordan(*term.degrees, dtype=like.dtype, device=like.device)
    operands = {"c": ("ijk", c * term.coefficient)}
    for a, shape in paths.shapes(term).items():
        t, start = arguments[a], getattr(term, a)
        if t is not None and shape:
            block = t[..., start : start + math.prod(shape)].unflatten(-1, shape)
            operands[a] = _INDICES[paths.connection][a], block
    return operands
