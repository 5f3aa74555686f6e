"""The linear convolution of the SE(3)-Transformer's authors."""

from typing import Any, Optional

import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size

from pyg_equivariant.kernels import check_nodes, neighbor_sum
from pyg_equivariant.o3 import Irreps, IrrepsLike, widen

from ..activation import ActivationLike
from ..edge_embedding import Edges
from ..linear import Linear
from ..module import check_features, describe
from ..radial_tensor_product import RadialTensorProduct
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_scalars,
    check_vector,
    known_targets,
)


class SE3Conv(EquivariantConv):
    r"""The tensor field convolution of the `"SE(3)-Transformers: 3D Roto-Translation
    Equivariant Attention Networks" <https://arxiv.org/abs/2006.10503>`_ paper: linear
    and steerable, with a kernel that mixes all channels.

    .. math::
        \mathbf{x}^{\prime}_i = \frac{1}{|\mathcal{N}(i)|} \sum_{j \in \mathcal{N}(i)}
        \Big( \sum_{l, J} \mathbf{R}^{l' l}_J(\mathbf{e}_{ij})\;
        \mathbf{C}^{l' l J}\, Y^J(\hat r_{ij})\; \mathbf{x}^{l}_j
        + \mathbf{W}\, \mathbf{x}_i \Big)

    The radial networks :math:`\mathbf{R}` are those of
    :class:`~pyg_equivariant.nn.RadialTensorProduct`; beside
    :class:`~pyg_equivariant.nn.TFNConv`, whose paths act channel by channel, there are
    as many more weights as channels. Self-interaction stands inside of the mean: a node
    without neighbors is zero afterwards.

    With irreps that are all even, such as ``"8x0e+8x1e"`` and harmonics ``"0e+1e+2e"``,
    every product of degrees is a path, as in the authors' code, and the layer commutes
    with rotations only (SE(3)); with ``"8x0e+8x1o"`` and ``"0e+1o+2e"`` with
    reflections, too.

    Args:
        irreps_in (str or Irreps): Irreps of the input features.
        irreps_sh (str or Irreps): Irreps of the edge harmonics, each once.
        irreps_out (str or Irreps): Irreps of the output features.
        edge_dim (int): Number of invariants of an edge, such as 1 for its length.
        self_interaction (str, optional): ``"skip"`` adds :math:`\mathbf{W}
            \mathbf{x}_i` for irreps of both input and output; ``"tfn"`` applies
            :math:`\mathbf{W}` to the messages instead; :obj:`None` does neither.
            (default: :obj:`"skip"`)
        radial_channels (int, optional): Width of the hidden layers of the radial
            networks. (default: :obj:`32`)
        act (str or Callable, optional): Their activation. (default: :obj:`"relu"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps\_in.dim})`, or a pair of those
          of sources and of targets if bipartite; edge indices :math:`(2, |E|)`;
          harmonics :math:`(|E|, \text{irreps\_sh.dim})` of the vector from the receiver
          to the sender; invariants :math:`(|E|, \text{edge\_dim})`; an envelope
          :math:`(|E|)`, if any, with which a mean
          :math:`\sum_j f_{ij} \cdots / \sqrt{1 + (\sum_j f_{ij})^2}` is smooth
        - **output:** features :math:`(|V|, \text{irreps\_out.dim})`

    Examples:
        >>> import torch
        >>> conv = SE3Conv("4x0e", "0e+1e", "4x0e+2x1e", edge_dim=1)
        >>> x, edge_index = torch.randn(4, 4), torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> conv(x, edge_index, torch.randn(3, 4), torch.rand(3, 1)).shape
        torch.Size([4, 10])
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_sh: IrrepsLike,
        irreps_out: IrrepsLike,
        edge_dim: int,
        self_interaction: Optional[str] = "skip",
        radial_channels: int = 32,
        act: ActivationLike = "relu",
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr="add", node_dim=0, **kwargs)
        if self_interaction not in ("skip", "tfn", None):
            raise ValueError(
                f"self_interaction is 'skip', 'tfn' or None, got {self_interaction!r}"
            )
        self.irreps_in = Irreps(irreps_in)
        self.irreps_sh = Irreps(irreps_sh)
        self.irreps_out = Irreps(irreps_out)
        self.edge_dim = edge_dim
        self.self_interaction = self_interaction

        # K: the kernel of every edge
        irreps = self.irreps_in, self.irreps_sh, self.irreps_out
        self.product = RadialTensorProduct(*irreps, edge_dim, radial_channels, act)
        # W: self-interaction
        self.mix = None
        if self_interaction == "tfn":
            self.mix = Linear(self.irreps_out, self.irreps_out, bias=False)
        shared = self.irreps_out.filter(keep=lambda block: block.ir in self.irreps_in)
        if self_interaction == "skip" and shared.dim:
            self.mix = Linear(self.irreps_in, shared, bias=False)
        self._shared = [block.ir in self.irreps_in for block in self.irreps_out]
        self.reset_parameters()

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        edge_attr: Tensor,
        edge_weight: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        """Convolve.

        Args:
            x: features, or a pair of those of sources and of targets.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_sh: harmonics of the vectors from the receivers to the senders.
            edge_attr: invariant features of edges.
            edge_weight: an envelope, which makes a mean smooth at a cutoff.
            size: numbers of sources and of targets, where ``x`` does not tell.

        Returns:
            Features of ``irreps_out``.
        """
        x = as_pair(x, self.flow)
        like = self.product.radial.weight_in
        check_features(x[0], self.irreps_in, "x", like)
        check_features(edge_sh, self.irreps_sh, "edge_sh", like)
        check_scalars(edge_attr, self.edge_dim, "edge_attr", like)
        check_vector(edge_weight, "edge_weight", like)
        check_edge_inputs(edge_index, edge_sh=edge_sh, edge_attr=edge_attr)
        # Message passing
        inputs = {"edge_sh": edge_sh, "edge_attr": edge_attr}
        # propagate_type: (x: OptPairTensor, edge_sh: Tensor, edge_attr: Tensor, edge_weight: OptTensor)  # noqa: E501
        out = self.sum_messages(edge_index, x, size, **inputs, edge_weight=edge_weight)
        # Mean
        total, count = out[:, :-1], widen(out[:, -1:])
        if edge_weight is None:
            divisor = count.clamp(min=1)
        else:
            divisor = (1 + count.square()).sqrt()
        out = total / divisor.to(total.dtype)
        # Self-interaction
        if self.mix is None:
            return out
        if self.self_interaction == "tfn":
            return self.mix(out)
        return out + (count / divisor).to(out.dtype) * self._keep(x[1])

    def message(
        self, x_j: Tensor, edge_sh: Tensor, edge_attr: Tensor, edge_weight: OptTensor
    ) -> Tensor:
        out: Tensor = self.product(x_j, edge_sh, edge_attr)
        out = torch.cat([out, torch.ones_like(edge_sh[:, :1])], dim=-1)  # and its count
        return out if edge_weight is None else out * edge_weight.unsqueeze(-1)

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: OptPairTensor,
        edge_sh: Tensor,
        edge_attr: Tensor,
        edge_weight: OptTensor,
        dim_size: int,
    ) -> Tensor:
        check_nodes(edge_index, x[0].shape[0], dim_size)
        x_j = x[0].index_select(0, edge_index[0].long())
        messages = self.message(x_j, edge_sh, edge_attr, None)
        return neighbor_sum(messages, edge_index, dim_size, edge_weight)

    def _keep(self, x: Tensor | None) -> Tensor:
        """What a node keeps of its own features, zero where it has none."""
        x = known_targets(x, "self-interaction needs")
        assert self.mix is not None
        check_features(x, self.irreps_in, "x", self.mix.weight)
        kept = self.mix(x)
        found = iter(self.mix.irreps_out.split(kept))
        return self.irreps_out.join(
            [
                next(found) if shared else kept.new_zeros(len(kept), ir.dim, mul)
                for (mul, ir), shared in zip(self.irreps_out, self._shared, strict=True)
            ]
        )

    def on_edges(self, x: Tensor | OptPairTensor, edges: Edges) -> Tensor:
        check_ends(x, edges.graph)
        given = edges.edge_sh, edges.edge_attr, edges.edge_weight
        return self(x, edges.edge_index, *given)

    def __repr__(self) -> str:
        return describe(self, "irreps_in -> irreps_out", "irreps_sh edge_dim")
