"""Every layer of the registry, called alike on edges."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.networks import NETWORKS, PARTICLE_NETWORKS
from pyg_equivariant.nn import AllegroConv, BesselBasis, EdgeEmbedding, EquivariantConv
from pyg_equivariant.nn.conv._inputs import as_pair
from pyg_equivariant.nn.edge_embedding import Edges
from pyg_equivariant.testing import difficult_graphs

CUTOFF = 3.0
NUM_RADIAL = 5
NODES = ("x", "vec", "pos", "node_attr")
LAYERS = {
    f"{network.layer.__name__}-{kind}": (build, network.group or "O(3)")
    for network in (*NETWORKS.values(), *PARTICLE_NETWORKS.values())
    for kind, build in network.layers.items()
}


class OnNodes(EquivariantConv):
    """A layer on edges as one on nodes: edges begin as sources, and are summed."""

    def __init__(self, conv: AllegroConv) -> None:
        super().__init__(node_dim=0)
        self.conv = conv
        self.irreps_in, self.irreps_out = conv.irreps_in, conv.irreps_out
        self.irreps_sh = conv.irreps_sh

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("fuse", "flow") and "conv" in self.__dict__.get("_modules", ()):
            setattr(self.conv, name, value)
        super().__setattr__(name, value)

    def reset_parameters(self) -> None:
        self.conv.reset_parameters()

    def forward(
        self, x: Any, edge_index: Any, edge_sh: Tensor, edge_attr: Tensor
    ) -> Tensor:
        x = as_pair(x, self.flow)
        size = x[0].shape[0], x[1].shape[0]
        edges = self.directed(edge_index).long()
        given = x[0].index_select(0, edges[0])
        out = self.conv(given, edge_index, edge_sh, edge_attr, size)
        ends = edges if self.flow == "source_to_target" else edges.flip(0)
        return self.propagate(ends, x=x, size=size, edge_x=out)

    def message(self, edge_x: Tensor) -> Tensor:
        return edge_x

    def on_edges(self, x: Tensor, edges: Edges) -> Tensor:
        return self(x, edges.edge_index, edges.edge_sh, edges.edge_attr)


def on_nodes(conv: torch.nn.Module) -> torch.nn.Module:
    """The layer as one on nodes, if it is not."""
    return OnNodes(conv) if isinstance(conv, AllegroConv) else conv


class Case(NamedTuple):
    """A layer as a function of features and positions."""

    conv: Any
    basis: Callable[[Tensor], Tensor] = BesselBasis(NUM_RADIAL, CUTOFF)
    group: Any = "O(3)"

    def features(self, num_nodes: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Random features of nodes."""
        return self.conv.irreps_in.randn(num_nodes, -1, dtype=dtype)

    def __call__(self, x: Tensor, pos: Tensor, edge_index: Tensor) -> Tensor:
        """The features after the layer."""
        irreps_sh = getattr(self.conv, "irreps_sh", None)
        embed = EdgeEmbedding(None, copy.deepcopy(self.basis), None, irreps_sh)
        return self.conv.on_edges(x, embed.to(pos)(pos, edge_index=edge_index))

    def arguments(self, x: Tensor, pos: Tensor, edge_index: Tensor) -> dict[str, Any]:
        """What ``forward`` gets, by name, in order."""
        seen: list[Any] = []
        handle = self.conv.register_forward_pre_hook(lambda _, args: seen.append(args))
        self(x, pos, edge_index)
        handle.remove()
        names = inspect.signature(self.conv.forward).parameters
        return dict(zip(names, seen[0], strict=False))


def bipartite(arguments: dict[str, Any], sources: int) -> dict[str, Any]:
    """The same where the first nodes are sources and the others targets."""
    pairs = {
        name: (value[:sources], value[sources:])
        for name, value in arguments.items()
        if name in NODES
    }
    if "node_attr" in pairs:  # as PyG would hand it over
        pairs["node_attr"] = (None, pairs["node_attr"][1])
    shift = torch.tensor([[0], [sources]])
    return arguments | pairs | {"edge_index": arguments["edge_index"] - shift}


def as_tuple(out: Any) -> tuple[Tensor, ...]:
    """The outputs of ``forward``, one or several."""
    return out if isinstance(out, tuple) else (out,)


def randomize(module: torch.nn.Module) -> torch.nn.Module:
    """Float64, and no parameter at zero, not even those that start there."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module.double()


@pytest.fixture(name="randomize")
def _randomize() -> Callable[[torch.nn.Module], torch.nn.Module]:
    return randomize


@pytest.fixture
def on_edges() -> type[Case]:
    """Makes a function of features and positions of a layer and a radial basis."""
    return Case


@pytest.fixture(name="bipartite")
def _bipartite() -> Callable[..., dict[str, Any]]:
    return bipartite


@pytest.fixture(name="as_tuple")
def _as_tuple() -> Callable[[Any], tuple[Tensor, ...]]:
    return as_tuple


@pytest.fixture(params=list(LAYERS))
def case(request: pytest.FixtureRequest) -> Case:
    """Each layer in turn, float64."""
    build, group = LAYERS[request.param]
    return Case(on_nodes(randomize(build(NUM_RADIAL, CUTOFF))), group=group)


@pytest.fixture(params=[name for name in LAYERS if name.endswith("-small")])
def small_case(request: pytest.FixtureRequest) -> Case:
    """Those with which a compiler is soon done.

    Their sizes differ from the numbers of nodes and edges of the graphs: where these
    agree in the first batch, the compiler takes them for the same and starts again.
    """
    build, group = LAYERS[request.param]
    return Case(on_nodes(randomize(build(NUM_RADIAL, CUTOFF))), group=group)


@pytest.fixture
def graphs(generator: torch.Generator) -> dict[str, Data]:
    """Small graphs on which layers go wrong."""
    return difficult_graphs(generator=generator)
