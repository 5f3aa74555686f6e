"""Tensor field network."""

from __future__ import annotations

from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.typing import OptTensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..conv import TFNConv
from ..cutoff import PolynomialCutoff
from ..edge_embedding import EdgeEmbedding
from ..gate import Gate
from ..mlp import MLP
from ..module import describe
from ..norm_activation import NormActivation
from ..radial import BesselBasis
from ._admitted import EdgeFeatures
from ._embedding import first_irreps, node_embedding
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel


class TFN(MolecularModel):
    r"""A network of the convolutions of the `"Tensor field networks: Rotation- and
    translation-equivariant neural networks for 3D point clouds"
    <https://arxiv.org/abs/1802.08219>`_ paper.

    .. math::
        \mathbf{x} \leftarrow \sigma\big(\text{TFNConv}(\mathbf{x})\big), \qquad
        \mathbf{x}_i^{(0)} = \text{Embedding}(z_i)

    with Bessel functions under a polynomial envelope as radial features, which makes
    energies smooth, and a gate (or the paper's norm activation) as :math:`\sigma`.
    ``lmax=1`` gives the configuration of L1Net (`"Relevance of Rotationally Equivariant
    Convolutions for Predicting Molecular Properties"
    <https://arxiv.org/abs/2008.08461>`_).

    Args:
        hidden_channels: copies of every irrep of an atom (default: 32).
        lmax: largest degree of features and harmonics (default: 2).
        num_layers: number of convolutions (default: 3).
        num_radial: number of Bessel functions (default: 8).
        cutoff: radius of the neighborhoods (default: 5.0).
        irreps_hidden: irreps of an atom, in any order, in place of
            ``hidden_channels`` times ``0e+1o+2e...``.
        act: ``"gate"`` or ``"norm"`` (default: ``"gate"``).
        radial_channels: hidden widths of the radial networks (default: ``(64,)``).
        self_interaction: as in :class:`~pyg_equivariant.nn.TFNConv` (default:
            ``True``).
        avg_num_neighbors: divides sums over neighbors, under a root (default: 12.0).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`
            (default: ``"sum"``).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
        num_elements: size of the embedding (default: 100).
        irreps_in: irreps of features of the atoms, given in place of atomic numbers,
            any. All but ``0e`` enter by inner products of equal irreps, too.
        irreps_x: irreps of features given as ``x`` beside atomic numbers; likewise.
        irreps_edge: irreps of edge features given as ``edge_attr``: invariants join the
            radial features, all but ``0e`` the harmonics of the edge.
        irreps_out: irreps to predict in place of a scalar, such as ``"1x2e"``; or the
            formula of a Cartesian tensor, such as ``"ij=ji"`` for a polarizability. How
            atoms are joined is said by ``head``: ``"sum"``, ``"mean"`` or ``"node"``.
            See :class:`IrrepsHead`.

    Shapes:
        - **input:** atomic numbers :math:`(|V|)`, positions :math:`(|V|, 3)`, graph of
          each atom :math:`(|V|)`
        - **output:** :math:`(B, 1)` for the default head

    Example:
        >>> import torch
        >>> model = TFN(hidden_channels=8, num_layers=2)
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 32,
        lmax: int = 2,
        num_layers: int = 3,
        num_radial: int = 8,
        cutoff: float = 5.0,
        irreps_hidden: IrrepsLike | None = None,
        act: str = "gate",
        radial_channels: tuple[int, ...] = (64,),
        self_interaction: bool = True,
        avg_num_neighbors: float = 12.0,
        head: str | Head | None = "sum",
        mean: float = 0.0,
        scale: float = 1.0,
        atomref: Tensor | float | None = None,
        num_elements: int = 100,
        irreps_in: IrrepsLike | None = None,
        irreps_x: IrrepsLike | None = None,
        irreps_edge: IrrepsLike | None = None,
        irreps_out: IrrepsLike | None = None,
    ) -> None:
        irreps_sh = Irreps.spherical_harmonics(lmax)
        if irreps_hidden is None:
            irreps_hidden = Irreps([(hidden_channels, ir) for _, ir in irreps_sh])
        irreps = Irreps(irreps_hidden)
        scalars, vectors = irreps.count("0e"), irreps.count("1o")
        if scalars == 0:
            raise ValueError(f"atoms enter as scalars 0e, got irreps_hidden={irreps}")

        def scalar_head(reduce: str) -> Head:
            return ScalarHead(MLP([scalars, max(scalars // 2, 1), 1]), None, reduce)

        asked = Asked(irreps_out, cutoff, irreps)
        built = make_head(head, scalar_head, scalars, vectors, asked=asked)
        super().__init__(cutoff, built, mean, scale, atomref)
        self.irreps_hidden = irreps
        self.irreps_sh = irreps_sh
        self.num_layers = num_layers
        self.num_radial = num_radial
        self.num_elements = num_elements

        first = first_irreps(irreps, irreps_in if irreps_x is None else irreps_x)
        self.embedding = node_embedding(num_elements, first, irreps_in, irreps_x)
        radial = BesselBasis(num_radial, cutoff), PolynomialCutoff(cutoff)
        self.edges = EdgeEmbedding(cutoff, *radial, irreps_sh=irreps_sh)
        self.edge_features = EdgeFeatures(irreps_edge)
        acts = [_act(act, irreps) for _ in range(num_layers)]
        inputs = [first] + [irreps] * (num_layers - 1)
        self.convs = ModuleList(
            TFNConv(
                before,
                irreps_sh + self.edge_features.irreps_steerable,
                activation.irreps_in,
                num_radial + self.edge_features.num_scalars,
                radial_channels,
                self_interaction,
                avg_num_neighbors=avg_num_neighbors,
            )
            for before, activation in zip(inputs, acts, strict=True)
        )
        self.acts = ModuleList(acts)
        self.reset_parameters()

    def represent(  # type: ignore[override]
        self, z: Tensor, graph: Graph, x: OptTensor = None, edge_attr: OptTensor = None
    ) -> Features:
        """Features of every atom.

        Args:
            z: atomic numbers, or features if built with ``irreps_in``.
            graph: the edges.
            x: features beside atomic numbers, if built with ``irreps_x``.
            edge_attr: edge features, if built with ``irreps_edge``.
        """
        edges = self.edges.embed(graph, by_pair=edge_attr is None)
        edges = self.edge_features.radial(edge_attr, edges)
        edges = self.edge_features.steered(edge_attr, edges)
        x = self.embedding(z, x, graph.pos)
        for conv, act in zip(self.convs, self.acts, strict=True):
            weight = edges.spread(conv.radial(edges.edge_attr))
            x = act(conv.interact(x, edges.edge_index, edges.edge_sh, weight))
        return Features.of_irreps(x, self.irreps_hidden, graph.pos)

    def __repr__(self) -> str:
        return describe(self, "irreps_hidden", "num_layers num_radial cutoff")


def _act(name: str, irreps: Irreps) -> Gate | NormActivation:
    if name == "gate":
        return Gate.from_irreps(irreps)
    if name == "norm":
        return NormActivation(irreps)
    raise ValueError(f"act is 'gate' or 'norm', got {name!r}")
