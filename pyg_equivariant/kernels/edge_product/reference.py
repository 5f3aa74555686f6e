"""Derivatives of the product of edges and targets in plain torch."""

from __future__ import annotations

from torch import Tensor

from ..multilinear import Arguments, derivatives
from ..paths import Paths


def edge_product_reference(
    paths: Paths,
    arguments: Arguments,
    edge_index: Tensor,
    num_nodes: int,
    outputs: str,
) -> list[Tensor]:
    r"""Derivatives of :math:`F` with respect to some of its arguments.

    .. math::
        F(x, y, w, g) = \sum_{e = (j \to i)} \sum_{\text{paths}} c \sum_{u} w_{u}
        \sum_{abk} C_{abk}\, x_{eau}\, y_{ibu}\, g_{eku}

    Args:
        paths: those of the tensor product, ``uuu``.
        arguments: ``x`` and ``g`` on edges, ``y`` on targets, ``w`` for all. One may be
            ``None`` if it alone is wanted; ``w`` also if no path carries weights.
        edge_index: sources and targets of edges.
        num_nodes: number of targets.
        outputs: the letters of the arguments.

    Returns:
        One tensor for every letter, in the shape of its argument.
    """
    target, y = edge_index[1], arguments["y"]
    gathered = {**arguments, "y": None if y is None else y[target]}
    results = derivatives(paths, gathered, edge_index.shape[1], outputs)
    for n, a in enumerate(outputs):
        if a == "y":
            total = results[n].new_zeros(num_nodes, results[n].shape[1])
            results[n] = total.index_add_(0, target, results[n])
    return results
