"""Neighbor lists, periodic or not, and the vectors along their edges."""

from ._complete_graph import complete_graph
from ._edge_vectors import check_open, edge_vectors
from ._fps import fps
from ._knn import knn
from ._knn_graph import knn_graph
from ._lift import LiftedGraph, lift
from ._neighbor_graph import Graph, neighbor_graph
from ._points import check_batch, check_cell, check_neighbors, check_search
from ._pooling_graph import pooling_graph
from ._radius import radius
from ._radius_graph import radius_graph
from ._triplets import triplets

__all__ = [
    "radius_graph",
    "radius",
    "knn_graph",
    "knn",
    "fps",
    "pooling_graph",
    "complete_graph",
    "Graph",
    "neighbor_graph",
    "edge_vectors",
    "LiftedGraph",
    "lift",
    "triplets",
    "check_search",
    "check_neighbors",
    "check_batch",
    "check_cell",
    "check_open",
]
