"""The level of Cormorant: covariant products at edges and at nodes."""

from collections.abc import Sequence
from typing import Any, Optional

import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size

from pyg_equivariant.kernels import Convolution, check_nodes

from ..edge_embedding import Edges
from ..module import check_features, describe
from ..tensor_product import TensorProduct
from ._complex_channels import (
    add_halves,
    complex_irreps,
    edge_degrees,
    edge_product,
    quarter_turns,
    square_degrees,
    square_product,
    twice_each,
)
from ._complex_mix import EdgeMix, NodeMix
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_positive,
    check_scalars,
    check_vector,
    known_targets,
)

MASKS = "hard", "soft", "learn", "learn_rad", "learn_width"
SMALLEST = 1e-3  # of radii and widths of the mask


class CormorantConv(EquivariantConv):
    r"""A level of the `"Cormorant: Covariant Molecular Neural Networks"
    <https://arxiv.org/abs/1906.04015>`_ paper: covariant under rotations, SE(3) only.

    .. math::
        g^l_{ij} &= m(r_{ij})\, \mathbf{V}^l \Big( g'^{\,l}_{ij} \oplus
        \bigoplus_{l'} \langle \mathbf{F}^{l'}_i, \mathbf{F}^{l'}_j \rangle \oplus
        \mathbf{e}_{ij} \Big), \qquad
        m(r) = \sigma\Big(\frac{r_c - r}{w}\Big)

        \mathbf{F}^{\prime\,l}_i &= \mathbf{W}^l \Big( \sum_{j}
        \big(g_{ij} Y(\vec r_{ij}) \otimes \mathbf{F}_j\big)^l \oplus \mathbf{F}^l_i
        \oplus \big(\mathbf{F}_i \otimes \mathbf{F}_i\big)^l \Big)

    Features have complex coefficients, of the same number :math:`C` of channels for
    every degree: :math:`2C` real channels, real parts before imaginary parts. Products
    :math:`\otimes` act channel by channel, for all degrees that there are, with
    coefficients :math:`\sqrt{2l+1}\, C` of :func:`~pyg_equivariant.o3.clebsch_gordan`;
    inner products :math:`\langle , \rangle` are bilinear, without conjugation. The sum
    over :math:`j` holds the node itself, whose edge has length 0: no radial features,
    and harmonics of degree 0 alone. Nothing is normalized or activated. As products of
    all degrees meet, without regard to parity, reflections change the output.

    The authors write features in complex harmonics, :math:`V_l\, i^l` times these; with
    the power of :math:`i` taken out, all phases of their coefficients are 1.

    Args:
        in_channels (int): Complex channels :math:`C` of every degree of the input.
        out_channels (int): Complex channels of every degree of the output.
        edge_dim (int): Number of radial features :math:`\mathbf{e}_{ij}`; two by two
            they are complex numbers.
        lmax_in (int, optional): Largest degree of the input. (default: :obj:`1`)
        lmax_sh (int, optional): Largest degree of the harmonics. (default: :obj:`1`)
        lmax (int, optional): Largest degree of the output, if products reach it.
            (default: :obj:`1`)
        state_channels (int, optional): Complex channels of the scalars
            :math:`g'_{ij}` that edges bring from the level before.
            (default: :obj:`0`)
        state_lmax (int, optional): Largest degree that they stand for.
            (default: :obj:`0`)
        mask (list of str, optional): What the mask :math:`m` is made of: ``"hard"``
            ends at ``hard_cutoff``; ``"soft"`` is the sigmoid above, ``"learn"`` with
            learned :math:`r_c` and :math:`w` of each channel, ``"learn_rad"`` and
            ``"learn_width"`` with one of them learned. (default: :obj:`("learn",)`)
        soft_cutoff (float, optional): The radius :math:`r_c` at first.
            (default: :obj:`1.73`)
        soft_width (float, optional): The width :math:`w` at first.
            (default: :obj:`0.2`)
        hard_cutoff (float, optional): Where a hard mask ends. (default: :obj:`1.73`)
        gain (float, optional): Largest entry of :math:`\mathbf{W}` at first, times the
            larger number of its channels. (default: :obj:`10.0`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps\_in.dim})`, or a pair of those
          of sources and of targets if bipartite; edge indices :math:`(2, |E|)`;
          harmonics :math:`(|E|, \text{irreps\_sh.dim})` of the vector from the receiver
          to the sender, in the paper times :math:`r^l`; radial features
          :math:`(|E|, D)`; lengths :math:`(|E|)`; an envelope :math:`(|E|)`, optional
        - **output:** features :math:`(|V|, \text{irreps\_out.dim})`

    Examples:
        >>> conv = CormorantConv(3, 4, edge_dim=16, lmax_in=1, lmax_sh=2, lmax=2)
        >>> conv.irreps_in, conv.irreps_sh, conv.irreps_out
        (6x0e+6x1e, 1x0e+1x1e+1x2e, 8x0e+8x1e+8x2e)
        >>> x, edge_index = torch.randn(4, 24), torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> edge_sh, edge_attr = torch.randn(3, 9), torch.randn(3, 16)
        >>> conv(x, edge_index, edge_sh, edge_attr, torch.rand(3)).shape
        torch.Size([4, 72])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge_dim: int,
        lmax_in: int = 1,
        lmax_sh: int = 1,
        lmax: int = 1,
        state_channels: int = 0,
        state_lmax: int = 0,
        mask: Sequence[str] = ("learn",),
        soft_cutoff: float = 1.73,
        soft_width: float = 0.2,
        hard_cutoff: float = 1.73,
        gain: float = 10.0,
        **kwargs: Any,
    ) -> None:
        if unknown := set(mask) - set(MASKS):
            raise ValueError(f"mask is made of {MASKS}, got {sorted(unknown)}")
        for name, length in (("soft_cutoff", soft_cutoff), ("soft_width", soft_width)):
            check_positive(length, name)
        check_positive(hard_cutoff, "hard_cutoff")
        super().__init__(node_dim=0, **kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.edge_dim = edge_dim
        self.mask = tuple(mask)
        self.soft_cutoff = float(soft_cutoff)
        self.soft_width = float(soft_width)
        self.hard_cutoff = float(hard_cutoff)

        # ⊗ at edges, and summed over neighbors without forming messages
        self.edge_degrees = edge_degrees(lmax_in, lmax_sh, lmax)
        edges = self.edge_degrees
        product = edge_product(edges, in_channels, lmax_in, lmax_sh)
        self.tp = TensorProduct(product, internal_weights=False)
        self.convolve = Convolution(product)
        # ⊗ at nodes
        kept = square_degrees(lmax_in, lmax, all_orders=False)
        product = square_product(kept, in_channels, lmax_in)
        self.square = TensorProduct(product, internal_weights=False)
        # V: scalars of edges
        self.edge_mix = EdgeMix(
            in_channels, lmax_in, lmax_sh, edge_dim, state_channels, state_lmax
        )
        # W: products
        every = square_degrees(lmax_in, lmax, all_orders=True)
        degrees = edges, every, kept
        self.node_mix = NodeMix(in_channels, out_channels, lmax_in, *degrees, gain)
        # r_c, w: mask
        self.radius, self.width = self._mask_parameters()

        self.irreps_in = complex_irreps(in_channels, lmax_in)
        self.irreps_sh = self.tp.irreps_in2
        self.irreps_out = complex_irreps(out_channels, len(self.node_mix.weights) - 1)
        self.reset_parameters()

    def _mask_parameters(self) -> list[Optional[Parameter]]:
        learned = [{"learn", name} & {*self.mask} for name in MASKS[-2:]]
        return [
            Parameter(torch.empty(self.in_channels)) if name else None
            for name in learned
        ]

    def reset_parameters(self) -> None:
        super().reset_parameters()
        starts = (self.radius, self.soft_cutoff), (self.width, self.soft_width)
        for parameter, start in starts:
            if parameter is not None:
                torch.nn.init.constant_(parameter, start)

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        edge_attr: Tensor,
        edge_length: Tensor,
        edge_weight: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        """Exchange messages, and multiply at every node.

        Args:
            x: features, or a pair of those of sources and of targets.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_sh: harmonics of the vectors from the receivers to the senders.
            edge_attr: radial features.
            edge_length: lengths of edges.
            edge_weight: an envelope that multiplies messages.
            size: numbers of sources and of targets, where ``x`` does not tell.

        Returns:
            Features of ``irreps_out``.
        """
        x_j, x_i = as_pair(x, self.flow)
        self._check((x_j, x_i), edge_index, edge_attr, edge_length, edge_weight)
        # Scalars of edges, and of the nodes with themselves
        edges = self.directed(edge_index)
        check_nodes(edges, x_j.shape[0], x_i.shape[0])
        source, target = edges.long()
        ends = x_i.index_select(0, target), x_j.index_select(0, source)
        weight = self.edge_scalars(*ends, edge_attr, edge_length, edge_weight)
        own = self.node_scalars(x_i)
        return self.interact(x, edge_index, edge_sh, weight, own, size)

    def edge_scalars(
        self,
        x_i: Tensor,
        x_j: Tensor,
        edge_attr: OptTensor,
        edge_length: Tensor,
        edge_weight: OptTensor = None,
        state: OptTensor = None,
    ) -> Tensor:
        r"""The scalars :math:`g_{ij}` of pairs, ``(rows, 2 C (lmax_sh + 1))``.

        Args:
            x_i: features of the receiver of every pair.
            x_j: features of the sender; the scalars are those of the turned pair, too.
            edge_attr: radial features, ``None`` for zeros.
            edge_length: lengths.
            edge_weight: an envelope.
            state: scalars of the level before.
        """
        # <F_i, F_j>
        inputs = [] if state is None else [state]
        irreps = self.irreps_in
        for a, b in zip(irreps.split(x_i), irreps.split(x_j), strict=True):
            b = quarter_turns(b).unflatten(-1, (2, -1))
            a = a.unflatten(-1, (2, 1, -1))
            b = b.unflatten(-1, (2, -1))
            inputs.append((a * b).sum((-4, -3)).flatten(1))
        # V
        if edge_attr is None:
            edge_attr = x_i.new_zeros(x_i.shape[0], self.edge_dim)
        out = self.edge_mix(torch.cat([*inputs, edge_attr], dim=-1))
        # m
        mask = self._mask_of(edge_length)
        if edge_weight is not None:
            mask = mask * edge_weight.unsqueeze(-1)
        by_channel = out.unflatten(-1, (-1, self.in_channels))
        return (by_channel * mask.to(out.dtype).unsqueeze(1)).flatten(1)

    def node_scalars(self, x: Tensor, state: OptTensor = None) -> Tensor:
        """The scalars of every node with itself, see :meth:`edge_scalars`."""
        return self.edge_scalars(x, x, None, x.new_zeros(x.shape[0]), None, state)

    def _mask_of(self, r: Tensor) -> Tensor:
        """What lets an edge through, ``(rows, C)`` or ``(rows, 1)``."""
        r = r.unsqueeze(-1)
        mask = torch.ones_like(r)
        if {*self.mask} - {"hard"}:
            radius = _at_least(self.radius, self.soft_cutoff)
            width = _at_least(self.width, self.soft_width)
            mask = torch.sigmoid((radius - r) / width)
        return mask * (r < self.hard_cutoff) if "hard" in self.mask else mask

    def interact(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        edge_scalars: Tensor,
        node_scalars: Tensor,
        size: Size = None,
    ) -> Tensor:
        """The level after the scalars of edges and of nodes."""
        x = as_pair(x, self.flow)
        like = self.node_mix.weights[0]
        check_features(edge_sh, self.irreps_sh, "edge_sh", like)
        check_edge_inputs(edge_index, edge_sh=edge_sh, edge_scalars=edge_scalars)
        blocks = self.irreps_in.split(x[1])
        turned = [quarter_turns(block) for block in blocks]
        senders = self.tp.irreps_in1.join(turned)
        if x[0] is not x[1]:
            blocks_j = [quarter_turns(b) for b in self.irreps_in.split(x[0])]
            both = self.tp.irreps_in1.join(blocks_j), senders
        else:
            both = senders, senders
        # Message passing
        # propagate_type: (x: OptPairTensor, edge_sh: Tensor, weight: Tensor)
        weight = self._path_weights(edge_scalars)
        out = self.sum_messages(edge_index, both, size, edge_sh=edge_sh, weight=weight)
        # The node among its own neighbors: E of degree 0 alone
        own = twice_each(node_scalars[:, : 2 * self.in_channels]).unsqueeze(1)
        sums = self.tp.irreps_out.split(out)
        for k, (_, ir) in enumerate(self.tp.irreps_out):
            if self.edge_degrees[k].first == 0:
                sums[k] = sums[k] + own * turned[ir.l]
        # F ⊗ F
        twice = [twice_each(block) for block in blocks]
        square = self.square(self.square.irreps_in1.join(twice), senders)
        squares = [add_halves(block) for block in self.square.irreps_out.split(square)]
        # W
        mixed = self.node_mix([add_halves(block) for block in sums], blocks, squares)
        return self.irreps_out.join(mixed)

    def _path_weights(self, scalars: Tensor) -> Tensor:
        """The scalars of an edge as weights of paths, ``(|E|, tp.weight_numel)``."""
        degrees = scalars.unflatten(-1, (len(self.irreps_sh), -1))
        each = twice_each(degrees).unbind(1)
        return torch.cat([each[d.first] for d in self.edge_degrees], dim=-1)

    def message(self, x_j: Tensor, edge_sh: Tensor, weight: Tensor) -> Tensor:
        return self.tp(x_j, edge_sh, weight)

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: OptPairTensor,
        edge_sh: Tensor,
        weight: Tensor,
        dim_size: int,
    ) -> Tensor:
        return self.convolve(x[0], edge_sh, weight, edge_index, dim_size)

    def on_edges(self, x: Tensor | OptPairTensor, edges: Edges) -> Tensor:
        check_ends(x, edges.graph)
        given = edges.edge_sh, edges.edge_attr, edges.spread(edges.edge_length)
        weight = edges.edge_weight
        weight = None if weight is None else edges.spread(weight)
        return self(x, edges.edge_index, *given, weight)

    def _check(
        self,
        x: OptPairTensor,
        edge_index: Adj,
        edge_attr: Tensor,
        edge_length: Tensor,
        edge_weight: OptTensor,
    ) -> None:
        known_targets(x[1], "scalars of edges need")
        like = self.node_mix.weights[0]
        for features in x:
            check_features(features, self.irreps_in, "x", like)
        check_scalars(edge_attr, self.edge_dim, "edge_attr", like)
        if edge_length is None:
            raise ValueError("edge_length is missing: the mask is a function of it")
        check_vector(edge_length, "edge_length", like)
        check_vector(edge_weight, "edge_weight", like)
        given = {"edge_length": edge_length, "edge_weight": edge_weight}
        check_edge_inputs(edge_index, edge_attr=edge_attr, **given)

    def __repr__(self) -> str:
        return describe(self, "irreps_in -> irreps_out", "irreps_sh edge_dim")


def _at_least(learned: Optional[Parameter], start: float) -> Tensor | float:
    """A radius or width of the mask, learned or not."""
    if learned is None:
        return max(start, SMALLEST)
    return learned.abs().clamp(min=SMALLEST)
