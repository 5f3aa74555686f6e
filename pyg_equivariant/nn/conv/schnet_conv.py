"""SchNet's continuous-filter convolution."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size

from pyg_equivariant import o3
from pyg_equivariant.kernels import Convolution

from ..activation import ShiftedSoftplus
from ..cutoff import CosineCutoff
from ..dense import Dense
from ..edge_embedding import Edges
from ..mlp import MLP
from ..module import describe
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_scalars,
    check_vector,
    join_envelopes,
)


class SchNetConv(EquivariantConv):
    r"""The continuous-filter convolution from the `"SchNet: A continuous-filter
    convolutional neural network for modeling quantum interactions"
    <https://arxiv.org/abs/1706.08566>`_ paper.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{W}_2 \sum_{j \in \mathcal{N}(i)}
        (\mathbf{W}_1 \mathbf{x}_j) \odot W(\mathbf{e}_{ij})\, f(r_{ij}) + \mathbf{b}_2

    with a filter network :math:`W` on radial features :math:`\mathbf{e}_{ij}` and the
    cosine envelope :math:`f`, zero from the cutoff on. This is the path
    :math:`0 \times 0 \to 0` of :class:`~pyg_equivariant.nn.TFNConv`: features are
    invariant.

    Args:
        in_channels (int): Size of the input features.
        out_channels (int): Size of the output features.
        num_filters (int): Number of filters, the width of the message.
        edge_dim (int): Number of radial features of an edge.
        cutoff (float, optional): Radius of the envelope :math:`f`, in the unit of
            ``edge_length``; none if :obj:`None`. (default: :obj:`None`)
        aggr (str, optional): How messages are joined. (default: :obj:`"add"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** node features :math:`(|V|, F_{in})`, or a pair
          :math:`((|V_s|, F_{in}), (|V_t|, *))` if bipartite, whose second entry is not
          read and may be :obj:`None`; edge indices :math:`(2, |E|)`; edge lengths
          :math:`(|E|)`; radial features :math:`(|E|, D)`; ``edge_weight``
          :math:`(|E|)`, a further envelope that multiplies messages
        - **output:** node features :math:`(|V|, F_{out})` or :math:`(|V_t|, F_{out})`

    Examples:
        >>> conv = SchNetConv(16, 32, num_filters=64, edge_dim=20, cutoff=5.0)
        >>> x, edge_index = torch.randn(4, 16), torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> conv(x, edge_index, torch.rand(3), torch.rand(3, 20)).shape
        torch.Size([4, 32])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_filters: int,
        edge_dim: int,
        cutoff: float | None = None,
        aggr: str = "add",
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr=aggr, **kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_filters = num_filters
        self.edge_dim = edge_dim
        self.cutoff = cutoff
        self.irreps_in = o3.Irreps([(in_channels, "0e")])
        self.irreps_out = o3.Irreps([(out_channels, "0e")])

        # W: filter network
        widths = [edge_dim, num_filters, num_filters]
        self.filter = MLP(widths, ShiftedSoftplus(), init="xavier")
        # f: envelope
        self.envelope = None if cutoff is None else CosineCutoff(cutoff)
        # Σ: the path 0 x 0 -> 0, summed over neighbors without forming messages
        paths = o3.TensorProductPaths.depthwise(f"{num_filters}x0e", "0e")
        self.convolve = Convolution(paths)
        # W_1, W_2: atom-wise layers
        self.lin1 = Dense(in_channels, num_filters, bias=False)
        self.lin2 = Dense(num_filters, out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        reset(self.aggr_module)
        self.filter.reset_parameters()
        torch.nn.init.xavier_uniform_(self.lin1.weight)
        torch.nn.init.xavier_uniform_(self.lin2.weight)
        torch.nn.init.zeros_(self.lin2.bias)

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_length: Tensor,
        edge_attr: Tensor,
        size: Size = None,
        edge_weight: OptTensor = None,
    ) -> Tensor:
        """Convolve.

        Args:
            x: features, or a pair whose second entry is not read.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_length: lengths of edges, read by the cutoff.
            edge_attr: radial features.
            size: numbers of sources and of targets, where ``x`` does not tell.
            edge_weight: a further envelope that multiplies messages.

        Returns:
            Features ``(|V|, out_channels)``.
        """
        like = self.lin1.weight
        check_scalars(edge_attr, self.edge_dim, "edge_attr", like)
        check_vector(edge_length, "edge_length", like)
        check_vector(edge_weight, "edge_weight", like)
        edges = {"edge_length": edge_length, "edge_attr": edge_attr}
        check_edge_inputs(edge_index, **edges, edge_weight=edge_weight)
        # Radial part
        w, f = self.filters(edge_length, edge_attr)  # [num_edges, num_filters]
        return self.interact(x, edge_index, w, join_envelopes(f, edge_weight), size)

    def filters(
        self, edge_length: Tensor, edge_attr: Tensor
    ) -> tuple[Tensor, OptTensor]:
        """The filters ``(|E|, num_filters)`` and their envelope ``(|E|,)``."""
        check_scalars(edge_attr, self.edge_dim, "edge_attr", self.lin1.weight)
        check_vector(edge_length, "edge_length", self.lin1.weight)
        f = None if self.envelope is None else self.envelope(edge_length)
        return self.filter(edge_attr), f

    def interact(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        w: Tensor,
        f: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        """The layer after its filter network, given what :meth:`filters` returns."""
        x = as_pair(x, self.flow)
        check_scalars(x[0], self.in_channels, "x", self.lin1.weight)
        check_scalars(w, self.num_filters, "w", self.lin1.weight)
        check_vector(f, "f", self.lin1.weight)
        # Message passing
        # propagate_type: (x: OptPairTensor, w: Tensor, f: OptTensor)
        out = self.sum_messages(edge_index, (self.lin1(x[0]), x[1]), size, w=w, f=f)
        return self.lin2(out)

    def message(self, x_j: Tensor, w: Tensor, f: OptTensor) -> Tensor:
        return x_j * w if f is None else x_j * (w * f.unsqueeze(-1))

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: OptPairTensor,
        w: Tensor,
        f: OptTensor,
        dim_size: int,
    ) -> Tensor:
        f = w.new_ones(1).expand(w.shape[0]) if f is None else f
        return self.convolve(x[0], f.unsqueeze(-1), w, edge_index, dim_size)

    def on_edges(self, x: Tensor | OptPairTensor, edges: Edges) -> Tensor:
        check_ends(x, edges.graph)
        weight = edges.edge_weight if self.envelope is None else None
        given = (edges.edge_index, edges.edge_length, edges.edge_attr)
        return self(x, *given, None, weight)

    def __repr__(self) -> str:
        return describe(
            self, "in_channels, out_channels", "num_filters edge_dim cutoff"
        )
