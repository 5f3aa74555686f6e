"""Derivatives of the steered linear map in plain torch: their specification."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import clebsch_gordan

from .table import SteerTable, SteerTerm


def steer_reference(
    table: SteerTable, arguments: dict[str, Tensor | None], rows: int, wanted: str
) -> list[Tensor]:
    r"""Derivatives of :math:`F` with respect to some of its arguments.

    .. math::
        F(x, y, W, g) = \sum_e \sum_{\text{paths}} c \sum_{uw} W_{uw}
        \sum_{ijk} C_{ijk}\, x_{eiu}\, y_{ej}\, g_{ekw}

    Args:
        table: the paths.
        arguments: ``x``, ``y`` and ``g`` with a row for every ``e``, and the flat
            weights ``w``. One may be ``None`` if it alone is wanted.
        rows: the number of rows.
        wanted: the letters of the arguments.

    Returns:
        One tensor for every letter, in the shape of its argument.
    """
    x, y, w, g = (arguments[letter] for letter in "xywg")
    like = next(t for t in (x, y, w, g) if t is not None)
    dims = dict(zip("xywg", table.dims, strict=True))
    shapes = {a: (rows, dims[a]) for a in "xyg"} | {"w": (dims["w"],)}
    out = {a: like.new_zeros(shapes[a]) for a in wanted}
    for term in table.terms:
        operands, labels = _operands(term, x, y, w, g, like)
        for a in wanted:
            others = [b for b in "xywg" if b != a]
            sub = ",".join(["ijk", *(labels[b] for b in others)])
            part = torch.einsum(
                f"{sub}->{labels[a]}",
                operands["c"],
                *(operands[b] for b in others),
            )
            part = part.flatten() if a == "w" else part.flatten(1)
            at = getattr(term, a)
            out[a][..., at : at + part.shape[-1]] += part
    return [out[a] for a in wanted]


def _operands(
    term: SteerTerm,
    x: Tensor | None,
    y: Tensor | None,
    w: Tensor | None,
    g: Tensor | None,
    like: Tensor,
) -> tuple[dict[str, Tensor | None], dict[str, str]]:
    """The coefficients and the blocks of one path, with their indices."""
    l1, l2, l3, mul1, mul3 = term[:5]
    c = clebsch_gordan(l1, l2, l3, dtype=like.dtype, device=like.device)
    shapes = {
        "x": (2 * l1 + 1, mul1),
        "y": (2 * l2 + 1,),
        "w": (mul1, mul3),
        "g": (2 * l3 + 1, mul3),
    }
    found: dict[str, Tensor | None] = {"c": c * term.coefficient}
    for a, t in zip("xywg", (x, y, w, g), strict=True):
        at, shape = getattr(term, a), shapes[a]
        size = torch.Size(shape).numel()
        found[a] = None if t is None else t[..., at : at + size].unflatten(-1, shape)
    return found, {"x": "eiu", "y": "ej", "w": "uw", "g": "ekw"}
