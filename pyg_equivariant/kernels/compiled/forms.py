"""What operators share that return derivatives of a form ``F(x, y, w, g)``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

Dims = tuple[int, int, int, int]
Contract = Callable[[dict[str, Tensor | None], str, str], list[Tensor]]


def to_text(dims: Dims, terms: Iterable[tuple[float, ...]]) -> str:
    """A table in one line, exactly: what a saved graph holds.

    Args:
        dims: sizes of the rows of the four arguments.
        terms: integers, and a coefficient at the end.

    Example:
        >>> to_text((1, 1, 0, 1), [(0, 0, 0.5)])
        '1 1 0 1;0 0 0.5'
    """
    return ";".join(" ".join(map(repr, row)) for row in (dims, *terms))


def from_text(text: str) -> tuple[Dims, list[tuple[float, ...]]]:
    """The inverse of :func:`to_text`."""
    dims, *rows = (row.split() for row in text.split(";"))
    x, y, w, g = map(int, dims)
    return (x, y, w, g), [(*map(int, row[:-1]), float(row[-1])) for row in rows]


def differentiate(
    contract: Contract,
    arguments: dict[str, Tensor | None],
    wanted: str,
    grads: Sequence[Tensor | None],
    needs_grad: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    """The backward pass of derivatives: again derivatives, with one argument replaced.

    The derivative by an argument does not contain it, and is linear in the others.

    Args:
        contract: returns derivatives, given all arguments, the letter of the one that
            was replaced, and the letters that are wanted.
        arguments: ``x``, ``y``, ``w`` and ``g``.
        wanted: the letters of the results.
        grads: what arrives at each of them.
        needs_grad: which of the four arguments ask for a derivative.
    """
    needed = [a for a, needs in zip(arguments, needs_grad, strict=True) if needs]
    totals: dict[str, Tensor] = {}
    for letter, grad in zip(wanted, grads, strict=True):
        others = "".join(a for a in needed if a != letter)
        if grad is None or not others:
            continue
        parts = contract({**arguments, letter: grad}, letter, others)
        for a, part in zip(others, parts, strict=True):
            totals[a] = totals[a] + part if a in totals else part
    return tuple(totals.get(a) for a in arguments)
