"""The attention block of the SE(3)-Transformer."""

import math
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size

from pyg_equivariant.kernels import check_nodes, neighbor_sum
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import ActivationLike
from ..attentive_self_interaction import AttentiveSelfInteraction
from ..edge_embedding import Edges
from ..linear import Linear
from ..module import check_features, describe
from ..radial_tensor_product import RadialTensorProduct
from ._attention import edge_softmax, head_products, scale_heads
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_scalars,
    check_vector,
    known_targets,
)
from ._relative_position import RelativePosition, check_edge_vec


class Attention(NamedTuple):
    """What attention is made of, see :meth:`SE3TransformerConv.attend`."""

    value: Tensor
    """values of the edges, ``(|E|, irreps_value.dim)``"""
    key: Tensor
    """keys of the edges, ``(|E|, irreps_key.dim)``"""
    logits: Tensor
    """before the softmax, ``(|E|, num_heads)``"""
    alpha: Tensor
    """after it"""


class SE3TransformerConv(EquivariantConv):
    r"""The equivariant attention of the `"SE(3)-Transformers: 3D Roto-Translation
    Equivariant Attention Networks" <https://arxiv.org/abs/2006.10503>`_ paper: a
    pseudo-linear steerable convolution.

    .. math::
        \mathbf{v}_{ij} = \mathbf{K}^V_{ij}\, \mathbf{x}_j, \qquad
        \mathbf{k}_{ij} = \mathbf{K}^K_{ij}\, \mathbf{x}_j, \qquad
        \mathbf{q}_i = \mathbf{W}_Q\, \mathbf{x}_i

    .. math::
        \alpha_{ij} = \text{softmax}_j\, \frac{\langle \mathbf{q}_i, \mathbf{k}_{ij}
        \rangle}{\sqrt{\dim \mathbf{k}}}, \qquad
        \mathbf{x}^{\prime}_i = \mathbf{W} \Big( \sum_{j \in \mathcal{N}(i)}
        \alpha_{ij}\, \mathbf{v}_{ij} \oplus \mathbf{x}_i \Big)

    The kernels :math:`\mathbf{K}_{ij} = \sum_J \mathbf{R}_J(\mathbf{e}_{ij})\,
    \mathbf{C}^J Y^J(\hat r_{ij})` mix all channels, see
    :class:`~pyg_equivariant.nn.RadialTensorProduct`. Each of the heads takes a group of
    the channels of every irrep, and has an attention of its own. Keys and queries have
    the irreps that both input and output have; :math:`\dim \mathbf{k}` counts those of
    all heads. A node without neighbors receives nothing.

    With irreps that are all even, such as ``"8x0e+8x1e"`` and harmonics ``"0e+1e+2e"``,
    every product of degrees is a path, as in the authors' code, and the layer commutes
    with rotations only (SE(3)); with ``"8x0e+8x1o"`` and ``"0e+1o+2e"`` with
    reflections, too.

    Args:
        irreps_in (str or Irreps): Irreps of the input features.
        irreps_sh (str or Irreps): Irreps of the edge harmonics, each once.
        irreps_out (str or Irreps): Irreps of the output features.
        edge_dim (int): Number of invariants of an edge, such as 1 for its length.
        num_heads (int, optional): Number of heads; must divide the copies of every
            irrep of the values. (default: :obj:`1`)
        div (float, optional): Values and keys have so many times fewer channels than
            the output, rounded down. (default: :obj:`1`)
        skip (str, optional): ``"cat"`` is the equation above; ``"sum"`` maps the
            attention alone and adds :math:`\mathbf{x}_i`, whose missing channels are
            zero; :obj:`None` returns the attention itself, with irreps of the values.
            (default: :obj:`"cat"`)
        self_interaction (str, optional): With ``"cat"``, :math:`\mathbf{W}` is
            ``"linear"``, or ``"attentive"``:
            :class:`~pyg_equivariant.nn.AttentiveSelfInteraction`.
            (default: :obj:`"linear"`)
        x_ij (str, optional): Let :math:`\vec r_i - \vec r_j` enter the features of the
            source: ``"cat"`` as one more vector, ``"add"`` added to the first of
            several. (default: :obj:`None`)
        radial_channels (int, optional): Width of the hidden layers of the radial
            networks. (default: :obj:`32`)
        act (str or Callable, optional): Their activation. (default: :obj:`"relu"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps\_in.dim})`, or a pair of those
          of sources and of targets if bipartite; edge indices :math:`(2, |E|)`;
          harmonics :math:`(|E|, \text{irreps\_sh.dim})` of the vector from the receiver
          to the sender; invariants :math:`(|E|, \text{edge\_dim})`; that vector
          :math:`(|E|, 3)` if ``x_ij`` is not :obj:`None`; an envelope :math:`(|E|)`, if
          any, which weighs the softmax and the values
        - **output:** features :math:`(|V|, \text{irreps\_out.dim})`

    Examples:
        >>> conv = SE3TransformerConv("4x0e", "0e+1e", "4x0e+4x1e", 1, num_heads=2)
        >>> x, edge_index = torch.randn(4, 4), torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> conv(x, edge_index, torch.randn(3, 4), torch.rand(3, 1)).shape
        torch.Size([4, 16])
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_sh: IrrepsLike,
        irreps_out: IrrepsLike,
        edge_dim: int,
        num_heads: int = 1,
        div: float = 1,
        skip: Optional[str] = "cat",
        self_interaction: str = "linear",
        x_ij: Optional[str] = None,
        radial_channels: int = 32,
        act: ActivationLike = "relu",
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr="add", node_dim=0, **kwargs)
        if skip not in ("cat", "sum", None):
            raise ValueError(f"skip is 'cat', 'sum' or None, got {skip!r}")
        if self_interaction not in ("linear", "attentive"):
            raise ValueError(
                f"self_interaction is 'linear' or 'attentive', got {self_interaction!r}"
            )
        if self_interaction == "attentive" and skip != "cat":
            raise ValueError(
                f"self_interaction='attentive' goes with skip='cat', got skip={skip!r}"
            )
        self.irreps_in = Irreps(irreps_in)
        self.irreps_sh = Irreps(irreps_sh)
        given = Irreps(irreps_out)
        self.irreps_value = _divided(given, div, num_heads)
        self.irreps_key = self.irreps_value.filter(keep=_irreps_of(self.irreps_in))
        self.irreps_out = self.irreps_value if skip is None else given
        if not self.irreps_key.dim:
            raise ValueError(
                "keys have the irreps of both input and output, but there are none in "
                f"{self.irreps_in} and {given}"
            )
        self.edge_dim = edge_dim
        self.num_heads = num_heads
        self.skip = skip
        self.x_ij = x_ij

        # x_j: features of sources, and where they are
        self.relative = RelativePosition(self.irreps_in, self.irreps_sh, x_ij)
        # K^V and K^K: values and keys
        both = self.irreps_value + self.irreps_key
        irreps = self.relative.irreps_out, self.irreps_sh, both
        self.product = RadialTensorProduct(*irreps, edge_dim, radial_channels, act)
        # W_Q: queries
        self.query = Linear(self.irreps_in, self.irreps_key, bias=False)
        # W: self-interaction
        self.mix: torch.nn.Module | None = None
        if skip == "cat":
            mix = Linear if self_interaction == "linear" else AttentiveSelfInteraction
            options = {"bias": False} if self_interaction == "linear" else {}
            self.mix = mix(self.irreps_value + self.irreps_in, given, **options)
        if skip == "sum":
            _check_sum(self.irreps_in, given)
            self.mix = Linear(self.irreps_value, given, bias=False)
        self.reset_parameters()

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        edge_attr: Tensor,
        edge_vec: OptTensor = None,
        edge_weight: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        """Attend.

        Args:
            x: features, or a pair of those of sources and of targets.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_sh: harmonics of the vectors from the receivers to the senders.
            edge_attr: invariant features of edges.
            edge_vec: vectors from the receivers to the senders, if ``x_ij`` is given.
            edge_weight: an envelope, which weighs the softmax and the values.
            size: numbers of sources and of targets, where ``x`` does not tell.

        Returns:
            Features of ``irreps_out``.
        """
        x = self._checked(x, edge_index, edge_sh, edge_attr, edge_vec, edge_weight)
        # Queries
        q = None, self.query(x[1])
        # Message passing
        inputs = {"edge_sh": edge_sh, "edge_attr": edge_attr, "edge_vec": edge_vec}
        # propagate_type: (x: OptPairTensor, q: OptPairTensor, edge_sh: Tensor, edge_attr: Tensor, edge_vec: OptTensor, edge_weight: OptTensor)  # noqa: E501
        out = self.sum_messages(
            edge_index, x, size, q=q, **inputs, edge_weight=edge_weight
        )
        # Self-interaction
        if self.mix is None:
            return out
        if self.skip == "cat":
            out = torch.cat([out, x[1]], dim=-1)
        mixed: Tensor = self.mix(out)
        if self.skip == "sum":
            mixed = mixed + _padded(x[1], self.irreps_in, self.irreps_out)
        return mixed

    def message(
        self,
        x_j: Tensor,
        q_i: Tensor,
        edge_sh: Tensor,
        edge_attr: Tensor,
        edge_vec: OptTensor,
        edge_weight: OptTensor,
        index: Tensor,
        dim_size: Optional[int],
    ) -> Tensor:
        edges = edge_sh, edge_attr, edge_vec, edge_weight
        found = self.attend(x_j, q_i, *edges, index, dim_size)
        return scale_heads(found.value, found.alpha, self.irreps_value)

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: OptPairTensor,
        q: OptPairTensor,
        edge_sh: Tensor,
        edge_attr: Tensor,
        edge_vec: OptTensor,
        edge_weight: OptTensor,
        dim_size: int,
    ) -> Tensor:
        check_nodes(edge_index, x[0].shape[0], dim_size)
        source, target = edge_index.long()
        x_j = x[0].index_select(0, source)
        assert q[1] is not None
        q_i = q[1].index_select(0, target)
        edges = edge_sh, edge_attr, edge_vec, edge_weight
        messages = self.message(x_j, q_i, *edges, target, dim_size)
        return neighbor_sum(messages, edge_index, dim_size)

    def attend(
        self,
        x_j: Tensor,
        q_i: Tensor,
        edge_sh: Tensor,
        edge_attr: Tensor,
        edge_vec: OptTensor,
        edge_weight: OptTensor,
        index: Tensor,
        dim_size: Optional[int],
    ) -> Attention:
        """Values, keys and attention of the edges, which arrive at ``index``."""
        x_j = self.relative(x_j, edge_vec)
        sizes = [self.irreps_value.dim, self.irreps_key.dim]
        v, k = self.product(x_j, edge_sh, edge_attr).split(sizes, dim=-1)
        logits = head_products(k, q_i, self.irreps_key, self.num_heads)
        logits = logits / math.sqrt(self.irreps_key.dim)
        count = int(index.max()) + 1 if dim_size is None else dim_size
        alpha = edge_softmax(logits, index, count, edge_weight)
        return Attention(v, k, logits, alpha)

    def _checked(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        edge_attr: Tensor,
        edge_vec: OptTensor,
        edge_weight: OptTensor,
    ) -> OptPairTensor:
        """Features of sources and of targets, all known to fit each other."""
        x = as_pair(x, self.flow)
        known_targets(x[1], "queries need")
        like = self.query.weight
        for features in x:
            check_features(features, self.irreps_in, "x", like)
        check_features(edge_sh, self.irreps_sh, "edge_sh", like)
        check_scalars(edge_attr, self.edge_dim, "edge_attr", like)
        check_vector(edge_weight, "edge_weight", like)
        check_edge_vec(edge_vec, self.x_ij, like)
        check_edge_inputs(edge_index, edge_sh=edge_sh, edge_attr=edge_attr)
        return x

    def on_edges(self, x: Tensor | OptPairTensor, edges: Edges) -> Tensor:
        check_ends(x, edges.graph)
        vec = None if self.x_ij is None else edges.edge_vec
        given = edges.edge_sh, edges.edge_attr, vec, edges.edge_weight
        return self(x, edges.edge_index, *given)

    def __repr__(self) -> str:
        return describe(self, "irreps_in -> irreps_out", "irreps_sh edge_dim num_heads")


def _irreps_of(irreps: Irreps) -> Any:
    """Whether a block has an irrep that occurs among others."""
    return lambda block: block.ir in irreps


def _divided(irreps: Irreps, div: float, heads: int) -> Irreps:
    """Irreps with so many times fewer copies, which heads share evenly."""
    if not div > 0 or heads < 1:
        raise ValueError(f"div and num_heads are positive, got {div} and {heads}")
    values = Irreps([(int(mul // div), ir) for mul, ir in irreps])
    if any(not mul or mul % heads for mul, _ in values):
        raise ValueError(
            f"each of num_heads={heads} takes as many copies of every irrep, at least "
            f"one, got {values} from {irreps} with div={div}"
        )
    return values


def _check_sum(irreps_in: Irreps, irreps_out: Irreps) -> None:
    """Refuse inputs that have no room in the output of a sum."""
    for mul, ir in irreps_in.regroup():
        if mul > irreps_out.count(ir):
            raise ValueError(
                f"skip='sum' adds {irreps_in} to {irreps_out}, which has too few "
                f"{ir}; use skip='cat'"
            )


def _padded(x: Tensor, irreps_in: Irreps, irreps_out: Irreps) -> Tensor:
    """Features as the first channels of others, which are zero elsewhere."""
    rest: dict[Any, Tensor] = {}
    for (_, ir), block in zip(irreps_in, irreps_in.split(x), strict=True):
        rest[ir] = torch.cat([rest[ir], block], -1) if ir in rest else block
    blocks = []
    for mul, ir in irreps_out:
        found = rest.get(ir, x.new_zeros(*x.shape[:-1], ir.dim, 0))
        taken, rest[ir] = found[..., :mul], found[..., mul:]
        zeros = x.new_zeros(*x.shape[:-1], ir.dim, mul - taken.shape[-1])
        blocks.append(torch.cat([taken, zeros], dim=-1))
    return irreps_out.join(blocks)
