"""The layer of Allegro: features of edges, joined with those around their center."""

import math
from typing import Any, Optional

import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.typing import Adj, Size

from pyg_equivariant.kernels import EdgeProduct
from pyg_equivariant.o3 import (
    Irreps,
    IrrepsLike,
    Path,
    TensorProductPaths,
    check_size,
)

from ..activation import ActivationLike
from ..edge_embedding import Edges
from ..linear import Linear
from ..module import check_features, warn_unreached
from ..tensor_product import TensorProduct
from ._depthwise_conv import DepthwiseConv
from ._inputs import check_edge_inputs, check_scalars


class AllegroConv(DepthwiseConv):
    r"""The layer of the `"Learning local equivariant representations for large-scale
    atomistic dynamics" <https://arxiv.org/abs/2204.05249>`_ paper: features of directed
    edges, joined with the environment of the atom in their center.

    .. math::
        \mathbf{a}_i = \frac{1}{\sqrt{\bar n}} \sum_{k \in \mathcal{N}(i)}
        R(\mathbf{e}_{ik})\, Y(\hat r_{ik}), \qquad
        \mathbf{x}^{\prime}_{ij} = \sum_{p} \mathbf{w}_p\,
        (\mathbf{x}_{ij} \otimes \mathbf{a}_i)_p

    Edges are the nodes of this convolution: all that it sums over are those with one
    center :math:`i`, so that nothing moves from atom to atom however many layers there
    are. The radial network :math:`R` weights the harmonics of an edge for every channel
    and degree, :math:`\bar n` is the average number of neighbors, and the tensor
    product :math:`\otimes` acts channel by channel: channel :math:`c` of the edge meets
    channel :math:`c` of the environment. Each of its paths :math:`p` has one weight for
    every channel. With ``mix``, the form of the paper, paths have no weights, and one
    linear map mixes paths and channels.

    Args:
        irreps_in (str or Irreps): Irreps of the features of an edge, all of one
            multiplicity.
        irreps_sh (str or Irreps): Irreps of the edge harmonics, each of multiplicity 1.
        irreps_out (str or Irreps): Irreps of the output features, of the same
            multiplicity.
        edge_dim (int): Number of invariant features of an edge.
        radial_channels (list of int, optional): Widths of the hidden layers of the
            network :math:`R`; empty for a linear map. (default: :obj:`()`)
        channel_weights (bool, optional): One weight for every channel of a path;
            otherwise all channels share it. (default: :obj:`True`)
        mix (bool, optional): Mix paths and channels by a linear map, in place of
            weights. (default: :obj:`False`)
        avg_num_neighbors (float, optional): The number :math:`\bar n`.
            (default: :obj:`1.0`)
        act (str or callable, optional): Activation of the network :math:`R`, scaled to
            unit second moment. (default: :obj:`"silu"`)
        radial (torch.nn.Module, optional): A network of your own, from ``edge_attr`` to
            ``(|E|, tp.weight_numel)``. With :class:`torch.nn.Identity`, ``edge_attr``
            are the weights. (default: :obj:`None`)
        aggr (str, optional): How edges are joined, ``"add"`` or ``"mean"``.
            (default: :obj:`"add"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features of the edges :math:`(|E|, \text{irreps\_in.dim})`; edge
          indices :math:`(2, |E|)`, edges arrive at their center; harmonics
          :math:`(|E|, \text{irreps\_sh.dim})` of the vector from the center; invariant
          features :math:`(|E|, D)`, which make a smooth layer if they carry an envelope;
          numbers of sources and of targets
        - **output:** features of the edges :math:`(|E|, \text{irreps\_out.dim})`

    Examples:
        >>> conv = AllegroConv("8x0e+8x1o", "0e+1o", "8x0e+8x1o", edge_dim=16)
        >>> conv.product.product.paths[1]
        Path(i_in1=1, i_in2=1, i_out=0, connection='uuu', has_weight=True, path_weight=1.0)
        >>> edge_index = torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> x, edge_sh, edge_attr = torch.randn(3, 32), torch.randn(3, 4), torch.rand(3, 16)
        >>> conv(x, edge_index, edge_sh, edge_attr, size=(4, 4)).shape
        torch.Size([3, 32])
    """  # noqa: E501

    weight: Optional[Parameter]

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_sh: IrrepsLike,
        irreps_out: IrrepsLike,
        edge_dim: int,
        radial_channels: tuple[int, ...] = (),
        channel_weights: bool = True,
        mix: bool = False,
        avg_num_neighbors: float = 1.0,
        act: ActivationLike = "silu",
        radial: torch.nn.Module | None = None,
        aggr: str = "add",
        **kwargs: Any,
    ) -> None:
        irreps_in, irreps_out = Irreps(irreps_in), Irreps(irreps_out)
        channels = _channels(irreps_in, Irreps(irreps_sh), irreps_out)
        # R, Σ: the environment is a convolution of the number 1
        irreps = [(channels, "0e")], irreps_sh, irreps_out, irreps_sh
        network = edge_dim, radial_channels, act, radial
        super().__init__(*irreps, *network, avg_num_neighbors, aggr, **kwargs)
        self.irreps_in = irreps_in
        self.channels = channels
        self.channel_weights = channel_weights

        # ⊗: edge and environment, channel by channel
        paths = _product(irreps_in, self.tp.irreps_out, irreps_out, apart=mix)
        self.product = TensorProduct(paths, internal_weights=False)
        self._join = EdgeProduct(paths)
        # w or W: weights of the paths
        columns = self.channels if channel_weights else 1
        self.weight, self.mix = None, None
        if mix:
            self.mix = Linear(paths.irreps_out, irreps_out, bias=False)
        else:
            self.weight = Parameter(torch.empty(len(paths.paths), columns))
            warn_unreached(self, paths.unreached)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.weight is not None:
            torch.nn.init.normal_(self.weight)

    def forward(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_sh: Tensor,
        edge_attr: Tensor,
        size: Size,
    ) -> Tensor:
        """Join every edge with the environment of its center.

        Args:
            x: features of edges.
            edge_index: edges (source, center), or a sparse adjacency matrix.
            edge_sh: harmonics of the vectors from the centers.
            edge_attr: invariant features of edges, with an envelope.
            size: numbers of sources and of centers.

        Returns:
            Features of edges.
        """
        like = self._like()
        check_features(x, self.irreps_in, "x", like)
        # Radial part
        weight = self.path_weights(edge_index, edge_attr, like)
        # Environment
        environment = self.environment(edge_index, edge_sh, weight, size)
        # Tensor product
        out = self.join(x, environment, edge_index)
        return out if self.mix is None else self.mix(out)

    def environment(
        self, edge_index: Adj, edge_sh: Tensor, weight: Tensor, size: Size
    ) -> Tensor:
        r"""The environments :math:`\mathbf{a}_i` of all centers.

        Args:
            edge_index: edges, which arrive at their centers.
            edge_sh: harmonics ``(|E|, irreps_sh.dim)``.
            weight: of every channel and degree, ``(|E|, tp.weight_numel)``.
            size: numbers of sources and of targets.
        """
        like = self._like()
        check_features(edge_sh, self.irreps_sh, "edge_sh", like)
        check_scalars(weight, self.tp.weight_numel, "weight", like)
        check_edge_inputs(edge_index, edge_sh=edge_sh, weight=weight)
        one = weight.new_ones(1, self.channels)
        sources, targets = self._sizes(size)
        x = one.expand(sources, -1), one.expand(targets, -1)
        # propagate_type: (x: OptPairTensor, edge_sh: Tensor, weight: Tensor)
        out = self.sum_messages(edge_index, x, None, edge_sh=edge_sh, weight=weight)
        return out / math.sqrt(self.avg_num_neighbors)

    def join(self, x: Tensor, environment: Tensor, edge_index: Adj) -> Tensor:
        """The products of edges with the environments of their centers.

        Args:
            x: features of the edges.
            environment: of all centers, ``(|V|, tp.irreps_out.dim)``.
            edge_index: the edges.

        Returns:
            Features of ``product.irreps_out``; with ``mix``, before they are mixed.
        """
        check_features(x, self.irreps_in, "x", self._like())
        check_edge_inputs(edge_index, x=x)
        edges = self.directed(edge_index)
        weight = None
        if self.weight is not None:
            weight = self.weight.expand(-1, self.channels).flatten()
        if self.fuse and not self.explain:
            return self._join(x, environment, weight, edges, self.product.couplings())
        environment = environment.index_select(0, edges[1].long())
        return self.product(x, environment, weight)

    def _like(self) -> Tensor:
        like = self.weight if self.mix is None else self.mix.weight
        assert like is not None
        return like

    def _sizes(self, size: Size) -> tuple[int, int]:
        """How many nodes there are where messages start, and where they arrive."""
        pair = isinstance(size, (tuple, list)) and len(size) == 2
        if size is None or not pair or None in size:
            raise ValueError(
                "features of edges do not tell how many nodes there are: expected "
                f"size=(num_sources, num_targets), got {size}"
            )
        for count in size:
            check_size(count, "size")
        first, second = size if self.flow == "source_to_target" else size[::-1]
        return first, second

    def on_edges(self, x: Tensor, edges: Edges) -> Tensor:
        """The layer with all that it reads of the edges taken from ``edges``.

        Args:
            x: features of the edges, ``(|E|, irreps_in.dim)``.
            edges: from :class:`~pyg_equivariant.nn.EdgeEmbedding`.
        """
        targets = edges.pos
        sources = targets if edges.graph.sources is None else edges.graph.sources
        size = sources.shape[0], targets.shape[0]
        return self(x, edges.edge_index, edges.edge_sh, edges.edge_attr, size)


def _channels(irreps_in: Irreps, irreps_sh: Irreps, irreps_out: Irreps) -> int:
    """The one multiplicity of all features."""
    found = {mul for mul, _ in (*irreps_in, *irreps_out)}
    if len(found) != 1 or {mul for mul, _ in irreps_sh} != {1}:
        raise ValueError(
            "edges and their environment are joined channel by channel: irreps_in and "
            "irreps_out have one multiplicity, and irreps_sh have 1, got "
            f"{irreps_in}, {irreps_out} and {irreps_sh}"
        )
    return found.pop()


def _product(
    irreps_in: Irreps, irreps_env: Irreps, irreps_out: Irreps, apart: bool
) -> TensorProductPaths:
    """All paths, by output, edge and environment; each its own block if ``apart``."""
    found = [
        (i1, i2, o)
        for o, (_, ir) in enumerate(irreps_out)
        for i1, (_, ir1) in enumerate(irreps_in)
        for i2, (_, ir2) in enumerate(irreps_env)
        if ir in ir1 * ir2
    ]
    out = Irreps([irreps_out[o] for _, _, o in found]) if apart else irreps_out
    paths = [
        Path(i1, i2, n if apart else o, "uuu", not apart)
        for n, (i1, i2, o) in enumerate(found)
    ]
    return TensorProductPaths(
        irreps_in, irreps_env, out, tuple(paths), path_normalization="none"
    )
