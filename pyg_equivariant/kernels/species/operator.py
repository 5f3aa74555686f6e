r"""Linear maps by species, without a matrix for every node.

Rows of one species are brought together and meet its matrix in one product. The form
:math:`F(x, w, y) = \sum_i y_i^\top W^{(s_i)} x_i` is linear in each argument: its
derivative with respect to one is linear in the two others, and so on to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_device, check_real, check_tensor

from ..dispatch import autocasts, is_plain_call, recording, transformed
from ..multilinear import check_arguments, check_shape
from ..registration import register_operator
from . import reference
from .reference import SpeciesForm

_LETTERS = "xwy"


def species_product(
    x: Tensor, weight: Tensor, species: Tensor, form: SpeciesForm
) -> Tensor:
    r"""Every row of features times the matrices of its species.

    .. math::
        y_{ikw} = \sum_u W^{(s_i)}_{uw}\, x_{iku}

    Derivatives are there to any order. Time and memory are those of one linear map,
    however many species there are.

    Args:
        x: features ``(|V|, form.x_dim)``.
        weight: a row for every species, ``(S, form.weight_numel)``.
        species: which row belongs to each node, ``(|V|,)``, from 0 to ``S - 1``.
        form: what is mixed with what.

    Returns:
        Features ``(|V|, form.y_dim)``.

    Raises:
        TypeError: if an argument is no tensor, or species are no integers.
        ValueError: if a shape or a device does not fit.
        IndexError: if there is no row for a species.

    Example:
        >>> from pyg_equivariant.kernels import SpeciesBlock
        >>> form = SpeciesForm(6, 3, 2, (SpeciesBlock(0, 0, 0, 3, 2, 1),))
        >>> x, weight = torch.ones(4, 6), torch.tensor([[1.0, 2.0], [0.0, 0.5]])
        >>> species_product(x, weight, torch.tensor([0, 1, 1, 0]), form)[:, 0]
        tensor([3.0000, 0.5000, 0.5000, 3.0000])
    """
    check_arguments({"x": x, "weight": weight})
    _check({"x": x, "w": weight}, species, len(weight) if weight.dim() else 0, form)
    wide = torch.float32, torch.float64
    opaque = x.dtype in wide and x.dtype == weight.dtype
    device = x.device.type
    # what a CUDA graph captures cannot look at how many nodes a species has
    if not opaque or autocasts(device) or transformed() or recording(device):
        return reference.species_product(x, weight, species, form)
    return _derivative(x, weight, None, species, len(weight), form.text, "y")


def _check(
    arguments: Mapping[str, Tensor | None],
    species: Tensor,
    number: int,
    form: SpeciesForm,
) -> None:
    """Refuse what does not belong together."""
    nodes = arguments.get("x", arguments.get("y"))
    num_nodes = nodes.shape[0] if nodes is not None and nodes.dim() else 0
    shapes = {
        "x": ("x", (num_nodes, form.x_dim)),
        "w": ("weight", (number, form.weight_numel)),
        "y": ("y", (num_nodes, form.y_dim)),
    }
    first = None
    for letter, t in arguments.items():
        name, shape = shapes[letter]
        check_shape(name, t, shape)
        check_real(t, name)
        assert t is not None
        first = t if first is None else first
        check_device(t, first, name, "what meets it")
        if t.dtype != first.dtype and not autocasts(t.device.type):
            raise TypeError(
                f"expected {name} of {first.dtype}, as what it meets, got {t.dtype}"
            )
    check_tensor(species, "species")
    assert first is not None
    check_device(species, first, "species", "the features")
    check_species_index(species, num_nodes, number)


def check_species_index(species: Tensor, num_nodes: int, number: int) -> None:
    """Refuse what are not the species of so many nodes.

    Values are looked at on the CPU, and not while compiling.

    Raises:
        TypeError: if they are no integers.
        ValueError: if there is not one for each node.
        IndexError: if one is not below ``number``.
    """
    if species.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"expected species as integers, got {species.dtype}")
    if species.shape != (num_nodes,):
        raise ValueError(
            f"expected one of species for each of {num_nodes} rows of x, got shape "
            f"{tuple(species.shape)}"
        )
    if species.device.type != "cpu" or not is_plain_call(species) or not num_nodes:
        return
    low, high = (int(s) for s in species.aminmax())
    if low < 0 or high >= number:
        raise IndexError(
            f"expected species from 0 to {number - 1}, got them from {low} to {high}"
        )


def _run(
    x: Tensor | None,
    w: Tensor | None,
    y: Tensor | None,
    species: Tensor,
    number: int,
    text: str,
    wanted: str,
) -> Tensor:
    """The derivative of the form with respect to one argument, given the others."""
    form = SpeciesForm.parse(text)
    arguments = {a: t for a, t in zip(_LETTERS, (x, w, y), strict=True) if a != wanted}
    _check(arguments, species, number, form)
    like = next(t for t in (x, w, y) if t is not None)
    order = species.argsort(stable=True)
    counts = torch.bincount(species, minlength=number).tolist()
    if len(counts) > number:
        raise IndexError(
            f"expected species from 0 to {number - 1}, got them up to {len(counts) - 1}"
        )
    sizes = {"x": form.x_dim, "y": form.y_dim, "w": form.weight_numel}
    rows = number if wanted == "w" else len(species)
    out = like.new_zeros(rows, sizes[wanted])
    if wanted == "w":
        assert x is not None
        assert y is not None
        _weights(x[order], y[order], counts, form, out)
        return out
    given = y if wanted == "x" else x
    assert given is not None
    assert w is not None
    _features(given[order], w, counts, form, wanted, out)
    return torch.empty_like(out).index_copy_(0, order, out)


def _features(
    given: Tensor,
    weight: Tensor,
    counts: list[int],
    form: SpeciesForm,
    wanted: str,
    out: Tensor,
) -> None:
    """Outputs from inputs, or back, of rows that are sorted by species."""
    for b in form.blocks:
        matrices = weight[:, b.weight : b.weight + b.rows * b.columns]
        matrices = matrices.unflatten(1, (b.rows, b.columns))
        a, start, width, other = b.x, b.y, b.columns, b.rows
        if wanted == "x":
            matrices = matrices.transpose(1, 2)
            a, start, width, other = b.y, b.x, b.rows, b.columns
        source = given[:, a : a + b.dim * other].reshape(-1, other)
        mixed = out.new_empty(len(source), width)
        row = 0
        for count, matrix in zip(counts, matrices.unbind(), strict=True):
            if count:
                end = row + count * b.dim
                torch.mm(source[row:end], matrix, out=mixed[row:end])
                row = end
        out[:, start : start + b.dim * width] += mixed.view(-1, b.dim * width)


def _weights(
    x: Tensor, y: Tensor, counts: list[int], form: SpeciesForm, out: Tensor
) -> None:
    """The matrices of every species, of rows that are sorted by species."""
    for b in form.blocks:
        source = x[:, b.x : b.x + b.dim * b.rows].reshape(-1, b.rows).t()
        target = y[:, b.y : b.y + b.dim * b.columns].reshape(-1, b.columns)
        row = 0
        for s, count in enumerate(counts):
            if count:
                end = row + count * b.dim
                product = source[:, row:end] @ target[row:end]
                part = slice(b.weight, b.weight + b.rows * b.columns)
                out[s, part] += product.flatten()
                row = end


def _fake(
    x: Tensor | None,
    w: Tensor | None,
    y: Tensor | None,
    species: Tensor,
    number: int,
    text: str,
    wanted: str,
) -> Tensor:
    form = SpeciesForm.parse(text)
    like = next(t for t in (x, w, y) if t is not None)
    if wanted == "w":
        return like.new_empty(number, form.weight_numel)
    size = form.x_dim if wanted == "x" else form.y_dim
    return like.new_empty(species.shape[0], size)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.number, ctx.text, ctx.wanted = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """Derivatives again, with what came out replaced by its gradient."""
    *arguments, species = ctx.saved_tensors
    replaced = dict(zip(_LETTERS, arguments, strict=True)) | {ctx.wanted: grad}
    rest = species, ctx.number, ctx.text
    needs_grad = dict(zip(_LETTERS, ctx.needs_input_grad, strict=False))
    results = [
        _derivative(*(replaced | {a: None}).values(), *rest, a)
        if a != ctx.wanted and needs_grad[a]
        else None
        for a in _LETTERS
    ]
    return *results, None, None, None, None


_operator = register_operator(
    "species_product",
    "(Tensor? x, Tensor? w, Tensor? y, Tensor species, SymInt number, str form, "
    "str wanted) -> Tensor",
    _run,
    _fake,
    _backward,
    _save,
)


class _Direct(torch.autograd.Function):
    """The operator without the dispatcher, where nobody looks on."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        _save(ctx, inputs, None)
        return _run(*inputs)

    backward = staticmethod(_backward)


_apply: Callable[..., Tensor] = _Direct.apply


def _derivative(*inputs: Any) -> Tensor:
    tensors = inputs[:4]
    result: Tensor = (_apply if is_plain_call(*tensors) else _operator)(*inputs)
    return result
