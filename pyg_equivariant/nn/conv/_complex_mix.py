"""The linear maps of a level of Cormorant: complex, one for each degree."""

from __future__ import annotations

from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter, ParameterList

from ..dense import dense
from ..module import EquivariantModule
from ._complex_channels import Degrees, fold_orders, real_matrix


class EdgeMix(EquivariantModule):
    """Mixes the scalars of edges: of the level before, inner products, radial features.

    Args:
        channels: of inner products of each degree, and of the output.
        lmax_in: largest degree of the features.
        lmax_sh: largest degree of the output.
        edge_dim: number of radial features, two by two complex.
        state_channels: of the scalars of the level before, 0 for none.
        state_lmax: their largest degree.
    """

    def __init__(
        self,
        channels: int,
        lmax_in: int,
        lmax_sh: int,
        edge_dim: int,
        state_channels: int,
        state_lmax: int,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.edge_dim = edge_dim
        self.dot_degrees = lmax_in + 1
        self.state_channels = state_channels
        self.state_degrees = state_lmax + 1 if state_channels else 0
        self.state_dim = 2 * state_channels * self.state_degrees
        self.sizes = [
            (
                state_channels if l < self.state_degrees else 0,
                channels * self.dot_degrees if l < self.dot_degrees else 0,
                (edge_dim + 1) // 2,
            )
            for l in range(lmax_sh + 1)
        ]
        self.weights = ParameterList(
            Parameter(torch.empty(channels, sum(sizes), 2)) for sizes in self.sizes
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for weight in self.weights:
            torch.nn.init.normal_(weight, std=1 / max(weight.shape[:2]))

    def forward(self, inputs: Tensor) -> Tensor:
        """Mix ``(rows, state_dim + 2 C dot_degrees + edge_dim)``: for each degree of
        the harmonics (re, im).
        """
        columns = [self._columns(l) for l in range(len(self.sizes))]
        return dense(inputs, torch.cat(columns, dim=1))

    def _columns(self, l: int) -> Tensor:
        """The real matrix of all inputs to the scalars of one degree."""
        state, dots, radial = self.weights[l].split(self.sizes[l], dim=1)
        width = 2 * self.channels * self.dot_degrees
        if dots.shape[1]:
            rows = [real_matrix(dots.unflatten(1, (self.dot_degrees, -1)))]
        else:
            rows = [dots.new_zeros(width, 2 * self.channels)]
        rows.append(real_matrix(radial.unsqueeze(2))[: self.edge_dim])
        if self.state_degrees:
            size = 2 * self.state_channels
            before = size * min(l, self.state_degrees)
            own = real_matrix(state.unsqueeze(1))
            after = self.state_dim - before - own.shape[0]
            rows.insert(0, F.pad(own, (0, 0, before, after)))
        return torch.cat(rows)


class NodeMix(EquivariantModule):
    """Mixes the products at a node, and its own features, degree by degree.

    Args:
        channels: of all of them.
        out_channels: of the output.
        lmax_in: largest degree of the features.
        edges: the products at edges.
        squares: the products of a node with itself, in all orders.
        kept: those of them that are computed.
        gain: largest weight at first, times the larger number of channels.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        lmax_in: int,
        edges: list[Degrees],
        squares: list[Degrees],
        kept: list[Degrees],
        gain: float,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.gain = gain
        lmax = max(d.l for d in (*edges, *squares))
        self.counts = [
            (_count(edges, l), int(l <= lmax_in), _count(squares, l))
            for l in range(lmax + 1)
        ]
        self.edge_starts = [0, *accumulate(counts[0] for counts in self.counts)]
        self.square_starts = [
            0,
            *accumulate(_count(kept, l) for l in range(lmax + 1)),
        ]
        for l in range(lmax + 1):
            each = [[d for d in which if d.l == l] for which in (squares, kept)]
            self.register_constant(f"fold_{l}", fold_orders(*each))
        self.weights = ParameterList(
            Parameter(torch.empty(out_channels, channels * sum(counts), 2))
            for counts in self.counts
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for weight in self.weights:
            bound = self.gain / max(weight.shape[:2])
            torch.nn.init.uniform_(weight, -bound, bound)

    def forward(
        self, edges: list[Tensor], x: list[Tensor], squares: list[Tensor]
    ) -> list[Tensor]:
        """Blocks ``(|V|, 2 l + 1, 2 C)`` of all paths to those of each degree."""
        out = []
        for l, counts in enumerate(self.counts):
            a, b = self.edge_starts[l : l + 2]
            c, d = self.square_starts[l : l + 2]
            blocks = [*edges[a:b], *(x[l : l + 1] if counts[1] else ()), *squares[c:d]]
            out.append(dense(torch.cat(blocks, dim=-1), self._matrix(l)))
        return out

    def _matrix(self, l: int) -> Tensor:
        weight = self.weights[l].unflatten(1, (-1, self.channels))
        edges, x, squares = weight.split(self.counts[l], dim=1)
        fold: Tensor = getattr(self, f"fold_{l}")
        squares = torch.einsum("oacp,au->oucp", squares, fold)
        return real_matrix(torch.cat([edges, x, squares], dim=1))


def _count(degrees: list[Degrees], l: int) -> int:
    return sum(d.l == l for d in degrees)
