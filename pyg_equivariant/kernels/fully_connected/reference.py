"""Derivatives of the fully connected product in plain torch: their specification."""

from __future__ import annotations

from torch import Tensor

from ..multilinear import Arguments, derivatives
from ..paths import Paths


def fully_connected_reference(
    paths: Paths, arguments: Arguments, rows: int, outputs: str
) -> list[Tensor]:
    r"""Derivatives of :math:`F` with respect to some of its arguments.

    .. math::
        F(x, y, W, g) = \sum_e \sum_{\text{paths}} c \sum_{uw} W_{uw}
        \sum_{ijk} C_{ijk}\, x_{eiu}\, y_{ej}\, g_{ekw}

    Args:
        paths: those of the tensor product, ``uvw``.
        arguments: ``x``, ``y`` and ``g`` with a row for every ``e``, and the flat
            weights ``w``. One may be ``None`` if it alone is wanted.
        rows: the number of rows.
        outputs: the letters of the arguments.

    Returns:
        One tensor for every letter, in the shape of its argument.
    """
    return derivatives(paths, arguments, rows, outputs)
