"""Derivatives of the convolution in plain torch: their specification."""

from __future__ import annotations

from torch import Tensor

from ..multilinear import Arguments, derivatives
from ..paths import Paths


def convolution_reference(
    paths: Paths,
    arguments: Arguments,
    edge_index: Tensor,
    sizes: tuple[int, int],
    outputs: str,
) -> list[Tensor]:
    r"""Derivatives of :math:`F` with respect to some of its arguments.

    .. math::
        F(x, y, w, g) = \sum_{e = (j \to i)} \sum_{\text{paths}} c \sum_{u} w_{eu}
        \sum_{abk} C_{abk}\, x_{jau}\, y_{eb}\, g_{iku}

    Args:
        paths: those of the tensor product, ``uvu``.
        arguments: ``x`` on sources, ``y`` and ``w`` on edges, ``g`` on targets. One may
            be ``None`` if it alone is wanted; ``w`` also if no path carries weights.
        edge_index: sources and targets of edges.
        sizes: number of sources and of targets.
        outputs: the letters of the arguments.

    Returns:
        One tensor for every letter, in the shape of its argument.
    """
    nodes = {"x": (edge_index[0], sizes[0]), "g": (edge_index[1], sizes[1])}
    gathered = dict(arguments)
    for a, (index, _) in nodes.items():
        t = arguments[a]
        gathered[a] = None if t is None else t[index]
    edges = edge_index.shape[1]
    results = derivatives(paths, gathered, edges, outputs)
    for n, a in enumerate(outputs):
        if a in nodes:
            index, size = nodes[a]
            total = results[n].new_zeros(size, results[n].shape[1])
            results[n] = total.index_add_(0, index, results[n])
    return results
