"""The contraction and its derivatives in plain torch: their specification."""

from __future__ import annotations

import torch
from torch import Tensor

from .form import ContractionForm

_PRODUCTS = 1 << 24  # held at once


def value(
    x: Tensor,
    table: Tensor,
    species: Tensor,
    factors: Tensor,
    monomials: Tensor,
    form: ContractionForm,
) -> Tensor:
    r"""The polynomials of every channel.

    .. math::
        y_{iMc} = \sum_{r \in M} t_{s_i r c}\, \prod_{q \in r} x_{iqc}

    Args:
        x: components of every channel, ``(|V|, form.dim_in * C)``.
        table: the coefficients of every species, ``(S, rows, C)``.
        species: of every node, ``(|V|,)``.
        factors: those of the form.
        monomials: those of the form.
        form: which polynomials.

    Returns:
        The values ``(|V|, form.dim_out * C)``.
    """
    x = x.unflatten(1, (form.dim_in, table.shape[2]))
    last, powers = x, [x]
    for part in factors.split(form.sizes[1:], dim=1) if form.sizes[1:] else ():
        last = last.index_select(1, part[0]) * x.index_select(1, part[1])
        powers.append(last)
    rows = torch.cat(powers, dim=1).index_select(1, monomials)
    terms = rows * table.index_select(0, species)
    sums = [part.sum(dim=1) for part in terms.split(form.row_sizes, dim=1)]
    return torch.stack(sums, dim=1).flatten(1)


def of_form(x: Tensor, table: Tensor, species: Tensor, form: ContractionForm) -> Tensor:
    """The same, given nothing but the form, of some nodes after others."""
    factors, monomials = (
        torch.from_numpy(array).to(x.device) for array in (form.factors, form.monomials)
    )
    rest = factors, monomials, form
    parts = [
        value(x[part], table, species[part].long(), *rest) for part in _parts(x, table)
    ]
    return torch.cat(parts)


def gradient(
    x: Tensor, table: Tensor, species: Tensor, grad: Tensor, form: ContractionForm
) -> tuple[Tensor, Tensor]:
    """What ``x`` and ``table`` receive from ``grad``."""
    of_x, of_table = [], torch.zeros_like(table)
    for part in _parts(x, table):
        back = torch.func.vjp(
            lambda x, t, s=species[part]: of_form(x, t, s, form), x[part], table
        )[1]
        grad_x, grad_table = back(grad[part])
        of_x.append(grad_x)
        of_table = of_table + grad_table
    return torch.cat(of_x), of_table


def second(
    x: Tensor,
    table: Tensor,
    species: Tensor,
    grad: Tensor,
    along_x: Tensor,
    along_table: Tensor,
    form: ContractionForm,
) -> tuple[Tensor, Tensor, Tensor]:
    """What ``x``, ``table`` and ``grad`` receive from the two of the gradient."""
    of_x, of_table, of_grad = [], torch.zeros_like(table), []
    for part in _parts(x, table):
        back = torch.func.vjp(
            lambda x, t, g, s=species[part]: gradient(x, t, s, g, form),
            *(x[part], table, grad[part]),
        )[1]
        grad_x, grad_table, grad_grad = back((along_x[part], along_table))
        of_x.append(grad_x)
        of_table = of_table + grad_table
        of_grad.append(grad_grad)
    return torch.cat(of_x), of_table, torch.cat(of_grad)


def _parts(x: Tensor, table: Tensor) -> list[slice]:
    """Nodes whose products are held at once: few enough to fit anywhere."""
    step = max(1, _PRODUCTS // max(1, table[0].numel()))
    return [slice(n, n + step) for n in range(0, max(len(x), 1), step)]
