"""The networks and force fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from pyg_equivariant.networks import PARTICLE_NETWORKS
from pyg_equivariant.nn import (
    EGNN,
    MACE,
    SEGNN,
    TFN,
    ForceField,
    NequIP,
    PaiNN,
    SchNet,
    SE3Transformer,
)
from pyg_equivariant.nn.conv import EquivariantConv

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

SMALL: dict[str, Any] = {"num_layers": 2, "hidden_channels": 8}
NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "SchNet": lambda: SchNet(num_filters=8, num_radial=6, cutoff=3.0, **SMALL),
    "PaiNN": lambda: PaiNN(num_radial=6, cutoff=3.0, **SMALL),
    "TFN": lambda: TFN(lmax=1, num_radial=6, cutoff=3.0, **SMALL),
    "NequIP": lambda: NequIP(lmax=1, num_radial=6, cutoff=3.0, **SMALL),
    "NequIP as published": lambda: NequIP(
        lmax=1, num_radial=6, cutoff=3.0, published=True, **SMALL
    ),
    "MACE": lambda: MACE(lmax=1, num_radial=6, cutoff=3.0, **SMALL),
    "MACE with repulsion": lambda: MACE(
        lmax=1, num_radial=6, cutoff=3.0, zbl=True, **SMALL
    ),
    "SE3Transformer": lambda: SE3Transformer(
        lmax=1, num_heads=2, radial_channels=8, cutoff=3.0, smooth=True, **SMALL
    ),
    "EGNN": lambda: EGNN(cutoff=3.0, smooth=True, **SMALL),
    "SEGNN": lambda: SEGNN(lmax=1, lmax_attr=1, cutoff=3.0, smooth=True, **SMALL),
}
NOWHERE = "neighbors of a place that is none cannot be searched for"
SEARCHED = outcome(REFUSED, NOWHERE, "NaN", "infinite")


def _labels(value: list[int], **options: Any) -> Argument:
    return Argument(torch.tensor(value), "labels", "nodes", **options)


def _elements() -> Argument:
    return _labels([6, 1, 8, 1, 7], aliases=("atomic numbers", "species"))


def _graphs() -> Argument:
    more = (FREE, "one graph more, or several without atoms")
    return _labels(
        [0, 0, 0, 1, 1], valid={"missing": (FREE, "one graph"), "too large": more}
    )


def _found() -> dict[str, Argument]:
    return {
        "z": _elements(),
        "pos": positions(valid=SEARCHED),
        "batch": _graphs(),
        "batch_size": Argument(2, valid={"missing": (SAME, "counted")}),
    }


def _given() -> dict[str, Argument]:
    shift = torch.zeros(EDGES, 3, dtype=torch.long)
    cells = 4 * torch.eye(3)
    return {
        "z": _elements(),
        "pos": positions(),
        "edge_index": edges(),
        "edge_shift": Argument(shift, "images", "edges"),
        "cell": Argument(
            cells,
            "real",
            None,
            valid={
                "float64": (SAME, "is brought to pos"),
                "float16": (SAME, "is brought to pos"),
            },
        ),
    }


def _network(name: str, fuse: bool, given: Callable[[], Any], force: bool) -> Entry:
    model: Any = NETWORKS[name.split(",")[0].split("(")[-1].split(")")[0]]()
    for module in model.modules():
        if isinstance(module, EquivariantConv) and not fuse:
            module.fuse = False
    if force:
        model = ForceField(model.eval())
    return Entry(model.eval(), given())


for way, fuse in (("", True), (", by messages", False)):
    for text, given in (("", _found), (", with edges", _given)):
        for form, force in (("{}", False), ("ForceField({})", True)):
            names = (form.format(name) + text + way for name in NETWORKS)
            build = partial(_network, fuse=fuse, given=given, force=force)
            entry(build, *names)


LOOSE = {
    "missing": (FREE, "along all"),
    "a list": (SAME, "a sequence"),
    "an array": (SAME, "a sequence"),
    "no dimensions": (FREE, "all or none"),
}


def _periodic(name: str) -> Entry:
    model = ForceField(NETWORKS["PaiNN"](), compute_stress=True).eval()
    flags = torch.tensor([True, True, False])
    wide = outcome(SAME, "is brought to pos", "float64", "float16")
    arguments = {
        "z": _elements(),
        "pos": positions(valid=SEARCHED),
        "cell": Argument(6 * torch.eye(3), "real", None, valid=wide | SEARCHED),
        "pbc": Argument(flags, "flags", None, valid=LOOSE),
    }
    return Entry(model, arguments)


def _egnn_nbody(name: str) -> Entry:
    options: dict[str, Any] = {"velocity": True, "update_pos": True, "edge_dim": 2}
    model = EGNN(in_channels=3, head="pos", **options, **SMALL)
    arguments = {
        "z": real(NODES, 3, rows="nodes", aliases=("x",)),
        "pos": positions(),
        "batch": _graphs(),
        "edge_index": edges(),
        "vel": real(NODES, 3, rows="nodes"),
        "edge_attr": real(EDGES, 2, rows="edges"),
    }
    return Entry(model, arguments)


def _particles(name: str) -> Entry:
    model = PARTICLE_NETWORKS[name.rpartition(" ")[2]].build_small()
    of_charges = {"missing": (FREE, "of the charges")}
    arguments = {
        "pos": positions(aliases=("positions",)),
        "vel": real(NODES, 3, rows="nodes"),
        "charge": real(NODES, 1, rows="nodes"),
        "edge_index": edges(),
        "edge_attr": real(EDGES, 1, rows="edges", valid=of_charges),
        "batch": _graphs(),
    }
    return Entry(model.eval(), arguments)


def _segnn_nbody(name: str) -> Entry:
    model = SEGNN(
        irreps_in="2x1o+1x0e",
        edge_dim=2,
        lmax=1,
        lmax_attr=1,
        cutoff=None,
        head="vector",
        **SMALL,
    )
    arguments = {
        "z": real(NODES, 7, rows="nodes", aliases=("x",)),
        "pos": positions(),
        "batch": _graphs(),
        "edge_index": edges(),
        "edge_attr": real(EDGES, 2, rows="edges"),
        "node_attr": real(NODES, 4, rows="nodes", valid={"missing": (FREE, "none")}),
    }
    return Entry(model, arguments)


def _of_irreps(name: str) -> Entry:
    options = {"irreps_x": "1x0e+1x1e", "irreps_edge": "1x0e+1x1o", **SMALL}
    kind = name.partition(" ")[0]
    options |= {"lmax": 1} if kind in ("TFN", "SEGNN", "SE3Transformer") else {}
    options |= {"num_heads": 1} if kind == "SE3Transformer" else {}
    options |= {"irreps_node_attr": "1x1e"} if kind == "SEGNN" else {}
    build: Any = {"SchNet": SchNet, "PaiNN": PaiNN, "TFN": TFN, "EGNN": EGNN}
    build["SE3Transformer"] = SE3Transformer
    model = build.get(kind, SEGNN)(
        cutoff=3.0, irreps_out="ij=ji", head="sum", **options
    )
    arguments = {
        "z": _elements(),
        "pos": positions(),
        "batch": _graphs(),
        "edge_index": edges(),
        "x": real(NODES, 4, rows="nodes"),
        "edge_attr": real(EDGES, 4, rows="edges"),
    }
    if kind == "SEGNN":
        arguments["node_attr"] = real(NODES, 3, rows="nodes")
    return Entry(model.eval(), arguments)


entry(_of_irreps, *(f"{name} of irreps" for name in NETWORKS))
entry(_periodic, "ForceField with stress")
entry(_particles, *(f"particles of {name}" for name in PARTICLE_NETWORKS))
entry(_egnn_nbody, "EGNN of features")
entry(_segnn_nbody, "SEGNN of features")
