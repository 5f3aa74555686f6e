"""Candidate pairs from PyG's own search, which pyg-lib carries out."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from ._cell_list import Pairs
from ._grid import SLACK
from ._points import Points


def has_pyg_lib() -> bool:
    """Whether PyG finds a pyg-lib with its neighbor search."""
    if find_spec("pyg_lib") is None or find_spec("torch_geometric") is None:
        return False
    import torch_geometric.typing

    return bool(getattr(torch_geometric.typing, "WITH_RADIUS", False))


def pyg_list(points: Points, cutoff: float) -> Iterator[Pairs]:
    """Yield pairs among which are all that are closer than ``cutoff``."""
    from torch_geometric.nn import radius_graph

    order = points.batch.argsort(stable=True)
    batch = points.batch[order]
    try:
        edge_index = radius_graph(
            points.pos[order],
            cutoff * (1 + SLACK),
            batch,
            loop=True,
            max_num_neighbors=int(batch.bincount().max()),
        )
    except ImportError as error:
        raise ImportError(
            f"backend='pyg' needs what PyG asks for: {error}; or choose backend='torch'"
        ) from error
    yield order[edge_index[0]], order[edge_index[1]], None
