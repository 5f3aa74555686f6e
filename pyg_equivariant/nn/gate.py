"""Gated activation: the non-linearity of steerable features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.o3._irreps import Irreps, IrrepsLike

from .activation import Activation
from .module import EquivariantModule, check_features

Act = Callable[[Tensor], Tensor]


class _Piece(NamedTuple):
    """Some channels of one block of the input."""

    block: slice
    shape: tuple[int, int]
    channels: slice


class _Product(NamedTuple):
    """Some channels of a gated block and the gates that multiply them."""

    block: int
    channels: slice
    gates: slice


class Gate(EquivariantModule):
    r"""Scalars pass an activation, the other irreps are multiplied by activated gates.

    .. math::
        \Big(\bigoplus_i \phi_i(s_i)\Big) \oplus
        \Big(\bigoplus_j \psi_j(g_j)\, v_j\Big)

    A pointwise function of the components of :math:`v` would not commute with
    rotations; a scalar factor for each copy does. From `"3D Steerable CNNs"
    <https://arxiv.org/abs/1807.02547>`_, as in e3nn. The input holds scalars, gates and
    gated irreps, sorted and merged: :attr:`irreps_in`.

    Args:
        irreps_scalars: scalars (0e, 0o) to be activated.
        act_scalars: one activation, or ``None``, for each of their blocks.
        irreps_gates: scalars that gate, as many as there are gated copies.
        act_gates: one activation, or ``None``, for each of their blocks.
        irreps_gated: irreps to be multiplied, copy by copy.
        normalize_act: scale every activation to unit second moment under normal input
            (default: ``True``).
        e3nn_constants: scale by e3nn's Monte-Carlo estimates instead of the exact
            constants (default: ``False``), for weights that were trained there.

    Attributes:
        irreps_in: the sorted, merged sum of the three.
        irreps_out: the scalars, then the gated irreps.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        ValueError: if scalars or gates have l > 0, the number of activations or gates
            does not fit, or an activation without parity meets odd scalars.

    Example:
        >>> silu, sigmoid = torch.nn.functional.silu, torch.sigmoid
        >>> Gate("16x0e", [silu], "8x0e", [sigmoid], "8x1o")
        Gate(24x0e+8x1o -> 16x0e+8x1o)
    """

    def __init__(
        self,
        irreps_scalars: IrrepsLike,
        act_scalars: Sequence[Act | None],
        irreps_gates: IrrepsLike,
        act_gates: Sequence[Act | None],
        irreps_gated: IrrepsLike,
        normalize_act: bool = True,
        e3nn_constants: bool = False,
    ) -> None:
        super().__init__()
        self.irreps_scalars = Irreps(irreps_scalars)
        self.irreps_gates = Irreps(irreps_gates)
        self.irreps_gated = Irreps(irreps_gated)
        for name in ("irreps_scalars", "irreps_gates"):
            if any(ir.l > 0 for _, ir in getattr(self, name)):
                raise ValueError(
                    f"{name} are scalars (0e, 0o), got {getattr(self, name)}"
                )
        if self.irreps_gates.num_irreps != self.irreps_gated.num_irreps:
            raise ValueError(
                f"every gated copy needs one gate: got {self.irreps_gates.num_irreps} "
                f"in irreps_gates={self.irreps_gates} for "
                f"{self.irreps_gated.num_irreps} in irreps_gated={self.irreps_gated}"
            )
        self.act_scalars = Activation(
            self.irreps_scalars, act_scalars, normalize_act, e3nn_constants
        )
        self.act_gates = Activation(
            self.irreps_gates, act_gates, normalize_act, e3nn_constants
        )
        parts = [self.irreps_scalars, self.irreps_gates, self.irreps_gated]
        whole, place, _ = sum(parts, Irreps()).sort()
        self.irreps_in = whole.simplify()
        pieces = _pieces(whole, self.irreps_in)
        pieces = [pieces[k] for k in place]
        ends = [len(parts[0]), len(parts[0]) + len(parts[1])]
        self._scalars = pieces[: ends[0]]
        self._gates = pieces[ends[0] : ends[1]]
        self._gated = pieces[ends[1] :]
        self._products, gated_out = _products(
            self.irreps_gated, self.act_gates.irreps_out
        )
        self.irreps_out = self.act_scalars.irreps_out + gated_out

    @classmethod
    def from_irreps(
        cls,
        irreps_out: IrrepsLike,
        act: Act = torch.nn.functional.silu,
        act_odd: Act = torch.tanh,
        act_gate: Act = torch.sigmoid,
        normalize_act: bool = True,
        e3nn_constants: bool = False,
    ) -> Gate:
        """The gate whose output is ``irreps_out``: one 0e gate for each copy of l > 0.

        Args:
            irreps_out: the wanted output; its scalars must come first.
            act: for the 0e scalars.
            act_odd: for the 0o scalars, an odd function.
            act_gate: for the gates.
            normalize_act: as in :class:`Gate`.
            e3nn_constants: as in :class:`Gate`.

        Example:
            >>> Gate.from_irreps("16x0e+8x1o+4x2e")
            Gate(28x0e+8x1o+4x2e -> 16x0e+8x1o+4x2e)
        """
        irreps_out = Irreps(irreps_out)
        scalars = irreps_out.filter(keep=lambda block: block.ir.l == 0)
        gated = irreps_out.filter(drop=lambda block: block.ir.l == 0)
        if scalars + gated != irreps_out:
            raise ValueError(
                f"a gate puts the scalars first, got irreps_out={irreps_out}; sort them"
            )
        acts = [act if ir.is_scalar() else act_odd for _, ir in scalars]
        gates = Irreps([(gated.num_irreps, "0e")] if gated.num_irreps else [])
        return cls(
            scalars,
            acts,
            gates,
            [act_gate] * len(gates),
            gated,
            normalize_act,
            e3nn_constants,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the gate to features of ``irreps_in``."""
        check_features(x, self.irreps_in)
        out = []
        if self._scalars:
            scalars = torch.cat([_take(x, piece) for piece in self._scalars], dim=-1)
            out.append(self.act_scalars(scalars.flatten(-2)))
        if self._gated:
            gates = torch.cat([_take(x, piece) for piece in self._gates], dim=-1)
            gates = self.act_gates(gates.flatten(-2)).unsqueeze(-2)
            gated = [_take(x, piece) for piece in self._gated]
            for product in self._products:
                block = gated[product.block][..., product.channels]
                out.append((block * gates[..., product.gates]).flatten(-2))
        return torch.cat(out, dim=-1) if out else x

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out})"


def _take(x: Tensor, piece: _Piece) -> Tensor:
    return x[..., piece.block].unflatten(-1, piece.shape)[..., piece.channels]


def _pieces(irreps: Irreps, merged: Irreps) -> list[_Piece]:
    """Where each block of sorted ``irreps`` lies within ``irreps.simplify()``."""
    where = {block.ir: k for k, block in enumerate(merged)}
    taken = [0] * len(merged)
    slices = merged.slices()
    pieces = []
    for mul, ir in irreps:
        if mul == 0:
            pieces.append(_Piece(slice(0, 0), (ir.dim, 0), slice(0, 0)))
            continue
        k = where[ir]
        channels = slice(taken[k], taken[k] + mul)
        pieces.append(_Piece(slices[k], (ir.dim, merged[k].mul), channels))
        taken[k] += mul
    return pieces


def _products(gated: Irreps, gates: Irreps) -> tuple[list[_Product], Irreps]:
    """Pair gated copies with gates, cut where a new block of either begins."""
    signs = [(p, mul) for mul, (_, p) in gates if mul]
    products, out, start = [], [], 0
    for b, (mul, ir) in enumerate(gated):
        done = 0
        while done < mul:
            p, left = signs[0]
            count = min(left, mul - done)
            channels = slice(done, done + count)
            products.append(_Product(b, channels, slice(start, start + count)))
            out.append((count, (ir.l, p * ir.p)))
            done, start = done + count, start + count
            signs[0] = (p, left - count)
            if signs[0][1] == 0:
                signs.pop(0)
    return products, Irreps(out)
