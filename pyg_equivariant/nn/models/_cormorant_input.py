"""The first messages of Cormorant: invariant ones, between near atoms."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import ModuleList

from pyg_equivariant.kernels import Convolution
from pyg_equivariant.o3 import TensorProductPaths

from ..activation import ActivationLike
from ..dense import Dense
from ..edge_embedding import Edges
from ..mlp import MLP
from ._trig_basis import TrigPowerBasis


class InvariantMessages(torch.nn.Module):
    r"""One step between features of atoms.

    .. math::
        \mathbf{x}'_i = \text{MLP}\Big(\sum_j m(r_{ij}) \big(\mathbf{W} \rho(r_{ij}) +
        \mathbf{b}\big) \odot \mathbf{x}_j \oplus \mathbf{x}_i\Big)

    The sum holds the atom itself, for which :math:`\rho` is zero.

    Args:
        in_channels: numbers of an atom.
        out_channels: numbers of an atom after it.
        basis: sizes of the :class:`TrigPowerBasis` :math:`\rho`.
        soft_cutoff: where the mask :math:`m`, a sigmoid, is one half.
        soft_width: its width.
        hard_cutoff: where it ends, ``None`` for nowhere.
        mlp_channels: hidden width of the perceptron.
        act: its activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        basis: tuple[int, int],
        soft_cutoff: float,
        soft_width: float,
        hard_cutoff: float | None,
        mlp_channels: int,
        act: ActivationLike,
    ) -> None:
        super().__init__()
        self.soft_cutoff = soft_cutoff
        self.soft_width = soft_width
        self.hard_cutoff = hard_cutoff
        self.basis = TrigPowerBasis(*basis)
        self.filter = Dense(self.basis.num_radial, in_channels)
        self.convolve = Convolution(
            TensorProductPaths.depthwise([(in_channels, "0e")], "0e")
        )
        self.mlp = MLP([2 * in_channels, mlp_channels, out_channels], act)

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Features ``(|V|, in_channels)`` to those that follow."""
        filters = self.filter(self.basis(edges.edge_length))
        weight = edges.spread(filters * self._mask(edges).to(filters.dtype))
        ones = weight.new_ones(weight.shape[0], 1)
        sums = self.convolve(x, ones, weight, edges.edge_index, x.shape[0])
        own = 1 / (1 + math.exp(-self.soft_cutoff / self.soft_width))
        sums = sums + self.filter.bias * x * own
        return self.mlp(torch.cat([sums, x], dim=-1))

    def _mask(self, edges: Edges) -> Tensor:
        r = edges.edge_length.unsqueeze(-1)
        mask = torch.sigmoid((self.soft_cutoff - r) / self.soft_width)
        if self.hard_cutoff is not None:
            mask = mask * (r < self.hard_cutoff)
        if edges.edge_weight is not None:
            mask = mask * edges.edge_weight.unsqueeze(-1)
        return mask


class CormorantInput(torch.nn.Module):
    """From invariant features of atoms to complex scalars.

    Args:
        in_channels: numbers of an atom.
        out_channels: complex numbers of an atom after it.
        num_layers: how often they are exchanged; 0 for a linear map of each atom.
        **options: of :class:`InvariantMessages`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, num_layers: int, **options: object
    ) -> None:
        super().__init__()
        inner = [max(in_channels, out_channels)] * (num_layers - 1)
        widths = [in_channels, *inner, 2 * out_channels]
        linear = Dense(in_channels, 2 * out_channels)
        self.linear = linear if num_layers == 0 else None
        self.layers = ModuleList(
            InvariantMessages(a, b, **options)  # type: ignore[arg-type]
            for a, b in pairwise(widths)
            if num_layers
        )

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Features ``(|V|, in_channels)`` to numbers (re, im), ``(|V|, 2 C)``."""
        for layer in self.layers:
            x = layer(x, edges)
        if self.linear is not None:
            x = self.linear(x)
        # of each channel the two parts, as authors have them -> all real parts first
        return x.unflatten(-1, (-1, 2)).mT.flatten(-2)
