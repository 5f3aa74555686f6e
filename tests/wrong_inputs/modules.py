"""The steerable and the invariant modules, and the heads of networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant import nn
from pyg_equivariant.nn import models
from pyg_equivariant.o3 import TensorProductPaths

from .table import (
    EDGES,
    FREE,
    NODES,
    REFUSED,
    SAME,
    SPREAD,
    Argument,
    Entry,
    edges,
    entry,
    only,
    outcome,
    positions,
    real,
)

SAMPLES = 6
IRREPS = "4x0e+3x1o+2x2e"
DIM = 23
ONE_FOR_ALL = {
    "one row": (SPREAD, "leading dimensions broadcast"),
    "a single row": (SPREAD, "leading dimensions broadcast"),
    "a dimension before": (FREE, "leading dimensions broadcast"),
}


def _of_samples(*columns: int, **options: Any) -> Argument:
    valid = ONE_FOR_ALL | options.pop("valid", {})
    return real(SAMPLES, *columns, rows="samples", valid=valid, **options)


def _depthwise(internal: bool) -> torch.nn.Module:
    paths = TensorProductPaths.depthwise(IRREPS, "0e+1o", keep="0e+1o")
    return nn.TensorProduct(paths, internal_weights=internal)


# Modules of one tensor, whose rows are free.
FEATURES: dict[str, Callable[[], Any]] = {
    "Linear": lambda: nn.Linear(IRREPS, "3x0e+2x1o"),
    "NormActivation": lambda: nn.NormActivation(IRREPS),
    "NormActivation without bias": lambda: nn.NormActivation(IRREPS, bias=False),
    "NormActivation of scalars": lambda: nn.NormActivation(IRREPS, scalars=True),
    "NormMLP": lambda: nn.NormMLP(IRREPS),
    "AttentiveSelfInteraction": lambda: nn.AttentiveSelfInteraction(IRREPS, "2x0e+1o"),
    "EquivariantLayerNorm": lambda: nn.EquivariantLayerNorm(IRREPS),
    "EquivariantLayerNorm, not affine": lambda: nn.EquivariantLayerNorm(
        IRREPS, affine=False
    ),
    "EquivariantBatchNorm": lambda: nn.EquivariantBatchNorm(IRREPS),
    "Norm of lengths": lambda: nn.Norm(IRREPS),
    "Extract": lambda: nn.Extract(IRREPS, ["3x1o"], [(1,)]),
    "TensorSquare": lambda: nn.TensorSquare(IRREPS, "3x0e+2x1o"),
    "TensorSquare without weights": lambda: nn.TensorSquare(IRREPS),
    "S2Activation": lambda: nn.S2Activation("2x0e+2x1o+2x2e", "silu", 8),
    "S2Activation that turns": lambda: nn.S2Activation(
        "1x0e+1x1o", "silu", 4, random_rot=True
    ),
    "SO3Activation": lambda: nn.SO3Activation(1, 1, "silu", 2),
    "ToS2Grid": lambda: nn.ToS2Grid(2),
    "ExtractIr": lambda: nn.ExtractIr(IRREPS, "1o"),
    "Dropout": lambda: nn.Dropout(IRREPS, 0.3),
    "Dropout of none": lambda: nn.Dropout(IRREPS, 0.3).eval(),
    "Activation": lambda: nn.Activation(IRREPS, ["tanh", None, None]),
    "Gate without bias": lambda: nn.Gate("2x0e", ["silu"], "2x0e", ["sigmoid"], "2x2e"),
    "Gate of tanh": lambda: nn.Gate("2x0e", ["tanh"], "2x0e", ["sigmoid"], "2x2e"),
}
WITHOUT_WEIGHTS = (
    *("without", "not affine", "Dropout", "Activation", "Gate"),
    *("Norm of", "Extract"),
)


def _features(name: str) -> Entry:
    module = FEATURES[name]()
    alone = name.startswith(WITHOUT_WEIGHTS) or name.endswith(WITHOUT_WEIGHTS[:2])
    alone = alone or name.endswith("without bias")
    free = {}
    if alone:
        free = outcome(FREE, "no weights", "float64", "float16")
    x = real(SAMPLES, module.irreps_in.dim, alone=alone, valid=free)
    return Entry(module, {"x": x})


DENSE: dict[str, Callable[[], Any]] = {
    "Dense": lambda: nn.Dense(7, 5),
    "OrthogonalDense": lambda: nn.OrthogonalDense(7, 5),
    "MLP": lambda: nn.MLP([7, 8, 3]),
    "RadialMLP": lambda: nn.RadialMLP([7, 8, 3]),
    "RadialProfiles": lambda: nn.RadialProfiles(7, [3, 2], 8),
}
LENGTHS: dict[str, Callable[[], Any]] = {
    "GaussianBasis": lambda: nn.GaussianBasis(5, 3.0),
    "BesselBasis": lambda: nn.BesselBasis(5, 3.0),
    "SphericalBesselBasis": lambda: nn.SphericalBesselBasis(3, 2, 3.0),
    "SphericalBesselBasis of DimeNet": lambda: nn.SphericalBesselBasis(
        3, 2, 3.0, "dimenet"
    ),
    "BesselBasis that learns": lambda: nn.BesselBasis(5, 3.0, trainable=True),
}
ALONE: dict[str, Callable[[], Any]] = {
    "CosineCutoff": lambda: nn.CosineCutoff(3.0),
    "PolynomialCutoff": lambda: nn.PolynomialCutoff(3.0),
    "ShiftedSoftplus": nn.ShiftedSoftplus,
    "SecondMomentActivation": lambda: nn.SecondMomentActivation("silu"),
}
FREE_DTYPE = outcome(FREE, "alone", "float64", "float16")
FREE_SHAPE = {"no dimensions": (FREE, "any shape")}


def _dense(name: str) -> Entry:
    key = "edge_attr" if name == "RadialProfiles" else "x"
    key = "input" if name.endswith("Dense") else key
    return Entry(DENSE[name](), {key: real(SAMPLES, 7, aliases=("input",))})


def _lengths(name: str) -> Entry:
    length = real(EDGES, columns=False, valid=FREE_SHAPE)
    return Entry(LENGTHS[name](), {"edge_length": length})


def _angular(name: str) -> Entry:
    arguments = {
        "radial": real(EDGES, 6, rows="edges", valid=FREE_DTYPE),
        "cosine": real(EDGES, rows="edges", columns=False),
    }
    if name == "SphericalBasis":
        return Entry(nn.SphericalBasis(3), arguments)
    return Entry(
        nn.TorsionBasis(3), arguments | {"phase": real(EDGES, 2, rows="edges")}
    )


def _alone(name: str) -> Entry:
    key = "edge_length" if "Cutoff" in name else "x"
    x = only(EDGES, columns=False, valid=FREE_DTYPE | FREE_SHAPE)
    return Entry(ALONE[name](), {key: x})


def _harmonics(name: str) -> Entry:
    module = nn.SphericalHarmonics("0e+1o+2e")
    return Entry(module, {"vectors": only(EDGES, 3, valid=FREE_DTYPE)})


entry(_features, *FEATURES)
entry(_dense, *DENSE)
entry(_lengths, *LENGTHS)
entry(_angular, "SphericalBasis", "TorsionBasis")
entry(_alone, *ALONE)
entry(_harmonics, "SphericalHarmonics")


def _two(name: str) -> Entry:
    """Products of two."""
    if name == "SteerableLinear":
        module: Any = nn.SteerableLinear(IRREPS, "0e+1o", "2x0e+3x1o")
        keys = ("x", "attr")
    elif name == "SteerableMLP":
        module = nn.SteerableMLP(IRREPS, "0e+1o", "4x0e+2x1o", "1x1o")
        keys = ("x", "attr")
    else:
        full = nn.FullTensorProduct(IRREPS, "0e+1o")
        mixed = nn.FullyConnectedTensorProduct(IRREPS, "0e+1o", "2x0e+3x1o")
        module = full if name == "FullTensorProduct" else mixed
        keys = ("x1", "x2")
    return Entry(
        module,
        dict(
            zip(
                keys,
                (_of_samples(DIM), _of_samples(4, aliases=("attributes",))),
                strict=True,
            )
        ),
    )


def _from_grid(name: str) -> Entry:
    module = nn.FromS2Grid((6, 5), 2)
    aliases = ("angles", "azimuths")
    return Entry(module, {"values": real(SAMPLES, 6, 5, aliases=aliases)})


def _reduced(name: str) -> Entry:
    module = nn.ReducedTensorProducts("ij=ji", i="1x0e+1x1o")
    xs = [_of_samples(4, aliases=("x1", "x2")) for _ in range(2)]
    return Entry(lambda x, y: module(x, y), {"x": xs[0], "y": xs[1]})


def _of_species(name: str) -> Entry:
    dense = "dense" in name
    module = nn.SpeciesLinear(IRREPS, "2x0e+3x1o", 4)
    labels = torch.tensor([1, 0, 2, 2, 0])
    arguments = {
        "x": real(NODES, DIM, rows="nodes"),
        "species": Argument(labels, "labels", "nodes"),
    }
    if dense:
        one_hot = {"missing": (FREE, "one-hot")}
        arguments["attr"] = real(3, 4, rows="species", valid=one_hot)
    return Entry(module, arguments)


def _weighted(name: str) -> Entry:
    module = _depthwise(False)
    number = module.weight_numel
    arguments = {"x1": _of_samples(DIM), "x2": _of_samples(4)}
    alias = {"aliases": ("weights",)}
    weight = (real if "shared" in name else _of_samples)(number, **alias)
    return Entry(module, arguments | {"weight": weight})


entry(
    _two,
    *("SteerableLinear", "SteerableMLP"),
    *("FullyConnectedTensorProduct", "FullTensorProduct"),
)
entry(_from_grid, "FromS2Grid")
entry(_reduced, "ReducedTensorProducts")
entry(_of_species, "SpeciesLinear", "SpeciesLinear of dense attributes")
entry(_weighted, "TensorProduct", "TensorProduct of shared weights")


def _symmetric(name: str) -> Entry:
    module = nn.SymmetricContraction("2x0e+2x1o", "2x0e+2x1o", 2, num_species=9)
    arguments = {
        "x": real(NODES, 8, rows="nodes"),
        "species": _labels([6, 1, 8, 1, 7]),
    }
    return Entry(module, arguments)


def _gate(name: str) -> Entry:
    act = "tanh" if "tanh" in name else "silu"
    module = nn.Gate("2x0e", [act], "2x0e", ["sigmoid"], "2x2e")
    missing = {"missing": (FREE, "no bias")}
    arguments = {"x": real(SAMPLES, 14), "bias": real(4, valid=missing)}
    return Entry(module, arguments)


def _trivial(name: str) -> Entry:
    module = nn.SteerableLinear(IRREPS, "0e", "2x0e+3x1o")
    left_out = {"missing": (FREE, "an attribute 1x0e may be left out")}
    left_out["a dimension more"] = (FREE, "leading dimensions broadcast")
    arguments = {"x": _of_samples(DIM), "attr": _of_samples(1, valid=left_out)}
    return Entry(module, arguments)


def _labels(value: list[int], **options: Any) -> Argument:
    return Argument(torch.tensor(value), "labels", "nodes", **options)


def _batch() -> Argument:
    one = {"missing": (FREE, "one graph"), "too large": (FREE, "more graphs")}
    return _labels([0, 0, 1, 0, 1], valid=one)


def _instance_norm(name: str) -> Entry:
    module = nn.EquivariantInstanceNorm(IRREPS)
    arguments = {"x": real(NODES, DIM, rows="nodes"), "batch": _batch()}
    if "number" in name:
        only_so_many = _labels([0, 0, 1, 0, 1], valid={"missing": (REFUSED, "")})
        arguments["batch"] = only_so_many
        arguments["batch_size"] = _two_graphs()
    return Entry(module, arguments)


def _two_graphs() -> Argument:
    return Argument(2, "size", valid={"missing": (SAME, "is counted")})


def _of_atoms(name: str) -> Entry:
    arguments = {
        "z": _labels([6, 1, 8, 1, 7], aliases=("atomic numbers",)),
        "edge_index": edges(),
        "edge_length": real(EDGES, rows="edges", columns=False),
    }
    return Entry(getattr(nn, name)(), arguments)


entry(_symmetric, "SymmetricContraction")
entry(_of_atoms, "ZBLRepulsion", "AgnesiTransform", "SoftTransform")
entry(_gate, "Gate", "Gate of tanh and bias")
entry(_trivial, "SteerableLinear without attributes")
entry(_instance_norm, "EquivariantInstanceNorm")


def _node_attributes(name: str) -> Entry:
    weight = {"missing": (FREE, "the mean")}
    arguments = {
        "edge_sh": real(EDGES, 4, rows="edges", columns=False),
        "target": Argument(
            torch.tensor([1, 0, 1, 4, 3, 2, 2, 2, 4]), "labels", "edges"
        ),
        "num_nodes": Argument(NODES, "size"),
        "weight": real(EDGES, rows="edges", columns=False, valid=weight),
        "physical": real(NODES, 4, rows="nodes", valid={"missing": (FREE, "none")}),
    }
    return Entry(nn.node_attributes, arguments)


def _edge_embedding(name: str) -> Entry:
    embed = nn.EdgeEmbedding(
        3.0, nn.BesselBasis(5, 3.0), nn.PolynomialCutoff(3.0), "0e+1o"
    )

    def call(**inputs: Any) -> Any:
        return [t for t in embed(**inputs) if isinstance(t, Tensor)]

    arguments = {"pos": positions(aliases=("positions",)), "batch": _batch()}
    if "given" in name:
        found = {"missing": (FREE, "is found from the positions")}
        arguments["edge_index"] = edges(valid=found)
    else:
        refused = outcome(REFUSED, "", "NaN", "infinite")
        arguments["pos"] = positions(valid=refused, aliases=("positions",))
    return Entry(call, arguments)


entry(_node_attributes, "node_attributes")
entry(_edge_embedding, "EdgeEmbedding", "EdgeEmbedding of given edges")


HEADS: dict[str, Callable[[], torch.nn.Module]] = {
    "ScalarHead": lambda: models.ScalarHead(nn.MLP([8, 4, 1])),
    "ScalarHead of means": lambda: models.ScalarHead(nn.MLP([8, 4, 1]), reduce="mean"),
    "ExtensiveHead": lambda: models.ExtensiveHead(
        models.ScalarHead(nn.MLP([8, 4, 1]), reduce="node")
    ),
    "DipoleHead": lambda: models.DipoleHead(8, 3),
    "DipoleHead of masses": lambda: models.DipoleHead(8, 3, masses=torch.ones(10)),
    "PolarizabilityHead": lambda: models.PolarizabilityHead(8, 3),
    "SpatialExtentHead": lambda: models.SpatialExtentHead(8, 3),
    "IrrepsHead": lambda: models.IrrepsHead("8x0e", "2x0e", None),
    "IrrepsHead with vectors": lambda: models.IrrepsHead("8x0e+3x1o", "1x1o", None),
}
JOINED = outcome(FREE, "joined with x", "float64", "float16")
ANY_CHARGE = dict.fromkeys(
    ("float32", "float64", "negative", "very negative", "huge", "too large"),
    (FREE, "a weight; features of atoms count as one each"),
)
NO_CHARGES = ("ScalarHead", "ExtensiveHead", "IrrepsHead")


def _head(name: str) -> Entry:
    head: Any = HEADS[name]()

    atoms, numbers = torch.randn(NODES, 3), torch.ones(NODES, dtype=torch.long)

    def call(x: Any, batch: Any, batch_size: Any, **given: Any) -> Tensor:
        given = {"vec": None, "pos": atoms, "z": numbers} | given
        features = models.Features(x, given["vec"], given["pos"])
        return head(features, given["z"], batch, batch_size)

    charges = {}
    if name.startswith(("Polarizability", "SpatialExtent")):
        charges = ANY_CHARGE
    of_nodes = partial(real, NODES, rows="nodes")
    arguments = {
        "x": of_nodes(8, aliases=("input",)),
        "vec": of_nodes(3, 3, aliases=("vectors",)),
        "pos": of_nodes(3, valid=JOINED),
        "z": _labels([6, 1, 8, 1, 7], aliases=("atomic numbers",), valid=charges),
        "batch": _labels([0, 0, 1, 0, 1], valid={"missing": (FREE, "one graph")}),
        "batch_size": Argument(2, "size"),
    }
    if name.startswith((*NO_CHARGES, "SpatialExtentHead")) and "with" not in name:
        del arguments["vec"]
    if name.startswith(NO_CHARGES):
        del arguments["pos"], arguments["z"]
    if name == "DipoleHead":
        del arguments["z"]
    return Entry(call, arguments)


def _gated_block(name: str) -> Entry:
    block = models.GatedEquivariantBlock((8, 4), (2, 1))
    arguments = {"x": real(NODES, 8, rows="nodes")}
    return Entry(block, arguments | {"vec": real(NODES, 3, 4, rows="nodes")})


entry(_head, *HEADS)
entry(_gated_block, "GatedEquivariantBlock")


def _radial_product(name: str) -> Entry:
    module = nn.RadialTensorProduct("4x0e+2x1o", "0e+1o", "3x0e+2x1o", 2, 8)
    arguments = {
        "x": real(EDGES, 10, rows="edges"),
        "edge_sh": real(EDGES, 4, rows="edges"),
        "edge_attr": real(EDGES, 2, rows="edges"),
    }
    return Entry(module, arguments)


entry(_radial_product, "RadialTensorProduct")
