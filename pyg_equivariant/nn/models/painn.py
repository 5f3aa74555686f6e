"""PaiNN."""

from __future__ import annotations

from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.typing import OptTensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import Irreps, IrrepsLike, safe_normalize

from ..conv import PaiNNConv
from ..cutoff import CosineCutoff
from ..edge_embedding import EdgeEmbedding
from ..mlp import MLP
from ..module import describe
from ..radial import BesselBasis, GaussianBasis
from ._admitted import EdgeFeatures
from ._embedding import node_embedding
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel


class PaiNN(MolecularModel):
    r"""The network of the `"Equivariant message passing for the prediction of tensorial
    properties and molecular spectra" <https://arxiv.org/abs/2102.03150>`_ paper.

    .. math::
        \mathbf{s}, \vec{\mathbf{v}} \leftarrow
        \text{PaiNNConv}(\mathbf{s}, \vec{\mathbf{v}}), \qquad
        \mathbf{s}_i^{(0)} = \text{Embedding}(z_i), \quad \vec{\mathbf{v}}_i^{(0)} = 0

    The same function as SchNetPack's representation, with filters held by the layers
    (one matrix for all layers there).

    Args:
        hidden_channels: numbers of scalars and of vectors of an atom (default: 128).
        num_layers: number of layers (default: 3).
        num_radial: number of radial functions (default: 20).
        cutoff: radius of the neighborhoods (default: 5.0).
        radial_basis: ``"bessel"``, :math:`\sin(n\pi r/r_c)/r` as in the paper, or
            ``"gaussian"`` as in SchNetPack's configurations (default: ``"bessel"``).
        shared_filters: use one filter for all layers (default: ``False``).
        eps: within the length of vectors, see :class:`~pyg_equivariant.nn.PaiNNConv`
            (default: ``1e-8``).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`
            (default: ``"sum"``).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
        num_elements: size of the embedding (default: 100).
        irreps_in: irreps of features of the atoms, given in place of atomic numbers.
            Scalars ``0e`` and vectors ``1o`` become those of the network; all but
            ``0e`` enter by inner products of equal irreps, too.
        irreps_x: irreps of features given as ``x`` beside atomic numbers; likewise.
        irreps_edge: irreps of edge features given as ``edge_attr``, whose scalars and
            inner products join the radial features.
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
        >>> model = PaiNN(hidden_channels=16, head="dipole")
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 3])
    """

    def __init__(
        self,
        hidden_channels: int = 128,
        num_layers: int = 3,
        num_radial: int = 20,
        cutoff: float = 5.0,
        radial_basis: str = "bessel",
        shared_filters: bool = False,
        eps: float = 1e-8,
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
            return ScalarHead(MLP(widths, init="xavier"), None, reduce)

        sizes = hidden_channels, hidden_channels
        asked = Asked(irreps_out, cutoff)
        built = make_head(head, scalar_head, *sizes, asked=asked)
        super().__init__(cutoff, built, mean, scale, atomref)
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.num_radial = num_radial
        self.shared_filters = shared_filters
        self.num_elements = num_elements

        irreps = Irreps([(hidden_channels, "0e"), (hidden_channels, "1o")])
        self.embedding = node_embedding(num_elements, irreps, irreps_in, irreps_x)
        basis = _basis(radial_basis, num_radial, cutoff)
        envelope = None if cutoff is None else CosineCutoff(cutoff)
        self.edges = EdgeEmbedding(cutoff, basis, envelope)
        self.edge_features = EdgeFeatures(irreps_edge)
        edge_dim = num_radial + self.edge_features.num_scalars
        self.convs = ModuleList(
            PaiNNConv(hidden_channels, edge_dim, cutoff, eps) for _ in range(num_layers)
        )
        if shared_filters:
            for conv in self.convs:
                conv.filter = self.convs[0].filter
        self.reset_parameters()

    def represent(  # type: ignore[override]
        self, z: Tensor, graph: Graph, x: OptTensor = None, edge_attr: OptTensor = None
    ) -> Features:
        """Scalars and vectors of every atom.

        Args:
            z: atomic numbers, or features if built with ``irreps_in``.
            graph: the edges.
            x: features beside atomic numbers, if built with ``irreps_x``.
            edge_attr: edge features, if built with ``irreps_edge``.
        """
        edges = self.edge_features.radial(
            edge_attr, self.edges.embed(graph, apart=True)
        )
        x = self.embedding(z, x, graph.pos)
        x, given = x[:, : self.hidden_channels], x[:, self.hidden_channels :]
        vec = x.new_zeros(x.shape[0], 3, self.hidden_channels)
        if given.shape[1]:
            vec = given.view_as(vec)
        edge_dir, f, w = safe_normalize(edges.edge_vec), edges.edge_weight, None
        for conv in self.convs:
            assert isinstance(conv, PaiNNConv)
            if w is None or not self.shared_filters:
                w = conv.filter(edges.edge_attr)
            x, vec = conv.interact(x, vec, edges.edge_index, edge_dir, w, f)
            x, vec = conv.update_nodes(x, vec)
        return Features(x, vec, graph.pos)

    def __repr__(self) -> str:
        return describe(self, "", "hidden_channels num_layers num_radial cutoff")


def _basis(name: str, num_radial: int, cutoff: float) -> BesselBasis | GaussianBasis:
    if name == "bessel":
        return BesselBasis(num_radial, cutoff, prefactor=1.0)
    if name == "gaussian":
        return GaussianBasis(num_radial, cutoff)
    raise ValueError(f"radial_basis is 'bessel' or 'gaussian', got {name!r}")
