"""The base of the convolutions whose nodes are edges."""

from typing import Any, Optional

import torch
from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size

from pyg_equivariant import o3
from pyg_equivariant.kernels import Convolution

from ..activation import ActivationLike, resolve_activation
from ..dense import Dense, OrthogonalDense
from ..edge_embedding import Edges
from ._equivariant_conv import EquivariantConv
from ._inputs import as_pair, check_edge_inputs, check_ends, check_rows, check_scalars


class Residual(torch.nn.Module):
    """Adds two activated linear maps to what comes."""

    def __init__(self, channels: int, act: ActivationLike) -> None:
        super().__init__()
        self.act = resolve_activation(act)
        self.lin1 = OrthogonalDense(channels, channels)
        self.lin2 = OrthogonalDense(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        out: Tensor = x + self.act(self.lin2(self.act(self.lin1(x))))
        return out


class DirectionalConv(EquivariantConv):
    """What is around the sum of messages: maps of both ends, and residual layers.

    A subclass defines :meth:`sources`, :meth:`filters`, ``message`` and :meth:`joined`.

    Args:
        channels: size of the features.
        edge_dim: number of features of an edge.
        radial_dim: number of radial features of a source.
        num_before_skip: residual layers before the input is added.
        num_after_skip: residual layers after it.
        act: activation.
        kwargs: of :class:`torch_geometric.nn.conv.MessagePassing`.
    """

    def __init__(
        self,
        channels: int,
        edge_dim: int,
        radial_dim: int,
        num_before_skip: int,
        num_after_skip: int,
        act: ActivationLike,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        self.edge_dim = edge_dim
        self.radial_dim = radial_dim
        self.irreps_in = self.irreps_out = o3.Irreps([(channels, "0e")])
        self.act = resolve_activation(act)
        # W_ji, W_kj: maps of both ends
        self.lin_ji = OrthogonalDense(channels, channels)
        self.lin_kj = OrthogonalDense(channels, channels)
        # what follows the sum
        self.before = ModuleList(
            Residual(channels, act) for _ in range(num_before_skip)
        )
        self.lin = OrthogonalDense(channels, channels)
        self.after = ModuleList(Residual(channels, act) for _ in range(num_after_skip))

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_attr: Tensor,
        radial: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        """Exchange messages between edges of a molecule.

        Args:
            x: messages of the edges, or a pair of those of sources and of targets.
            edge_index: pairs (source, target) of edges, or a sparse adjacency matrix.
            edge_attr: features of the angles, and torsions, between edges.
            radial: radial features of the sources.
            size: numbers of sources and of targets, where ``x`` does not tell.

        Returns:
            Messages ``(|V|, channels)``.
        """
        check_scalars(edge_attr, self.edge_dim, "edge_attr", self.lin.weight)
        check_edge_inputs(edge_index, edge_attr=edge_attr)
        w = self.filters(edge_attr)  # [num_edges, *]
        return self.interact(x, edge_index, w, radial, size)

    def filters(self, edge_attr: Tensor) -> Tensor:
        """What messages are multiplied by, ``(|E|, *)``."""
        raise TypeError(f"{type(self).__name__} does not define filters()")

    def sources(self, x: Tensor, radial: OptTensor) -> Tensor:
        """What nodes send, ``(|V|, *)``."""
        raise TypeError(f"{type(self).__name__} does not define sources()")

    def joined(self, x: Tensor) -> Tensor:
        """What a node makes of the sum of messages, ``(|V|, channels)``."""
        raise TypeError(f"{type(self).__name__} does not define joined()")

    def interact(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        w: Tensor,
        radial: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        """The layer after its filters, given what :meth:`filters` returns."""
        x = as_pair(x, self.flow)
        for end in x:
            check_scalars(end, self.channels, "x", self.lin.weight)
        check_scalars(radial, self.radial_dim, "radial", self.lin.weight)
        check_rows(radial, x[0].shape[0], "radial")
        # Message passing
        sent = self.sources(x[0], radial), x[1]
        out = self.sum_messages(edge_index, sent, size, w=w)
        # Update
        h = self.act(self.lin_ji(x[1])) + self.joined(out)
        for layer in self.before:
            h = layer(h)
        h = self.act(self.lin(h)) + x[1]
        for layer in self.after:
            h = layer(h)
        return h

    def on_edges(self, x: Tensor | OptPairTensor, edges: Edges) -> Tensor:
        check_ends(x, edges.graph)
        return self(x, edges.edge_index, edges.edge_attr)


def optional(dense: Optional[Dense], x: OptTensor, like: Tensor) -> Tensor:
    """``like``, times a map of ``x`` if there is one."""
    return like if dense is None or x is None else like * dense(x)


class ProjectedConv(DirectionalConv):
    """Messages that are summed in a smaller size, as DimeNet++ does.

    Args:
        channels: size of the features.
        dims: numbers of features of an edge, of those about its angle, and of radial
            features of a source.
        int_channels: size of messages while they are summed.
        widths: between the two maps of lengths, and of angles.
        layers: numbers of residual layers before and after the input is added.
        act: activation.
        kwargs: of :class:`torch_geometric.nn.conv.MessagePassing`.
    """

    def __init__(
        self,
        channels: int,
        dims: tuple[int, int, int],
        int_channels: int,
        widths: tuple[int, int],
        layers: tuple[int, int],
        act: ActivationLike,
        **kwargs: Any,
    ) -> None:
        edge_dim, angle_dim, radial_dim = dims
        super().__init__(channels, edge_dim, radial_dim, *layers, act, **kwargs)
        self.int_channels = int_channels

        # W_rbf, W_sbf: in two steps each
        self.lin_rbf1 = self.lin_rbf2 = None
        if radial_dim:
            self.lin_rbf1 = OrthogonalDense(radial_dim, widths[0], bias=False)
            self.lin_rbf2 = OrthogonalDense(widths[0], channels, bias=False)
        self.lin_sbf1 = OrthogonalDense(angle_dim, widths[1], bias=False)
        self.lin_sbf2 = OrthogonalDense(widths[1], int_channels, bias=False)
        # W_down, W_up: between the two sizes of a message
        self.lin_down = OrthogonalDense(channels, int_channels, bias=False)
        self.lin_up = OrthogonalDense(int_channels, channels, bias=False)
        # Σ: the path 0 x 0 -> 0, summed over neighbors without forming messages
        paths = o3.TensorProductPaths.depthwise(f"{int_channels}x0e", "0e")
        self.convolve = Convolution(paths)

    def sources(self, x: Tensor, radial: OptTensor) -> Tensor:
        x = self.act(self.lin_kj(x))
        narrow = radial if self.lin_rbf1 is None else self.lin_rbf1(radial)
        return self.act(self.lin_down(optional(self.lin_rbf2, narrow, x)))

    def joined(self, x: Tensor) -> Tensor:
        return self.act(self.lin_up(x))

    def message(self, x_j: Tensor, w: Tensor) -> Tensor:
        return x_j * w

    def message_and_aggregate(
        self, edge_index: Tensor, x: OptPairTensor, w: Tensor, dim_size: int
    ) -> Tensor:
        ones = w.new_ones(1, 1).expand(w.shape[0], 1)
        return self.convolve(x[0], ones, w, edge_index, dim_size)
