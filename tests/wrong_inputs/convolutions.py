"""The convolutions, by messages and by kernels, and what is called on edges."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.nn import (
    AllegroConv,
    CormorantConv,
    DimeNetConv,
    DimeNetPPConv,
    Edges,
    EGNNConv,
    EquivariantConv,
    L1NetConv,
    LieConv,
    MACEConv,
    MPNNConv,
    NequIPConv,
    PaiNNConv,
    RadialFieldConv,
    SchNetConv,
    SE3Conv,
    SE3TransformerConv,
    SEGNNConv,
    SphereNetConv,
    TFNConv,
)

from .table import (
    EDGES,
    FREE,
    NODES,
    Argument,
    Entry,
    edges,
    entry,
    positions,
    real,
)

IRREPS, SH = "6x0e+2x1o", "0e+1o"
RADIAL = 7


def _of_edges(*columns: int, **options: Any) -> Argument:
    return real(EDGES, *columns, rows="edges", **options)


def _of_nodes(*columns: int, **options: Any) -> Argument:
    return real(NODES, *columns, rows="nodes", **options)


def _weight() -> Argument:
    return _of_edges(columns=False, valid={"missing": (FREE, "no envelope")})


def _tfn() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = TFNConv(IRREPS, SH, "3x0e+2x1o", RADIAL)
    sh, attr = _of_edges(4), _of_edges(RADIAL)
    given = {"x": _of_nodes(12), "edge_index": edges(), "edge_sh": sh}
    return conv, given | {"edge_attr": attr}


def _tfn_alone() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = TFNConv(IRREPS, SH, "3x0e+2x1o", RADIAL, self_interaction=False)
    return conv, _tfn()[1]


def _allegro(**options: Any) -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = AllegroConv("3x0e+3x1o", SH, "3x0e+3x1o", RADIAL, **options)
    given = {"x": _of_edges(12), "edge_index": edges(), "edge_sh": _of_edges(4)}
    return conv, given | {"edge_attr": _of_edges(RADIAL)}


def _l1net() -> tuple[EquivariantConv, dict[str, Argument]]:
    return L1NetConv(IRREPS, SH, "3x0e+2x1o", RADIAL, (6,)), _tfn()[1]


def _cormorant() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = CormorantConv(2, 3, RADIAL)
    given = {"x": _of_nodes(16), "edge_index": edges(), "edge_sh": _of_edges(4)}
    given |= {"edge_attr": _of_edges(RADIAL), "edge_length": _of_edges(columns=False)}
    return conv, given | {"edge_weight": _weight()}


def _nequip() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = NequIPConv(IRREPS, SH, "3x0e+2x1o", RADIAL, num_attr=4)
    labels = Argument(torch.tensor([1, 0, 3, 3, 0]), "labels", "nodes")
    return conv, _tfn()[1] | {"species": labels}


def _nequip_dense() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv, given = _nequip()
    one_hot = {"missing": (FREE, "one-hot")}
    return conv, given | {"attr": real(6, 4, rows="species", valid=one_hot)}


def _nequip_alone() -> tuple[EquivariantConv, dict[str, Argument]]:
    return NequIPConv(IRREPS, SH, "3x0e+2x1o", RADIAL), _tfn()[1]


def _mace() -> tuple[EquivariantConv, dict[str, Argument]]:
    options: dict[str, Any] = {"correlation": 2, "radial_channels": (6,)}
    conv = MACEConv(IRREPS, SH, "3x0e+3x1o", RADIAL, 4, **options)
    return conv, _nequip()[1]


def _mace_alone() -> tuple[EquivariantConv, dict[str, Argument]]:
    options: dict[str, Any] = {"correlation": 2, "radial_channels": ()}
    return MACEConv(IRREPS, SH, "3x0e+3x1o", RADIAL, **options), _tfn()[1]


def _mace_dense() -> tuple[EquivariantConv, dict[str, Argument]]:
    options: dict[str, Any] = {"correlation": 2, "density": True}
    return MACEConv(IRREPS, SH, "3x0e+3x1o", RADIAL, **options), _tfn()[1]


def _schnet() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = SchNetConv(6, 8, num_filters=10, edge_dim=RADIAL, cutoff=5.0)
    length, attr = _of_edges(columns=False), _of_edges(RADIAL)
    given = {"x": _of_nodes(6), "edge_index": edges(), "edge_length": length}
    return conv, given | {"edge_attr": attr, "edge_weight": _weight()}


def _schnet_open() -> tuple[EquivariantConv, dict[str, Argument]]:
    given = _schnet()[1]
    unread = {"missing": (FREE, "read by the envelope alone")}
    given["edge_length"] = _of_edges(columns=False, valid=unread)
    return SchNetConv(6, 8, num_filters=10, edge_dim=RADIAL), given


def _lie(dim: int = 3, **options: Any) -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = LieConv(6, 8, edge_dim=RADIAL, **options).eval()
    given = {"x": _of_nodes(6), "edge_index": edges()}
    given |= {"edge_attr": _of_edges(dim + RADIAL), "edge_weight": _weight()}
    return conv, given


def _dimenet() -> tuple[EquivariantConv, dict[str, Argument]]:
    given = {"x": _of_nodes(6), "edge_index": edges(), "edge_attr": _of_edges(RADIAL)}
    return DimeNetConv(6, RADIAL, num_bilinear=3), given


def _dimenet_pp() -> tuple[EquivariantConv, dict[str, Argument]]:
    given = _dimenet()[1] | {"radial": _of_nodes(4)}
    return DimeNetPPConv(6, RADIAL, 4, int_channels=5, basis_channels=3), given


def _dimenet_pp_alone() -> tuple[EquivariantConv, dict[str, Argument]]:
    return DimeNetPPConv(6, RADIAL, int_channels=5, basis_channels=3), _dimenet()[1]


def _spherenet() -> tuple[EquivariantConv, dict[str, Argument]]:
    widths: dict[str, Any] = {"int_channels": 5, "basis_channels": (3, 4, 2)}
    return SphereNetConv(6, RADIAL - 2, 2, **widths), _dimenet()[1]


def _painn() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = PaiNNConv(6, RADIAL, cutoff=5.0)
    given = {"x": _of_nodes(6), "vec": _of_nodes(3, 6), "edge_index": edges()}
    given |= {"edge_vec": _of_edges(3), "edge_attr": _of_edges(RADIAL)}
    return conv, given | {"edge_weight": _weight()}


def _painn_open() -> tuple[EquivariantConv, dict[str, Argument]]:
    return PaiNNConv(6, RADIAL), _painn()[1]


def _egnn() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = EGNNConv(6, 8, 6, edge_dim=RADIAL, attention=True, velocity=True)
    given = {"x": _of_nodes(6), "pos": positions(), "edge_index": edges()}
    given |= {"edge_attr": _of_edges(RADIAL), "vel": _of_nodes(3)}
    given |= {"edge_vec": _of_edges(3, valid={"missing": (FREE, "from positions")})}
    return conv, given | {"edge_weight": _weight()}


def _egnn_still() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = EGNNConv(6, 8, 5, update_pos=False)
    pos = positions(columns=False)  # of a space of any dimension
    return conv, {"x": _of_nodes(6), "pos": pos, "edge_index": edges()}


def _radial_field() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = RadialFieldConv(8, RADIAL, velocity=True)
    given = {"pos": positions(), "edge_index": edges(), "edge_attr": _of_edges(RADIAL)}
    given |= {"vel": _of_nodes(3), "edge_vec": _egnn()[1]["edge_vec"]}
    return conv, given | {"edge_weight": _weight()}


def _mpnn() -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = MPNNConv(6, 8, 6, RADIAL, attention=True)
    given = {"x": _of_nodes(6), "edge_index": edges(), "edge_attr": _of_edges(RADIAL)}
    return conv, given | {"edge_weight": _weight()}


def _segnn(**options: Any) -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = SEGNNConv(IRREPS, SH, IRREPS, edge_dim=2, **options)
    given = {"x": _of_nodes(12), "edge_index": edges(), "edge_sh": _of_edges(4)}
    attr = _of_nodes(4, aliases=("attributes",))
    given |= {"node_attr": attr, "edge_attr": _of_edges(2)}
    return conv, given | {"edge_weight": _weight()}


def _se3() -> tuple[EquivariantConv, dict[str, Argument]]:
    given = _tfn()[1] | {"edge_weight": _weight()}
    return SE3Conv(IRREPS, SH, "3x0e+2x1o", RADIAL, radial_channels=8), given


def _se3_attention(**options: Any) -> tuple[EquivariantConv, dict[str, Argument]]:
    conv = SE3TransformerConv(IRREPS, SH, IRREPS, RADIAL, radial_channels=8, **options)
    given = _tfn()[1]
    if conv.x_ij is not None:
        given["edge_vec"] = _of_edges(3)
    return conv, given | {"edge_weight": _weight()}


LAYERS: dict[str, Callable[[], tuple[EquivariantConv, dict[str, Argument]]]] = {
    "TFNConv": _tfn,
    "TFNConv without self-interaction": _tfn_alone,
    "L1NetConv": _l1net,
    "CormorantConv": _cormorant,
    "NequIPConv": _nequip_alone,
    "NequIPConv of species": _nequip,
    "NequIPConv of dense attributes": _nequip_dense,
    "MACEConv": _mace_alone,
    "MACEConv of species": _mace,
    "AllegroConv": _allegro,
    "AllegroConv that mixes": partial(_allegro, mix=True),
    "MACEConv with density": _mace_dense,
    "SchNetConv": _schnet,
    "SchNetConv without cutoff": _schnet_open,
    "LieConv": _lie,
    "LieConv of balls": partial(_lie, fill=0.5),
    "LieConv of rigid motions": partial(_lie, 6, group="SE(3)"),
    "DimeNetConv": _dimenet,
    "DimeNetPPConv": _dimenet_pp_alone,
    "DimeNetPPConv of radial features": _dimenet_pp,
    "SphereNetConv": _spherenet,
    "PaiNNConv": _painn,
    "PaiNNConv without cutoff": _painn_open,
    "EGNNConv": _egnn,
    "EGNNConv that stays": _egnn_still,
    "RadialFieldConv": _radial_field,
    "MPNNConv": _mpnn,
    "SE3Conv": _se3,
    "SE3TransformerConv": partial(_se3_attention, num_heads=2),
    "SE3TransformerConv with x_ij": partial(_se3_attention, x_ij="cat"),
    "SEGNNConv": _segnn,
    "SEGNNConv of aggregates": partial(_segnn, gate="aggregate"),
    "SEGNNConv of one layer": partial(_segnn, num_message_layers=1),
}


def _layer(name: str, fuse: bool) -> Entry:
    conv, given = LAYERS[name.removesuffix(" by messages")]()
    conv.fuse = fuse
    if isinstance(conv, AllegroConv):
        return Entry(partial(conv, size=(NODES, NODES)), given)
    return Entry(conv, given)


def _both_ends(name: str, fuse: bool) -> Entry:
    """The same with one set of sources and another of targets."""
    conv, given = LAYERS[name.split(", ")[0]]()
    conv.fuse = fuse
    parted: dict[str, Argument] = {}
    pairs = [key for key in given if key in ("x", "vec", "pos")]
    for key, argument in given.items():
        if key in pairs:
            shape, alias = argument.value.shape[1:], (key,)
            more = {"rows": "sources", "aliases": alias}
            parted[f"{key}_source"] = real(NODES, *shape, **more)
            parted[f"{key}_target"] = real(NODES, *shape, rows="nodes", aliases=alias)
        else:
            parted[key] = argument

    def call(**inputs: Any) -> Any:
        for key in pairs:
            inputs[key] = inputs.pop(f"{key}_source"), inputs.pop(f"{key}_target")
        return conv(**inputs)

    return Entry(call, parted)


def _on_edges(name: str, fuse: bool) -> Entry:
    conv, _ = LAYERS[name.split(".")[0]]()
    conv.fuse = fuse
    given = {
        "x": _of_nodes(conv.irreps_in.dim, aliases=("pos",)),
        "pos": positions(aliases=("positions",)),
        "edge_index": edges(),
        "edge_vec": _of_edges(3),
        "edge_length": _of_edges(columns=False, valid=_unread_length(conv)),
        "harmonics": _of_edges(4, aliases=("edge_sh",)),
        "radial": _of_edges(conv.edge_dim, aliases=("edge_attr",)),
        "edge_weight": _weight(),
    }
    for key in _unread(conv):
        del given[key]
    if "vel" in LAYERS[name.split(".")[0]]()[1]:
        given["vel"] = _of_nodes(3)

    where = positions().value

    def call(x: Tensor, edge_index: Tensor, pos: Tensor = where, **inputs: Any) -> Any:
        fields = {"edge_vec", "edge_length", "harmonics", "radial", "edge_weight"}
        rest = {key: inputs.pop(key) for key in [*inputs] if key not in fields}
        empty = dict.fromkeys(fields) | inputs
        graph = Graph(pos, None, 1, edge_index)
        return conv.on_edges(x, Edges(graph, **empty), **rest)

    return Entry(call, given)


def _unread_length(conv: EquivariantConv) -> dict[str, tuple[str, str]]:
    if isinstance(conv, SchNetConv) and conv.envelope is None:
        return {"missing": (FREE, "read by the envelope alone")}
    return {}


def _unread(conv: EquivariantConv) -> list[str]:
    """What a layer does not look at."""
    if isinstance(conv, (TFNConv, L1NetConv, NequIPConv, MACEConv)):
        return ["pos", "edge_vec", "edge_length", "edge_weight"]
    if isinstance(conv, SchNetConv):
        weight = [] if conv.envelope is None else ["edge_weight"]
        return ["pos", "edge_vec", "harmonics", *weight]
    if isinstance(conv, LieConv):
        return ["pos", "edge_length", "harmonics"]
    if isinstance(conv, (DimeNetConv, DimeNetPPConv, SphereNetConv)):
        return ["pos", "edge_vec", "edge_length", "harmonics", "edge_weight"]
    if isinstance(conv, PaiNNConv):
        weight = [] if conv.envelope is None else ["edge_weight"]
        return ["pos", "edge_length", "harmonics", *weight]
    if isinstance(conv, MPNNConv):
        return ["pos", "edge_vec", "edge_length", "harmonics"]
    if isinstance(conv, (EGNNConv, RadialFieldConv)):
        radial = [] if conv.edge_dim else ["radial"]
        return ["edge_length", "harmonics", *radial]
    if isinstance(conv, (SE3Conv, SE3TransformerConv)):
        return ["pos", "edge_vec", "edge_length"]
    if isinstance(conv, CormorantConv):
        return ["pos", "edge_vec"]
    return ["edge_vec", "edge_length"]


for way, fuse in (("", True), (" by messages", False)):
    entry(partial(_layer, fuse=fuse), *(name + way for name in LAYERS))
    plain = (
        "TFNConv",
        "L1NetConv",
        "CormorantConv",
        "NequIPConv",
        "MACEConv",
        "SchNetConv",
        "LieConv",
        "DimeNetConv",
        "DimeNetPPConv",
        "SphereNetConv",
        "PaiNNConv",
        "EGNNConv",
        "RadialFieldConv",
        "MPNNConv",
        "SE3Conv",
        "SE3TransformerConv",
        "SEGNNConv",
    )
    parted = tuple(n for n in plain if n not in ("SchNetConv", "L1NetConv"))
    entry(partial(_both_ends, fuse=fuse), *(f"{name}, a pair{way}" for name in parted))
    whole = (*plain, "SchNetConv without cutoff", "PaiNNConv without cutoff")
    entry(partial(_on_edges, fuse=fuse), *(f"{name}.on_edges{way}" for name in whole))


def _dense_on_edges(name: str) -> Entry:
    from pyg_equivariant.nn import Dense

    layer = Dense(6 + 6 + 2, 8)

    def call(x_source: Any, x_target: Any, edge_index: Any, edge_attr: Any) -> Tensor:
        return layer.on_edges((x_source, x_target), edge_index, edge_attr)

    given = {
        "x_source": real(NODES, 6, rows="sources", aliases=("x",)),
        "x_target": real(NODES, 6, rows="nodes", aliases=("x",)),
        "edge_index": edges(),
        "edge_attr": _of_edges(2),
    }
    return Entry(call, given)


entry(_dense_on_edges, "Dense.on_edges")
