"""Does a function commute with rotations, reflections and translations?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irrep, Irreps, MulIrrep, rand_matrix, rotate

from ._outputs import call, largest, relative_deviation

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.1}

# Where a module says what its inputs are: the first of these that it has.
_INPUTS = (("irreps_in1", "irreps_in2"), ("irreps_in", "irreps_attr"), ("irreps_in",))

Kind = Irreps | MulIrrep | Irrep | str | None
Kinds = Kind | Sequence[Kind]
Group = Literal["O(3)", "SO(3)", "T(3)"]


class EquivarianceError(NamedTuple):
    """Largest deviations found, relative to the largest number in the output."""

    rotation: float
    """under proper rotations"""
    reflection: float
    """under improper ones"""
    translation: float
    """under translations; 0 where no input is a position"""


def equivariance_error(
    function: Callable[..., Any],
    irreps_in: Kinds = None,
    irreps_out: Kinds = None,
    inputs: Sequence[Any] | None = None,
    num_draws: int = 3,
    batch: int = 5,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> EquivarianceError:
    r"""How far :math:`f(D_\text{in} x + t)` is from :math:`D_\text{out} f(x) + t`.

    Args:
        function: a module or any function of tensors. A tuple of outputs is compared
            entry by entry. Every call sees the same state of torch's random generators,
            so that dropout drops the same.
        irreps_in: what each input is: irreps; ``"pos"`` for Cartesian positions
            ``(n, 3)``, which are translated as well; ``"cartesian"`` for a tensor whose
            *second* dimension is a Cartesian vector, ``(n, 3, channels)``; ``None`` for
            what does not transform (indices, invariants). One entry, or one per input.
            By default the module's ``irreps_in1`` and ``irreps_in2``, or ``irreps_in``
            and ``irreps_attr``, or ``irreps_in``.
        irreps_out: what each output is, likewise. By default the module's
            ``irreps_out``.
        inputs: the inputs; by default random features of a batch of size ``batch``.
            Must be given where an entry of ``irreps_in`` is ``None``.
        num_draws: number of random transformations of each kind.
        batch: size of the random inputs.
        dtype: of the random inputs; by default that of the module's parameters, or
            float64.
        generator: source of all random numbers.

    Raises:
        ValueError: if there are more or fewer inputs than irreps, or inputs missing.

    Example:
        >>> dot = lambda x, y: (x * y).sum(-1, keepdim=True)
        >>> max(equivariance_error(dot, ["1o", "1o"], "0e")) < 1e-10
        True
    """
    kinds_in = _kinds(irreps_in, function, *_INPUTS)
    kinds_out = _kinds(irreps_out, function, ("irreps_out",))
    if inputs is None:
        like = _example(function)
        like = like if dtype is None else like.to(dtype)
        inputs = [_draw(kind, batch, like, generator) for kind in kinds_in]
    if len(inputs) != len(kinds_in):
        raise ValueError(f"got {len(inputs)} inputs for {len(kinds_in)} irreps_in")
    expected = call(function, inputs)
    if len(expected) != len(kinds_out):
        raise ValueError(f"got {len(expected)} outputs for {len(kinds_out)} irreps_out")

    def deviation(rotation: Tensor, translation: Tensor) -> float:
        moved = [
            _transform(kind, x, rotation, translation)
            for kind, x in zip(kinds_in, inputs, strict=True)
        ]
        found = call(function, moved)
        return largest(
            relative_deviation(y, _transform(kind, x, rotation, translation))
            for kind, x, y in zip(kinds_out, expected, found, strict=True)
        )

    like = next(x for x in (*inputs, *expected) if _is_floating(x))
    errors = [0.0, 0.0, 0.0]
    for _ in range(num_draws):
        for k, draw in enumerate(_transformations(generator, "pos" in kinds_in)):
            error = deviation(*(matrix.to(like.device) for matrix in draw))
            errors[k] = largest([errors[k], error])
    return EquivarianceError(*errors)


def assert_equivariant(
    function: Callable[..., Any],
    irreps_in: Kinds = None,
    irreps_out: Kinds = None,
    inputs: Sequence[Any] | None = None,
    num_draws: int = 3,
    batch: int = 5,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
    tolerance: float | None = None,
    group: Group = "O(3)",
) -> None:
    """Fail unless ``function`` is equivariant, under translations of positions too.

    Args:
        function: as in :func:`equivariance_error`, like the arguments that follow.
        irreps_in: what each input is.
        irreps_out: what each output is.
        inputs: the inputs.
        num_draws: number of random transformations of each kind.
        batch: size of the random inputs.
        dtype: of the random inputs.
        generator: source of all random numbers.
        tolerance: largest relative deviation; by default 1e-10, 1e-4 or 0.1 for
            float64, float32 or bfloat16 inputs.
        group: ``"O(3)"``, ``"SO(3)"`` where reflections may change the outputs, or
            ``"T(3)"`` where rotations may, too: translations are left.

    Raises:
        AssertionError: stating the deviations found.
        ValueError: for another group.

    Example:
        >>> assert_equivariant(torch.linalg.cross, ["1o", "1o"], "1e")
        >>> assert_equivariant(torch.linalg.cross, ["1o", "1o"], "1o")
        Traceback (most recent call last):
            ...
        AssertionError: not equivariant: EquivarianceError(...), tolerance 1e-10
        >>> assert_equivariant(torch.linalg.cross, ["1o", "1o"], "1o", group="SO(3)")
    """
    if group not in get_args(Group):
        raise ValueError(f"got group {group!r}, expected one of {get_args(Group)}")
    dtype = _example(function).dtype if dtype is None else dtype
    if inputs is not None:
        dtype = next(x.dtype for x in inputs if _is_floating(x))
    if tolerance is None:
        tolerance = TOLERANCE[dtype]
    error = equivariance_error(
        function, irreps_in, irreps_out, inputs, num_draws, batch, dtype, generator
    )
    turned = {"O(3)": error[:2], "SO(3)": error[:1], "T(3)": ()}[group]
    held = *turned, error.translation
    if not all(value <= tolerance for value in held):
        raise AssertionError(f"not equivariant: {error}, tolerance {tolerance}")


def _kinds(
    kinds: Kinds, function: object, *attributes: tuple[str, ...]
) -> list[Irreps | str | None]:
    """One entry for every tensor; what was left out is asked of the module."""
    if kinds is None:
        present = [n for n in attributes if all(hasattr(function, each) for each in n)]
        if not present:
            name = attributes[-1][0]
            raise ValueError(f"give {name}: {function!r} has no attribute of that name")
        found = [getattr(function, each) for each in present[0]]
        kinds = found if len(found) > 1 else found[0]
    if isinstance(kinds, (str, Irreps, MulIrrep, Irrep)):
        kinds = [kinds]
    return [
        kind if kind is None or kind in ("pos", "cartesian") else Irreps(kind)
        for kind in kinds
    ]


def _draw(
    kind: Irreps | str | None,
    batch: int,
    like: Tensor,
    generator: torch.Generator | None,
) -> Tensor:
    if kind is None or kind == "cartesian":
        raise ValueError(
            f"an input of kind {kind} cannot be drawn at random; pass inputs="
        )
    irreps = Irreps("1o") if kind == "pos" else Irreps(kind)
    x = irreps.randn(batch, -1, dtype=torch.float64, generator=generator)
    return x.to(like)


def _transformations(
    generator: torch.Generator | None, translate: bool
) -> list[tuple[Tensor, Tensor]]:
    """A rotation, a reflection and a translation, as matrices and vectors."""
    R = rand_matrix(generator=generator, dtype=torch.float64)
    shift = torch.randn(3, generator=generator, dtype=torch.float64)
    zero, identity = torch.zeros_like(shift), torch.eye(3, dtype=torch.float64)
    draws = [(R, zero), (-R, zero), (identity, shift)]
    return draws if translate else draws[:2]


def _transform(
    kind: Irreps | str | None, x: Any, rotation: Tensor, translation: Tensor
) -> Any:
    """Transform in float64, then return to the dtype of ``x``."""
    if kind is None or x is None:
        return x
    wide = x.double()
    if kind == "pos":
        return (wide @ rotation.T + translation).to(x.dtype)
    if kind == "cartesian":
        return torch.einsum("ij,nj...->ni...", rotation, wide).to(x.dtype)
    return rotate(Irreps(kind), wide, rotation).to(x.dtype)


def _example(function: object) -> Tensor:
    """A tensor of the dtype and on the device that the function works with."""
    if isinstance(function, torch.nn.Module):
        for parameter in function.parameters():
            return parameter.detach()
    return torch.empty(0, dtype=torch.float64)


def _is_floating(x: object) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()
