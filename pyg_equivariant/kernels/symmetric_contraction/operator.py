"""The symmetric contraction as an operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.o3 import IrrepsLike, check_alike, check_device, check_tensor

from ..dispatch import autocasts, fast_or_plain, kernel_for, recording, transformed
from ..multilinear import check_arguments
from ..registration import register_operator
from ..species.operator import check_species_index
from ..twice_differentiable import as_input
from . import cpu, reference
from .form import ContractionForm, contraction_text

_NAME = "symmetric_contraction"


class SymmetricContractionKernel:
    r"""Symmetric powers of the channels of nodes, weighted by species.

    .. math::
        y_{i M c} = \sum_{k} w_{s_i k c}
        \sum_{q_1 \dots q_n} S^{(k)}_{q_1 \dots q_n M}\, x_{i q_1 c} \cdots x_{i q_n c}

    with the couplings of :func:`~pyg_equivariant.o3.symmetric_couplings` of all degrees
    up to ``correlation``. Couplings and weights of a species become the coefficients of
    one polynomial for every component of the output, whose monomials are shared.

    Args:
        irreps_in: irreps of a channel of the input.
        irreps_out: of the output.
        correlation: the largest degree.

    Attributes:
        form: the polynomials.
        constants: what a call expects back, floating-point ones in the dtype and all on
            the device of its inputs.

    Example:
        >>> compute = SymmetricContractionKernel("0e+1o", "0e", 2)
        >>> weight = torch.ones(1, compute.form.num_paths, 1)
        >>> species = torch.zeros(1, dtype=torch.long)
        >>> constants = [c.float() if c.is_floating_point() else c
        ...              for c in compute.constants]
        >>> x = torch.tensor([[2.0, 0.0, 3.0, 4.0]])
        >>> compute(x, weight, species, constants)  # 2 + 2^2 + 5^2 / sqrt(3)
        tensor([[20.4338]])
    """

    def __init__(
        self, irreps_in: IrrepsLike, irreps_out: IrrepsLike, correlation: int
    ) -> None:
        text = contraction_text(irreps_in, irreps_out, correlation)
        self.form = ContractionForm.parse(text)
        arrays = self.form.coefficients, self.form.factors, self.form.monomials
        self.constants = [torch.tensor(array, device="cpu") for array in arrays]

    def __call__(
        self, x: Tensor, weight: Tensor, species: Tensor, constants: Sequence[Tensor]
    ) -> Tensor:
        """The contraction.

        Args:
            x: features ``(|V|, form.dim_in * C)``, channels contiguous.
            weight: of every species, ``(S, form.num_paths, C)``.
            species: of every node, ``(|V|,)``, from 0 to ``S - 1``.
            constants: those of this object.

        Returns:
            Features ``(|V|, form.dim_out * C)``. Numbers below float32 are computed in
            float32.

        Raises:
            TypeError: if an argument is no tensor of real numbers, or species are no
                integers.
            ValueError: if a shape or a device does not fit.
            IndexError: if there is no row for a species.
        """
        self._check(x, weight, species)
        coefficients, factors, monomials = constants
        dtype = torch.promote_types(x.dtype, weight.dtype)
        wide = torch.promote_types(dtype, torch.float32)
        table = _table(coefficients.to(wide), weight.to(wide))
        x = x.to(wide)
        # a graph that is captured cannot take tables to its device
        if transformed() or recording(x.device.type):
            rest = species.long(), factors, monomials, self.form
            out = reference.value(x, table, *rest)
        else:
            out = contract(x, table, species, self.form.text)
        return out.to(dtype)

    def _check(self, x: Tensor, weight: Tensor, species: Tensor) -> None:
        check_arguments({"x": x, "weight": weight})
        check_tensor(species, "species")
        check_device(species, x, "species", "x")
        paths = self.form.num_paths
        if weight.dim() != 3 or weight.shape[1] != paths:
            raise ValueError(
                f"expected weight (S, {paths}, C), a row for every species, got "
                f"{tuple(weight.shape)}"
            )
        width = self.form.dim_in * weight.shape[2]
        if x.dim() != 2 or x.shape[1] != width:
            raise ValueError(
                f"expected x (|V|, {width}), {self.form.dim_in} components of the "
                f"{weight.shape[2]} channels of weight, got {tuple(x.shape)}"
            )
        check_species_index(species, x.shape[0], weight.shape[0])


def _table(coefficients: Tensor, weight: Tensor) -> Tensor:
    """Coefficients of every species, in full precision under autocast, too."""
    device = weight.device.type
    if not autocasts(device):
        return coefficients @ weight
    with torch.autocast(device, enabled=False):
        return coefficients @ weight


def _run(fast: Any, plain: Any) -> Any:
    """A function of tensors and text, by the kernel that takes them."""

    def run(*inputs: Any) -> Any:
        x, table, species, *given, text = inputs
        form = ContractionForm.parse(text)
        _check_operands(x, table, species, given, form)
        arguments = x, table, species, *given, form
        if kernel_for(x, table, *given) == "c":
            return fast_or_plain(fast, plain, *arguments)
        return plain(*arguments)

    return run


def _check_operands(
    x: Tensor,
    table: Tensor,
    species: Tensor,
    given: list[Tensor],
    form: ContractionForm,
) -> None:
    """Refuse what does not belong together: C trusts it."""
    names = "x", "table", *("grad", "along_x", "along_table")[: len(given)]
    tensors = dict(zip(names, (x, table, *given), strict=True))
    check_alike(**tensors)
    check_tensor(species, "species")
    check_device(species, x, "species", "x")
    rows = len(form.monomials)
    if x.dim() != 2 or table.dim() != 3 or table.shape[1] != rows:
        raise ValueError(
            f"{_NAME}: expected x (|V|, *) and table (S, {rows}, C), got "
            f"{tuple(x.shape)} and {tuple(table.shape)}"
        )
    nodes, channels = x.shape[0], table.shape[2]
    wide, narrow = (nodes, form.dim_in * channels), (nodes, form.dim_out * channels)
    shapes = wide, tuple(table.shape), narrow, wide, tuple(table.shape)
    for (name, t), shape in zip(tensors.items(), shapes, strict=False):
        if tuple(t.shape) != shape:
            raise ValueError(
                f"{_NAME}: expected {name} {shape}, with table {tuple(table.shape)}, "
                f"got {tuple(t.shape)}"
            )
    check_species_index(species, nodes, table.shape[0])


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.form = inputs
    ctx.save_for_backward(*tensors)


def _value_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, table, species = ctx.saved_tensors
    return *_gradient(x, table, species, grad, ctx.form), None, None


def _gradient_backward(ctx: Any, *along: Tensor) -> tuple[Tensor | None, ...]:
    x, table, species, grad = ctx.saved_tensors
    given = x, table, species, grad, *along
    grad_x, grad_table, grad_grad = _second(*given, ctx.form)
    return grad_x, grad_table, None, grad_grad, None


def _second_backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
    """In plain torch."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        x, table, species, *given = ctx.saved_tensors
        inputs: list[Any] = [as_input(t) for t in (x, table, *given)]
        x, table, grad, along_x, along_table = inputs
        form = ContractionForm.parse(ctx.form)
        outputs = reference.second(x, table, species, grad, along_x, along_table, form)
        pairs = zip(outputs, grads, strict=True)
        varying = [(out, grad) for out, grad in pairs if out.requires_grad]
        found = torch.autograd.grad(
            [out for out, _ in varying],
            inputs,
            [grad for _, grad in varying],
            create_graph=again,
            materialize_grads=True,
        )
    return *found[:2], None, *found[2:], None


contract = register_operator(
    _NAME,
    "(Tensor x, Tensor table, Tensor species, str form) -> Tensor",
    _run(cpu.value, reference.of_form),
    lambda x, table, _, text: x.new_empty(
        x.shape[0], ContractionForm.parse(text).dim_out * table.shape[2]
    ),
    _value_backward,
    _save,
)
_gradient = register_operator(
    f"{_NAME}_gradient",
    "(Tensor x, Tensor table, Tensor species, Tensor grad, str form) "
    "-> (Tensor, Tensor)",
    _run(cpu.gradient, reference.gradient),
    lambda x, table, *_: (x.new_empty(x.shape), x.new_empty(table.shape)),
    _gradient_backward,
    _save,
)
_second = register_operator(
    f"{_NAME}_second",
    "(Tensor x, Tensor table, Tensor species, Tensor grad, Tensor along_x, "
    "Tensor along_table, str form) -> (Tensor, Tensor, Tensor)",
    _run(cpu.second, reference.second),
    lambda x, table, _, grad, *__: (
        x.new_empty(x.shape),
        x.new_empty(table.shape),
        x.new_empty(grad.shape),
    ),
    _second_backward,
    _save,
)
