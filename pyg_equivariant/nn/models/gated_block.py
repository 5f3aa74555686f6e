"""The gated equivariant block: a network on scalars and vectors of one atom."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Linear

from pyg_equivariant.o3 import check_real, safe_norm

from ..activation import ActivationLike, resolve_activation
from ..mlp import MLP
from ..module import check_dtype


class GatedEquivariantBlock(torch.nn.Module):
    r"""Mixes scalars and vectors of an atom, without losing either's symmetry.

    The output block of `"Equivariant message passing for the prediction of tensorial
    properties and molecular spectra" <https://arxiv.org/abs/2102.03150>`_:

    .. math::
        \mathbf{s}', \mathbf{g} = a\big(\mathbf{s}, \|\mathbf{V}\vec{\mathbf{v}}\|\big),
        \qquad \vec{\mathbf{v}}' = \mathbf{g} \odot \mathbf{W}\vec{\mathbf{v}}

    Lengths have zero derivative at the zero vector (the authors' code gives NaN).

    Args:
        channels_in: numbers of scalars and of vectors that enter.
        channels_out: numbers of scalars and of vectors that leave.
        act: activation inside, and of the scalars if ``act_last``.
        act_last: activate the scalars that leave.

    Example:
        >>> block = GatedEquivariantBlock((8, 4), (2, 1))
        >>> s, v = block(torch.randn(5, 8), torch.randn(5, 3, 4))
        >>> s.shape, v.shape
        (torch.Size([5, 2]), torch.Size([5, 3, 1]))
    """

    def __init__(
        self,
        channels_in: tuple[int, int],
        channels_out: tuple[int, int],
        act: ActivationLike = "silu",
        act_last: bool = False,
    ) -> None:
        super().__init__()
        self.channels_in = channels_in
        self.channels_out = channels_out
        scalars, vectors = channels_in
        self.mix = Linear(vectors, 2 * channels_out[1], bias=False)
        width = max(scalars, 1)
        widths = [scalars + channels_out[1], width, sum(channels_out)]
        self.a = MLP(widths, act, init="xavier")
        self.act = resolve_activation(act) if act_last else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        torch.nn.init.xavier_uniform_(self.mix.weight)
        self.a.reset_parameters()

    def forward(self, x: Tensor, vec: Tensor) -> tuple[Tensor, Tensor]:
        """Map scalars ``(|V|, F)`` and vectors ``(|V|, 3, C)``."""
        self._check(x, vec)
        v, w = self.mix(vec).chunk(2, dim=-1)
        out = self.a(torch.cat([x, safe_norm(v, dim=1)], dim=-1))
        scalars, gates = out.split(self.channels_out, dim=-1)
        if self.act is not None:
            scalars = self.act(scalars)
        return scalars, gates.unsqueeze(1) * w

    def _check(self, x: Tensor, vec: Tensor) -> None:
        scalars, vectors = self.channels_in
        check_real(x, "x")
        check_real(vec, "vec")
        rows = x.shape[0] if x.dim() else 0
        if x.shape != (rows, scalars) or vec.shape != (rows, 3, vectors):
            raise ValueError(
                f"expected x (|V|, {scalars}) and vec (|V|, 3, {vectors}), got x "
                f"{tuple(x.shape)} and vec {tuple(vec.shape)}"
            )
        check_dtype(x, self.mix.weight, "x")
        check_dtype(vec, self.mix.weight, "vec")
