"""The convolution of NequIP."""

import math
from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size

from pyg_equivariant.o3 import IrrepsLike

from ..activation import ActivationLike, SecondMomentActivation
from ..edge_embedding import Edges
from ..linear import Linear
from ..species_linear import SpeciesLinear
from ._depthwise_conv import DepthwiseConv
from ._inputs import known_targets, of_targets

ROOT_TWO_SILU = SecondMomentActivation("silu", math.sqrt(2))


class NequIPConv(DepthwiseConv):
    r"""The interaction of the `"E(3)-equivariant graph neural networks for
    data-efficient and accurate interatomic potentials"
    <https://arxiv.org/abs/2101.03164>`_ paper: the linear steerable convolution between
    two linear maps, beside a self-connection of every species.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{W}_2 \Big( \frac{1}{\sqrt{\bar n}}
        \sum_{j \in \mathcal{N}(i)} (\mathbf{W}_1 \mathbf{x}_j)
        \otimes_{R(\mathbf{e}_{ij})} Y(\hat r_{ij}) \Big)
        + \mathbf{W}^{(s_i)} \mathbf{x}_i

    Every path of the tensor product :math:`\otimes` of the features with the harmonics
    of the edge has its own weight :math:`R(\mathbf{e}_{ij})`, a radial network on
    the features of the distance, which acts channel by channel. :math:`\mathbf{W}_1`
    mixes channels before and :math:`\mathbf{W}_2` paths and channels behind; nothing
    has a bias. :math:`s_i` is the species of a node, and :math:`\bar n` the average
    number of neighbors. The network passes the result through a gate.

    :class:`~pyg_equivariant.nn.TFNConv` is the same product, mixed with
    :math:`\mathbf{x}_i` by one linear map.

    Args:
        irreps_in (str or Irreps): Irreps of the input features.
        irreps_sh (str or Irreps): Irreps of the edge harmonics.
        irreps_out (str or Irreps): Irreps of the output features.
        edge_dim (int): Number of radial features of an edge.
        radial_channels (list of int, optional): Widths of the hidden layers of the
            radial network; empty for a linear map. (default: :obj:`(128,)`)
        num_attr (int, optional): Number of species, or of attributes of each, see
            :class:`~pyg_equivariant.nn.SpeciesLinear`. (default: :obj:`1`)
        self_connection (bool, optional): Let :math:`\mathbf{x}_i` itself take part.
            (default: :obj:`True`)
        avg_num_neighbors (float, optional): The number :math:`\bar n`.
            (default: :obj:`1.0`)
        act (str or callable, optional): Activation of the radial network, scaled to
            unit second moment; a ``SecondMomentActivation`` is
            used as it is. (default: SiLU times :math:`\sqrt 2`, as in the authors' code
            since version 0.7)
        radial (torch.nn.Module, optional): A radial network of your own, from
            ``edge_attr`` to ``(|E|, tp.weight_numel)``. With
            :class:`torch.nn.Identity`, ``edge_attr`` are the weights.
            (default: :obj:`None`)
        aggr (str, optional): How messages are joined, ``"add"`` or ``"mean"``.
            (default: :obj:`"add"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps\_in.dim})`, or a pair of those
          of sources and of targets if bipartite (the second may be :obj:`None` without
          self-connection); edge indices :math:`(2, |E|)`; harmonics
          :math:`(|E|, \text{irreps\_sh.dim})` of the vector from the receiver to the
          sender; radial features :math:`(|E|, D)`; species :math:`(|V|)` of the targets
          from 0 on, unless there is one; attributes of the species :math:`(S, A)`,
          one-hot by default. Messages vanish where the radial features do: multiply
          those by an envelope
        - **output:** features :math:`(|V|, \text{irreps\_out.dim})`

    Examples:
        >>> conv = NequIPConv("16x0e", "0e+1o", "16x0e+8x1o", edge_dim=8, num_attr=3)
        >>> conv.self_connection
        SpeciesLinear(16x0e -> 16x0e+8x1o, 3 attributes, 768 parameters)
        >>> x, edge_index = torch.randn(4, 16), torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> edge_sh, edge_attr = torch.randn(3, 4), torch.rand(3, 8)
        >>> conv(x, edge_index, edge_sh, edge_attr, torch.tensor([2, 0, 0, 1])).shape
        torch.Size([4, 40])
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_sh: IrrepsLike,
        irreps_out: IrrepsLike,
        edge_dim: int,
        radial_channels: tuple[int, ...] = (128,),
        num_attr: int = 1,
        self_connection: bool = True,
        avg_num_neighbors: float = 1.0,
        act: ActivationLike = ROOT_TWO_SILU,
        radial: torch.nn.Module | None = None,
        aggr: str = "add",
        **kwargs: Any,
    ) -> None:
        irreps = irreps_in, irreps_sh, irreps_out, irreps_out
        network = edge_dim, radial_channels, act, radial
        super().__init__(*irreps, *network, avg_num_neighbors, aggr, **kwargs)
        self.num_attr = num_attr

        # W₁: mixing of channels
        self.mix_in = Linear(self.irreps_in, self.irreps_in, bias=False)
        # W₂: mixing of paths and channels
        self.mix_out = Linear(self.tp.irreps_out, self.irreps_out, bias=False)
        # W⁽ˢ⁾: self-connection of every species
        self.self_connection = None
        if self_connection:
            ends = self.irreps_in, self.irreps_out
            self.self_connection = SpeciesLinear(*ends, num_attr)
        self.reset_parameters()

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        edge_attr: Tensor,
        species: OptTensor = None,
        attr: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        """Convolve, and add the self-connection.

        Args:
            x: features, or a pair of those of sources and of targets; these are read by
                the self-connection only.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_sh: harmonics of the vectors from the receivers to the senders.
            edge_attr: radial features, which carry the envelope.
            species: of every target, from 0 on; needed if there are several.
            attr: attributes of the species, one-hot by default.
            size: numbers of sources and of targets, where ``x`` does not tell.

        Returns:
            Features of ``irreps_out``.
        """
        # Radial part
        weight = self.path_weights(edge_index, edge_attr, self.mix_in.weight)
        return self.interact(x, edge_index, edge_sh, weight, species, attr, size)

    def interact(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        weight: Tensor,
        species: OptTensor = None,
        attr: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        """The layer after its radial network, given ``(|E|, tp.weight_numel)``."""
        x = self.checked(x, edge_index, edge_sh, weight, self.mix_in.weight)
        # Self-connection
        kept = self._connect(x[1], of_targets(species), attr)
        # Message passing
        sent = self.mix_in(x[0]) / math.sqrt(self.avg_num_neighbors), x[1]
        # propagate_type: (x: OptPairTensor, edge_sh: Tensor, weight: Tensor)
        out = self.sum_messages(edge_index, sent, size, edge_sh=edge_sh, weight=weight)
        out = self.mix_out(out)
        return out if kept is None else out + kept

    def _connect(
        self, x: OptTensor, species: OptTensor, attr: OptTensor
    ) -> Tensor | None:
        """What a node keeps of its own features."""
        if self.self_connection is None:
            return None
        x = known_targets(x, "self-connection needs")
        out: Tensor = self.self_connection(x, species, attr)
        return out

    def on_edges(
        self,
        x: Tensor,
        edges: Edges,
        species: OptTensor = None,
        attr: OptTensor = None,
    ) -> Tensor:
        given = edges.edge_index, edges.edge_sh, edges.edge_attr
        return self(x, *given, species, attr)
