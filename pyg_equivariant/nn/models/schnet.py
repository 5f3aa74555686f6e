"""SchNet."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.typing import OptTensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import ShiftedSoftplus
from ..conv import SchNetConv
from ..cutoff import CosineCutoff
from ..dense import Dense
from ..edge_embedding import EdgeEmbedding
from ..mlp import MLP
from ..module import describe
from ..radial import GaussianBasis
from ._admitted import EdgeFeatures
from ._embedding import node_embedding
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel


class SchNet(MolecularModel):
    r"""The network of the `"SchNet: A continuous-filter convolutional neural network
    for modeling quantum interactions" <https://arxiv.org/abs/1706.08566>`_ paper.

    .. math::
        \mathbf{x}_i \leftarrow \mathbf{x}_i + \mathbf{W}\,
        \operatorname{ssp}\big(\text{SchNetConv}(\mathbf{x})_i\big) + \mathbf{b},
        \qquad \mathbf{x}_i^{(0)} = \text{Embedding}(z_i)

    The same function as :class:`torch_geometric.nn.SchNet`, except that the cosine
    envelope is zero beyond the cutoff (there it rises again) and that no neighbor is
    ever dropped (there 32 are kept).

    Args:
        hidden_channels: number of scalars of an atom (default: 128).
        num_filters: width of the messages (default: 128).
        num_layers: number of interactions (default: 6).
        num_radial: number of Gaussians (default: 50).
        cutoff: radius of the neighborhoods (default: 10.0).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`
            (default: ``"sum"``).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
        num_elements: size of the embedding (default: 100).
        irreps_in: irreps of features of the atoms, given in place of atomic numbers.
            As features of this network are scalars, others enter by inner products of
            equal irreps, which know lengths and angles, and nothing of the edges.
        irreps_x: irreps of features given as ``x`` beside atomic numbers; likewise.
        irreps_edge: irreps of edge features given as ``edge_attr``, which join the
            radial features; likewise.
        irreps_out: irreps to predict in place of a scalar, such as ``"1x2e"``; or the
            formula of a Cartesian tensor, such as ``"ij=ji"`` for a polarizability. How
            atoms are joined is said by ``head``: ``"sum"``, ``"mean"`` or ``"node"``.
            See :class:`IrrepsHead`.

    Shapes:
        - **input:** atomic numbers :math:`(|V|)`, positions :math:`(|V|, 3)`, graph of
          each atom :math:`(|V|)`
        - **output:** :math:`(B, 1)` for the default head

    Example:
        >>> model = SchNet(hidden_channels=16, num_filters=16, num_layers=2)
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 128,
        num_filters: int = 128,
        num_layers: int = 6,
        num_radial: int = 50,
        cutoff: float = 10.0,
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
        def scalar_head(reduce: str) -> Head:
            widths = [hidden_channels, hidden_channels // 2, 1]
            return ScalarHead(
                MLP(widths, ShiftedSoftplus(), init="xavier"), None, reduce
            )

        asked = Asked(irreps_out, cutoff)
        given = hidden_channels, 0, ShiftedSoftplus()
        built = make_head(head, scalar_head, *given, asked=asked)
        super().__init__(cutoff, built, mean, scale, atomref)
        self.hidden_channels = hidden_channels
        self.num_filters = num_filters
        self.num_layers = num_layers
        self.num_radial = num_radial
        self.num_elements = num_elements

        scalars = Irreps([(hidden_channels, "0e")])
        self.embedding = node_embedding(
            num_elements, scalars, irreps_in, irreps_x, padding_idx=0
        )
        envelope = None if cutoff is None else CosineCutoff(cutoff)
        self.edges = EdgeEmbedding(cutoff, GaussianBasis(num_radial, cutoff), envelope)
        self.edge_features = EdgeFeatures(irreps_edge)
        edge_dim = num_radial + self.edge_features.num_scalars
        self.convs = ModuleList(
            SchNetConv(hidden_channels, hidden_channels, num_filters, edge_dim, cutoff)
            for _ in range(num_layers)
        )
        self.act = ShiftedSoftplus()
        self.linears = ModuleList(
            Dense(hidden_channels, hidden_channels) for _ in range(num_layers)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        super().reset_parameters()
        for linear in self.linears:
            assert isinstance(linear, Dense)
            torch.nn.init.xavier_uniform_(linear.weight)
            torch.nn.init.zeros_(linear.bias)

    def represent(  # type: ignore[override]
        self, z: Tensor, graph: Graph, x: OptTensor = None, edge_attr: OptTensor = None
    ) -> Features:
        """Scalars of every atom.

        Args:
            z: atomic numbers, or features if built with ``irreps_in``.
            graph: the edges.
            x: features beside atomic numbers, if built with ``irreps_x``.
            edge_attr: edge features, if built with ``irreps_edge``.
        """
        edges = self.edges.embed(graph, by_pair=edge_attr is None, apart=True)
        edges = self.edge_features.radial(edge_attr, edges)
        x = self.embedding(z, x, graph.pos)
        f = edges.edge_weight
        f = None if f is None else edges.spread(f)
        for conv, linear in zip(self.convs, self.linears, strict=True):
            w = edges.spread(conv.filter(edges.edge_attr))
            v = conv.interact(x, edges.edge_index, w, f)
            x = x + linear(self.act(v))
        return Features(x, None, graph.pos)

    def __repr__(self) -> str:
        return describe(
            self, "", "hidden_channels num_filters num_layers num_radial cutoff"
        )
