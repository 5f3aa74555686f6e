"""The transforms, which read their arguments off a graph of PyG."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.data import Data

from pyg_equivariant import nn, transforms

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

WIDE = {"float64": (SAME, "in any dtype"), "float16": (FREE, "rounded")}
NONE = outcome(REFUSED, "", "NaN", "infinite")


def _call(transform: Any, *names: str) -> Any:
    def call(**inputs: Any) -> Any:
        given = {key: x for key, x in inputs.items() if x is not None}
        data = transform(Data(**given))
        return [data[name] for name in names if name in data]

    return call


def _on_edges(name: str) -> Entry:
    transform, names = {
        "AddEdgeVectors": (transforms.AddEdgeVectors(), ["edge_vec"]),
        "AddRadialBasis": (
            transforms.AddRadialBasis(nn.BesselBasis(5, 3.0)),
            ["edge_attr"],
        ),
        "AddSphericalHarmonics": (
            transforms.AddSphericalHarmonics(lmax=2),
            ["edge_sh"],
        ),
        "AddNodeAttributes": (
            transforms.AddNodeAttributes(2, ["vel"]),
            ["node_attr"],
        ),
    }[name]
    arguments = {"pos": positions(valid=WIDE), "edge_index": edges()}
    left_out = {"missing": (FREE, "nothing is periodic")}
    shifts = torch.randint(-1, 2, (EDGES, 3))
    images = Argument(shifts, "images", "edges", valid=left_out)
    cell = Argument(3 * torch.eye(3), "real", None, valid=WIDE)
    arguments |= {"edge_shift": images, "cell": cell}
    if name == "AddRadialBasis":
        free = outcome(FREE, "any numbers", "int64", "int32", "bool")
        free |= outcome(FREE, "as many numbers for each edge", "a dimension more")
        free |= {"missing": (FREE, "none before")}
        earlier = real(EDGES, 2, rows="edges", columns=False, valid=WIDE | free)
        arguments["edge_attr"] = earlier
    if name == "AddNodeAttributes":
        one = {"one row": (FREE, "a vector of the graph"), "float16": (FREE, "rounded")}
        one |= outcome(FREE, "is brought to pos", "int64", "int32", "bool")
        arguments["vel"] = real(NODES, 3, rows="nodes", valid=WIDE | one)
    return Entry(_call(transform, *names), arguments)


def _radius_graph(name: str) -> Entry:
    options = {"periodic": True} if "all" in name else {}
    if "KNN" in name:
        transform: Any = transforms.AddKNNGraph(3, **options)
    else:
        transform = transforms.AddRadiusGraph(1.5, **options)
    free = {"missing": (FREE, "not periodic")}
    arguments = {
        "pos": positions(valid=WIDE | NONE),
        "cell": Argument(3 * torch.eye(3), "real", None, valid=WIDE | NONE | free),
        "pbc": Argument(
            torch.tensor([True, True, False]),
            "flags",
            valid=free | {"no dimensions": (FREE, "all")},
        ),
    }
    return Entry(_call(transform, "edge_index", "edge_shift"), arguments)


def _random_orthogonal(name: str) -> Entry:
    transform = transforms.RandomOrthogonal({"spin": "1e"})
    left = {"missing": (FREE, "no vectors of that name")}
    arguments = {
        "pos": real(NODES, 3, valid=WIDE, alone=True),
        "spin": real(NODES, 3, valid=WIDE, alone=True),
        "vel": real(NODES, 3, valid=WIDE | left, alone=True),
    }
    return Entry(_call(transform, "pos", "spin", "vel"), arguments)


def _select_target(name: str) -> Entry:
    transform = transforms.SelectTarget(["gap", 3], torch.randn(10))
    arguments = {
        "y": real(1, 19, columns=False, valid=WIDE),
        "z": Argument(torch.tensor([6, 1, 8, 1, 7]), "labels", None, columns=False),
    }
    return Entry(_call(transform, "y"), arguments)


added = ("EdgeVectors", "RadialBasis", "SphericalHarmonics", "NodeAttributes")
entry(_on_edges, *(f"Add{name}" for name in added))
entry(_radius_graph, "AddRadiusGraph", "AddKNNGraph", "AddRadiusGraph of all")
entry(_random_orthogonal, "RandomOrthogonal")
entry(_select_target, "SelectTarget")
