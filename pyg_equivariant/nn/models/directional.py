"""What DimeNet, DimeNet++ and SphereNet share: messages on edges, summed at atoms."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.typing import OptTensor

from pyg_equivariant.graph import Graph, triplets
from pyg_equivariant.kernels import neighbor_sum
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import ActivationLike, resolve_activation
from ..angular_basis import SphericalBasis
from ..cutoff import PolynomialCutoff
from ..dense import Dense, OrthogonalDense, orthogonal_
from ..edge_embedding import EdgeEmbedding, Edges
from ..module import describe
from ..radial import BesselBasis
from ..spherical_bessel import SphericalBesselBasis
from ._admitted import EdgeFeatures
from ._embedding import node_embedding
from ._species import SpeciesEmbedding
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel


class Sizes(NamedTuple):
    """Of a directional network."""

    hidden_channels: int
    """of a message"""
    out_channels: int
    """of an atom, after every layer"""
    num_layers: int
    num_output_layers: int
    num_spherical: int
    num_radial: int
    num_elements: int
    act: ActivationLike


class Given(NamedTuple):
    """Irreps of a network's inputs and outputs, see :class:`DimeNetPlusPlus`."""

    irreps_in: IrrepsLike | None
    irreps_x: IrrepsLike | None
    irreps_edge: IrrepsLike | None
    irreps_out: IrrepsLike | None


class OutputBlock(torch.nn.Module):
    r"""From messages of edges to features of atoms.

    .. math::
        \phi\big(\mathbf{W}_n \cdots \phi(\mathbf{W}_1 \mathbf{W}_\uparrow \sum_j
        \mathbf{W}_\text{rbf}\, \mathbf{e}_{ji} \odot \mathbf{m}_{ji} + \mathbf{b}_1)
        \cdots\big)

    Args:
        radial_dim: number of radial features.
        sizes: of the network.
        up: whether there is a map :math:`\mathbf{W}_\uparrow`.
        up_bias: whether it has a bias.
    """

    def __init__(self, radial_dim: int, sizes: Sizes, up: bool, up_bias: bool) -> None:
        super().__init__()
        hidden, out = sizes.hidden_channels, sizes.out_channels
        self.act = resolve_activation(sizes.act)
        self.lin_rbf = OrthogonalDense(radial_dim, hidden, bias=False)
        self.lin_up = OrthogonalDense(hidden, out, bias=up_bias) if up else None
        layers = [OrthogonalDense(out, out) for _ in range(sizes.num_output_layers)]
        self.linears = ModuleList(layers)

    def forward(self, m: Tensor, rbf: Tensor, edge_index: Tensor, nodes: int) -> Tensor:
        """Features ``(nodes, out_channels)``."""
        x = neighbor_sum(self.lin_rbf(rbf) * m, edge_index, nodes)
        x = x if self.lin_up is None else self.lin_up(x)
        for linear in self.linears:
            x = self.act(linear(x))
        return x


class OutputMap(Dense):
    """The linear map to predictions, one for the features after every layer."""

    def __init__(
        self, in_features: int, layers: int, out_features: int = 1, zero: bool = False
    ) -> None:
        self.layers, self.zero = layers, zero
        super().__init__(in_features * layers, out_features, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights anew, those of each layer for themselves."""
        if self.zero:
            torch.nn.init.zeros_(self.weight)
            return
        parts = self.weight.view(self.out_features, self.layers, -1)
        with torch.no_grad():
            for layer in range(self.layers):
                orthogonal_(parts[:, layer])


class DirectionalModel(MolecularModel):
    """Base of the networks whose messages live on edges.

    A subclass defines :meth:`geometry`, and :meth:`filters` if that is not one tensor.

    Args:
        sizes: of the network.
        cutoff: radius of the neighborhoods.
        head: what to predict.
        units: ``mean``, ``scale`` and ``atomref``.
        given: irreps of inputs and outputs.
        bessel: envelope of the basis of angles, its exponent, and whether zeros of
            Bessel functions are rounded.
        make_conv: builds a layer, given the number of radial features.
        up: whether features of atoms are widened before their layers.
        up_bias: whether by a map with a bias.
        zero: whether the last map starts at zero.
    """

    def __init__(
        self,
        sizes: Sizes,
        cutoff: float,
        head: str | Head | None,
        units: tuple[Any, ...],
        given: Given,
        bessel: tuple[str | None, int, bool],
        make_conv: Callable[[int], torch.nn.Module],
        up: bool = True,
        up_bias: bool = False,
        zero: bool = False,
    ) -> None:
        layers = sizes.num_layers + 1
        width = layers * sizes.out_channels

        def scalar_head(reduce: str) -> Head:
            last = OutputMap(sizes.out_channels, layers, zero=zero)
            return ScalarHead(last, None, reduce)

        asked = Asked(given.irreps_out, cutoff)
        built = make_head(head, scalar_head, width, 0, sizes.act, asked=asked)
        super().__init__(cutoff, built, *units)
        self.sizes = sizes
        hidden = self.hidden_channels = sizes.hidden_channels
        irreps = Irreps([(hidden, "0e")]), given.irreps_in, given.irreps_x
        self.embedding = node_embedding(sizes.num_elements, *irreps)
        basis = BesselBasis(sizes.num_radial, cutoff, "dimenet", trainable=True)
        self.edges = EdgeEmbedding(cutoff, basis, PolynomialCutoff(cutoff, bessel[1]))
        self.edge_features = EdgeFeatures(given.irreps_edge)
        radial_dim = sizes.num_radial + self.edge_features.num_scalars
        self.act = resolve_activation(sizes.act)
        self.lin_rbf = Dense(radial_dim, hidden)
        self.lin = Dense(3 * hidden, hidden)
        self.convs = ModuleList(make_conv(radial_dim) for _ in range(sizes.num_layers))
        self.outputs = ModuleList(
            OutputBlock(radial_dim, sizes, up, up_bias) for _ in range(layers)
        )
        shape = sizes.num_spherical, sizes.num_radial, cutoff
        self.bessel = SphericalBesselBasis(*shape, *bessel)
        self.angular = SphericalBasis(sizes.num_spherical)

    @abstractmethod
    def geometry(self, edges: Edges, pairs: Tensor) -> tuple[Tensor, ...]:
        """What layers read of pairs of edges that follow one another."""

    def filters(self, conv: Any, geometry: tuple[Tensor, ...]) -> Tensor:
        """What a layer makes of it."""
        found: Tensor = conv.filters(*geometry)
        return found

    @property
    def num_hops(self) -> int:
        """Over how many edges an atom is felt, one more than there are layers."""
        return super().num_hops + 1

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        super().reset_parameters()
        species = getattr(self.embedding, "species", self.embedding)
        if isinstance(species, SpeciesEmbedding):
            torch.nn.init.uniform_(species.weight, -math.sqrt(3), math.sqrt(3))

    def represent(  # type: ignore[override]
        self, z: Tensor, graph: Graph, x: OptTensor = None, edge_attr: OptTensor = None
    ) -> Features:
        """Scalars of every atom, those after each layer one behind the other.

        Args:
            z: atomic numbers, or features if built with ``irreps_in``.
            graph: the edges.
            x: features beside atomic numbers, if built with ``irreps_x``.
            edge_attr: edge features, if built with ``irreps_edge``.
        """
        edges = self.edge_features.radial(edge_attr, self.edges.embed(graph))
        rbf = edges.edge_attr
        pairs = triplets(graph.edge_index, graph.edge_shift, graph.vectors)
        geometry = self.geometry(edges, pairs)
        # Embedding
        h = self.embedding(z, x, graph.pos)
        e = self.act(self.lin_rbf(rbf))
        m = self.act(self.lin.on_edges((h, h), graph.edge_index, e))
        # Interactions
        ends = graph.edge_index, graph.pos.shape[0]
        found = [self.outputs[0](m, rbf, *ends)]
        for conv, output in zip(self.convs, self.outputs[1:], strict=True):
            m = conv.interact(m, pairs, self.filters(conv, geometry), rbf)
            found.append(output(m, rbf, *ends))
        return Features(torch.cat(found, dim=-1), None, graph.pos)

    def __repr__(self) -> str:
        sizes = "hidden_channels out_channels num_layers num_spherical num_radial"
        return describe(self, "", f"sizes.{sizes.replace(' ', ' sizes.')} cutoff")
