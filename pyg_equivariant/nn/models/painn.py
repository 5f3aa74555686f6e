"""PaiNN."""

from __future__ import annotations

from torch import Tensor
from torch.nn import ModuleList

from pyg_equivariant.graph import Graph

from ..conv import PaiNNConv
from ..edge_embedding import EdgeEmbedding
from ..mlp import MLP
from ..radial import BesselBasis, GaussianBasis
from ._species import SpeciesEmbedding
from .features import Features
from .heads import Head, ScalarHead
from .make_head import make_head
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
        atomref: Tensor | None = None,
        num_elements: int = 100,
    ) -> None:
        def scalar_head(reduce: str) -> Head:
            widths = [hidden_channels, hidden_channels // 2, 1]
            return ScalarHead(MLP(widths, init="xavier"), None, reduce)

        built = make_head(head, scalar_head, hidden_channels, hidden_channels)
        super().__init__(cutoff, built, mean, scale, atomref)
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.num_radial = num_radial
        self.shared_filters = shared_filters
        self.num_elements = num_elements

        self.embedding = SpeciesEmbedding(num_elements, hidden_channels)
        self.edges = EdgeEmbedding(cutoff, _basis(radial_basis, num_radial, cutoff))
        self.convs = ModuleList(
            PaiNNConv(hidden_channels, num_radial, cutoff, eps)
            for _ in range(num_layers)
        )
        if shared_filters:
            for conv in self.convs:
                conv.filter = self.convs[0].filter
        self.reset_parameters()

    def represent(self, z: Tensor, graph: Graph) -> Features:  # type: ignore[override]
        """Scalars and vectors of every atom."""
        edges = self.edges.embed(graph)
        x = self.embedding(z)
        vec = x.new_zeros(x.shape[0], 3, self.hidden_channels)
        for conv in self.convs:
            x, vec = conv(x, vec, edges.edge_index, edges.edge_vec, edges.edge_attr)
        return Features(x, vec, graph.pos)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(hidden_channels={self.hidden_channels}, "
            f"num_layers={self.num_layers}, num_radial={self.num_radial}, "
            f"cutoff={self.cutoff})"
        )


def _basis(name: str, num_radial: int, cutoff: float) -> BesselBasis | GaussianBasis:
    if name == "bessel":
        return BesselBasis(num_radial, cutoff, prefactor=1.0)
    if name == "gaussian":
        return GaussianBasis(num_radial, cutoff)
    raise ValueError(f"radial_basis is 'bessel' or 'gaussian', got {name!r}")
