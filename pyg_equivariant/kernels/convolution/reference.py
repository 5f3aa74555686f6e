"""Derivatives of the trilinear form in plain torch: their specification."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import clebsch_gordan

from .table import Table, Term


def contract_reference(
    table: Table,
    arguments: dict[str, Tensor | None],
    edge_index: Tensor,
    sizes: tuple[int, int],
    wanted: str,
) -> list[Tensor]:
    r"""Derivatives of :math:`F` with respect to some of its arguments.

    .. math::
        F(x, y, w, g) = \sum_{e = (j \to i)} \sum_{\text{paths}} c \sum_{u} w_{eu}
        \sum_{abk} C_{abk}\, x_{jau}\, y_{eb}\, g_{iku}

    Args:
        table: the paths.
        arguments: ``x`` on sources, ``y`` and ``w`` on edges, ``g`` on targets. One may
            be ``None`` if it alone is wanted; ``w`` also if no path carries weights.
        edge_index: sources and targets of edges.
        sizes: number of sources and of targets.
        wanted: the letters of the arguments.

    Returns:
        One tensor for every letter, in the shape of its argument.
    """
    x, y, w, g = (arguments[letter] for letter in "xywg")
    source, target = edge_index
    x = None if x is None else x[source]
    g = None if g is None else g[target]
    like = next(t for t in (x, y, g) if t is not None)
    dims = dict(zip("xywg", table.dims, strict=True))
    out = {a: like.new_zeros(edge_index.shape[1], dims[a]) for a in wanted}
    for term in table.terms:
        for a, part in _derivatives(term, x, y, w, g, wanted).items():
            at = getattr(term, a)
            out[a][:, at : at + part.shape[1]] += part
    for a, index, size in (("x", source, sizes[0]), ("g", target, sizes[1])):
        if a in wanted:
            whole = like.new_zeros(size, dims[a])
            out[a] = whole.index_add_(0, index, out[a])
    return [out[a] for a in wanted]


def _derivatives(
    term: Term,
    x: Tensor | None,
    y: Tensor | None,
    w: Tensor | None,
    g: Tensor | None,
    wanted: str,
) -> dict[str, Tensor]:
    """Those of one path, by edge and flat."""
    l1, l2, l3, mul = term[:4]
    like = next(t for t in (x, y, g) if t is not None)
    c = clebsch_gordan(l1, l2, l3, dtype=like.dtype, device=like.device)
    c = c * term.coefficient
    a = _block(x, term.x, 2 * l1 + 1, mul, like)  # [e, a, u]
    b = _block(y, term.y, 2 * l2 + 1, 1, like).squeeze(-1)  # [e, b]
    z = _block(g, term.g, 2 * l3 + 1, mul, like)  # [e, k, u]
    v = _block(w if term.w >= 0 else None, term.w, 1, mul, like)  # [e, 1, u]
    found = {}
    if "y" in wanted:
        joined = torch.einsum("eau,eku->eak", a, v * z)
        found["y"] = torch.einsum("abk,eak->eb", c, joined)
    m = torch.einsum("abk,eb->eak", c, b)
    if "g" in wanted:
        found["g"] = v * torch.einsum("eak,eau->eku", m, a)
    if "x" in wanted:
        found["x"] = torch.einsum("eak,eku->eau", m, v * z)
    if "w" in wanted and term.w >= 0:
        found["w"] = torch.einsum("eak,eau,eku->eu", m, a, z)
    return {name: part.flatten(1) for name, part in found.items()}


def _block(t: Tensor | None, start: int, rows: int, mul: int, like: Tensor) -> Tensor:
    if t is None:  # not read, or no weights
        return like.new_ones(1, rows, mul)
    return t[:, start : start + rows * mul].unflatten(1, (rows, mul))
