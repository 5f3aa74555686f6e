"""Neighbour lists, periodic or not, and the vectors along their edges."""

from ._complete_graph import complete_graph
from ._edge_vectors import edge_vectors
from ._radius import radius
from ._radius_graph import radius_graph

__all__ = [
    "radius_graph",
    "radius",
    "complete_graph",
    "edge_vectors",
]
