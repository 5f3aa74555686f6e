"""Neighbor lists, complete graphs and edge vectors."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from pyg_equivariant import graph

from .table import (
    EDGES,
    FREE,
    NODES,
    REFUSED,
    SAME,
    Argument,
    Entry,
    edges,
    entry,
    outcome,
    positions,
    real,
)

NONE = outcome(REFUSED, "", "NaN", "infinite")
WIDE = outcome(SAME, "searched in float64", "float64")
WIDE |= {"float16": (FREE, "rounded")}
DTYPES = outcome(FREE, "nothing else has a dtype", "float64", "float16")
OUTSIDE, HUGE = ("too large", "negative"), ("very negative", "huge")
ANY_SPACE = dict.fromkeys(
    ("a column less", "a column more", "one column", "no columns"),
    (FREE, "a space of any dimension, as in EGNN"),
)


def _labels(value: list[int], rows: str = "nodes", **options: Any) -> Argument:
    return Argument(torch.tensor(value), "labels", rows, **options)


def _batch(rows: str = "nodes") -> Argument:
    more = {"missing": (FREE, "one graph"), "too large": (FREE, "more graphs")}
    return _labels([0, 0, 1, 0, 1], rows, valid=more)


def _cell(**valid: tuple[str, str]) -> Argument:
    flat = {"missing": (FREE, "not periodic")}
    return Argument(3 * torch.eye(3), "real", None, valid=NONE | WIDE | flat | valid)


def _pbc() -> Argument:
    flags = torch.tensor([True, True, False])
    one = {"no dimensions": (FREE, "all or none"), "missing": (FREE, "along all")}
    one |= {"a list": (SAME, "a sequence")}
    one |= {"an array": (SAME, "a sequence")}
    return Argument(flags, "flags", None, valid=one)


def _length() -> Argument:
    return Argument(1.5, "number")


def _most() -> Argument:
    return Argument(
        3, "size", valid={"missing": (FREE, "all"), "one less": (FREE, "fewer")}
    )


def _radius_graph(name: str) -> Entry:
    arguments = {"pos": positions(valid=NONE | WIDE), "cutoff": _length()}
    if "periodic" in name:
        arguments |= {
            "cell": _cell(missing=(REFUSED, "pbc asks for it")),
            "pbc": _pbc(),
        }
    else:
        arguments["batch"] = _batch()
        arguments["max_num_neighbors"] = _most()
    backend = "vesin" if "vesin" in name else "torch"
    return Entry(partial(graph.radius_graph, backend=backend), arguments)


def _radius(name: str) -> Entry:
    source = positions(valid=NONE | WIDE)
    target = real(4, 3, rows="targets", valid=NONE | WIDE)
    labels = _labels(
        [0, 1, 0, 1], "targets", valid={"too large": (FREE, "more graphs")}
    )
    batch = _labels([0, 0, 1, 0, 1], valid={"too large": (FREE, "more graphs")})
    arguments = {"pos_source": source, "pos_target": target, "cutoff": _length()}
    arguments |= {"batch_source": batch, "batch_target": labels}
    return Entry(graph.radius, arguments | {"max_num_neighbors": _most()})


def _neighbors() -> Argument:
    return Argument(3, "size", valid={"one less": (FREE, "fewer")})


def _knn_graph(name: str) -> Entry:
    arguments = {"pos": positions(valid=NONE | WIDE), "k": _neighbors()}
    if "periodic" in name:
        asked = {"missing": (REFUSED, "pbc asks for it")}
        arguments |= {"cell": _cell(**asked), "pbc": _pbc()}
    else:
        arguments["batch"] = _batch()
    return Entry(graph.knn_graph, arguments)


def _knn(name: str) -> Entry:
    arguments = dict(_radius("radius").arguments, k=_neighbors())
    del arguments["cutoff"], arguments["max_num_neighbors"]
    return Entry(graph.knn, arguments)


def _fps(name: str) -> Entry:
    arguments = {"pos": positions(valid=NONE | WIDE), "batch": _batch()}
    if "ratio" in name:
        return Entry(graph.fps, arguments | {"ratio": Argument(0.5, "number")})
    return Entry(graph.fps, arguments | {"num_points": _neighbors()})


def _pooling_graph(name: str) -> Entry:
    def call(**inputs: Any) -> Any:
        index, coarse = graph.pooling_graph(num_points=2, **inputs)
        return [index, coarse.edge_index, coarse.edge_vec()]

    pos = positions(valid=NONE | DTYPES | {"float64": (FREE, "stays float64")})
    arguments = {"pos": pos, "batch": _batch()}
    if "radius" in name:
        return Entry(call, arguments | {"cutoff": _length()})
    return Entry(call, arguments | {"k": _neighbors()})


def _complete_graph(name: str) -> Entry:
    arguments = {
        "num_nodes": Argument(NODES, "size", aliases=("nodes",)),
        "batch": _batch(),
    }
    return Entry(graph.complete_graph, arguments)


def _edge_vectors(name: str) -> Entry:
    free = DTYPES if "periodic" in name else DTYPES | ANY_SPACE
    arguments = {"pos": positions(valid=free), "edge_index": edges()}
    images = torch.randint(-1, 2, (EDGES, 3))
    if "periodic" in name:
        missing = {"missing": (FREE, "nothing is periodic")}
        arguments["edge_shift"] = Argument(images, "images", "edges", valid=missing)
        arguments["cell"] = real(2, 3, 3, valid=WIDE)
        arguments["batch"] = _labels([0, 0, 1, 1, 1])
    return Entry(graph.edge_vectors, arguments)


def _two_ends(name: str) -> Entry:
    def call(pos_source: Any, pos_target: Any, edge_index: Any) -> Any:
        return graph.edge_vectors((pos_source, pos_target), edge_index)

    alias = ("pos",)
    arguments = {
        "pos_source": real(NODES, 3, rows="sources", aliases=alias),
        "pos_target": real(NODES, 3, rows="nodes", aliases=alias),
        "edge_index": edges(),
    }
    return Entry(call, arguments)


def _neighbor_graph(name: str) -> Entry:
    def call(**inputs: Any) -> Any:
        found = graph.neighbor_graph(**inputs)
        return [found.edge_vec(), found.edge_index]

    arguments = {
        "pos": positions(valid=DTYPES, aliases=("positions",)),
        "batch": _batch(),
    }
    if "given" in name:
        arguments["edge_index"] = edges()
        arguments["edge_shift"] = Argument(
            torch.randint(-1, 2, (EDGES, 3)), "images", "edges"
        )
        arguments["cell"] = Argument(3 * torch.eye(3), "real", None, valid=WIDE)
        return Entry(partial(call, cutoff=None), arguments)
    arguments["pos"] = positions(valid=NONE | DTYPES, aliases=("positions",))
    everything = {"missing": (FREE, "all pairs")}
    arguments["cutoff"] = Argument(2.0, "number", valid=everything)
    return Entry(call, arguments)


def _triplets(name: str) -> Entry:
    cases = [f"{end} {case}" for end in ("source", "target") for case in OUTSIDE]
    free = outcome(FREE, "nobody counts nodes", *cases, "negative", *HUGE)
    arguments = {"edge_index": edges(alone=True, valid=free)}
    if "periodic" in name:
        shift = torch.randint(-1, 2, (EDGES, 3))
        missing = {"missing": (FREE, "not periodic")}
        arguments["edge_shift"] = Argument(shift, "images", "edges", valid=missing)
    return Entry(graph.triplets, arguments)


entry(_triplets, "triplets", "triplets, periodic")
entry(_radius_graph, "radius_graph", "radius_graph, periodic", "radius_graph by vesin")
entry(_radius, "radius")
entry(_knn_graph, "knn_graph", "knn_graph, periodic")
entry(_knn, "knn")
entry(_pooling_graph, "pooling_graph", "pooling_graph of a radius")
entry(_fps, "fps", "fps of a ratio")
entry(_complete_graph, "complete_graph")
entry(_edge_vectors, "edge_vectors", "edge_vectors, periodic")
entry(_two_ends, "edge_vectors of two ends")
entry(_neighbor_graph, "neighbor_graph", "neighbor_graph of given edges")
