"""The five convolutions as functions of features and positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.graph import edge_vectors
from pyg_equivariant.nn import spherical_harmonics
from pyg_equivariant.nn.conv import (
    EGNNConv,
    PaiNNConv,
    SchNetConv,
    SEGNNConv,
    TFNConv,
)
from pyg_equivariant.nn.radial import BesselBasis
from pyg_equivariant.o3 import Irreps, safe_norm
from pyg_equivariant.testing import difficult_graphs

CUTOFF = 3.0
NUM_RADIAL = 5
IRREPS = Irreps("4x0e+3x1o+2x1e+2x2e")


def radial(length: Tensor) -> Tensor:
    """Smooth features of the distance; the envelope is for the layer to add."""
    return BesselBasis(NUM_RADIAL, CUTOFF).to(length)(length)


class Case(NamedTuple):
    """A layer, what nodes carry, and how to call it."""

    conv: torch.nn.Module
    kinds: tuple[Any, ...]  # of the features of nodes
    kinds_out: tuple[Any, ...]
    call: Callable[..., Any]  # (conv, features, pos, edge_index, radial)

    def features(self, num_nodes: int, dtype: torch.dtype = torch.float64) -> Any:
        """Random features of nodes."""
        return tuple(
            torch.randn(num_nodes, 3, 8, dtype=dtype)
            if kind == "cartesian"
            else Irreps(kind).randn(num_nodes, -1, dtype=dtype)
            for kind in self.kinds
        )

    def __call__(self, features: Any, pos: Any, edge_index: Tensor) -> Any:
        """The outputs, as a tuple."""
        out = self.call(self.conv, features, pos, edge_index, radial)
        return out if isinstance(out, tuple) else (out,)


def _schnet(conv: Any, features: Any, pos: Any, edge_index: Any, radial: Any) -> Any:
    length = safe_norm(edge_vectors(pos, edge_index))
    return conv(features[0], edge_index, length, radial(length))


def _painn(conv: Any, features: Any, pos: Any, edge_index: Any, radial: Any) -> Any:
    vec = edge_vectors(pos, edge_index)
    return conv(*features, edge_index, vec, radial(safe_norm(vec)))


def _egnn(conv: Any, features: Any, pos: Any, edge_index: Any, radial: Any) -> Any:
    length = safe_norm(edge_vectors(pos, edge_index))
    return conv(features[0], pos, edge_index, radial(length))


def _tfn(conv: Any, features: Any, pos: Any, edge_index: Any, radial: Any) -> Any:
    vec = edge_vectors(pos, edge_index)
    sh = spherical_harmonics(conv.irreps_sh, vec)
    return conv(features[0], edge_index, sh, radial(safe_norm(vec)))


def _segnn(conv: Any, features: Any, pos: Any, edge_index: Any, radial: Any) -> Any:
    vec = edge_vectors(pos, edge_index)
    sh = spherical_harmonics(conv.irreps_sh, vec)
    targets = pos if isinstance(pos, Tensor) else pos[1]
    attr = sh.new_zeros(targets.shape[0], sh.shape[-1])
    attr = attr.index_add(0, edge_index[1], sh)
    return conv(features[0], edge_index, sh, attr, radial(safe_norm(vec)))


CALLS = {
    "SchNetConv": _schnet,
    "PaiNNConv": _painn,
    "EGNNConv": _egnn,
    "TFNConv": _tfn,
    "SEGNNConv": _segnn,
}


def _build(name: str, irreps: Irreps = IRREPS, irreps_sh: str = "0e+1o+2e") -> Case:
    if name == "SchNetConv":
        conv = SchNetConv(8, 6, 7, NUM_RADIAL, CUTOFF)
        kinds, kinds_out = ("8x0e",), ("6x0e",)
    elif name == "PaiNNConv":
        conv = PaiNNConv(8, NUM_RADIAL, CUTOFF)
        kinds = kinds_out = ("8x0e", "cartesian")
    elif name == "EGNNConv":
        conv = EGNNConv(8, 6, 8, NUM_RADIAL, attention=True)
        kinds, kinds_out = ("8x0e",), ("8x0e", "pos")
    elif name == "TFNConv":
        conv = TFNConv(irreps, irreps_sh, irreps, NUM_RADIAL, (6,))
        kinds = kinds_out = (irreps,)
    else:
        conv = SEGNNConv(irreps, irreps_sh, irreps, edge_dim=NUM_RADIAL)
        kinds = kinds_out = (irreps,)
    return Case(conv, kinds, kinds_out, CALLS[name])


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
def calls() -> dict[str, Callable[..., Any]]:
    """How to call a layer of a name with features, positions, edges and a basis."""
    return CALLS


@pytest.fixture(params=list(CALLS))
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the five layers in turn, float64."""
    case = _build(request.param)
    randomize(case.conv)
    return case


@pytest.fixture(params=list(CALLS))
def small_case(request: pytest.FixtureRequest) -> Case:
    """The same with few irreps, which a compiler is done with sooner.

    Their sizes differ from the numbers of nodes and edges of the graphs: where these
    agree in the first batch, the compiler takes them for the same and starts again.
    """
    case = _build(request.param, Irreps("4x0e+2x1o"), "0e+1o")
    randomize(case.conv)
    return case


@pytest.fixture
def graphs(generator: torch.Generator) -> dict[str, Data]:
    """Small graphs on which layers go wrong."""
    return difficult_graphs(generator=generator)
