"""Gated activation: the non-linearity of steerable features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyg_equivariant.kernels import GateBlock, GateForm, gate
from pyg_equivariant.o3 import Irreps, IrrepsLike

from .activation import (
    Activation,
    ActivationLike,
    NormalizedActivation,
    resolve_activation,
)
from .linear import spread
from .module import EquivariantModule, check_features


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
        act_scalars: one activation (a function or its name), or ``None``, for each of
            their blocks.
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
        >>> Gate("16x0e", ["silu"], "8x0e", ["sigmoid"], "8x1o")
        Gate(24x0e+8x1o -> 16x0e+8x1o)
    """

    def __init__(
        self,
        irreps_scalars: IrrepsLike,
        act_scalars: Sequence[ActivationLike | None],
        irreps_gates: IrrepsLike,
        act_gates: Sequence[ActivationLike | None],
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
        self._arrange(self.irreps_scalars, self.irreps_gates, self.irreps_gated)
        cuts, gated_out = _cuts(self.irreps_gated, self.act_gates.irreps_out)
        self._cuts = cuts
        self._counts = [count for counts in cuts for count in counts]
        self.irreps_out = self.act_scalars.irreps_out + gated_out
        self._form = self._as_form()

    def _arrange(self, *parts: Irreps) -> None:
        """Sort and merge the blocks of the input, and note where each one goes."""
        blocks = [part.remove_zero_multiplicities() for part in parts]
        whole, place, _ = sum(blocks, Irreps()).sort()
        self.irreps_in = whole.simplify()
        self._sizes = [block.dim for block in self.irreps_in]
        self._sizes_bias = [
            block.dim * block.ir.is_scalar() for block in self.irreps_in
        ]
        self._shapes = [(block.ir.dim, block.mul) for block in self.irreps_in]
        # A merged block is split into the blocks that it was made of.
        self._muls = [[mul for mul, ir in whole if ir == b.ir] for b in self.irreps_in]
        after, last = len(blocks[0]), len(blocks[0]) + len(blocks[1])
        self._scalars = place[:after]
        self._gates = place[after:last]
        self._gated = place[last:]

    def _as_form(self) -> GateForm | None:
        """What one operation can do: SiLU on 0e scalars, sigmoids of 0e gates."""
        num_scalars, num_gates = self.irreps_scalars.dim, self.irreps_gates.dim
        by_scalar = _factor(self.irreps_scalars, self.act_scalars, "silu")
        by_gate = _factor(self.irreps_gates, self.act_gates, "sigmoid")
        if by_scalar is None or by_gate is None or not num_scalars + num_gates:
            return None
        places = [
            (part.start + sum(muls[:n]), block.mul, block.ir.dim, muls[n])
            for part, block, muls in zip(
                self.irreps_in.slices(), self.irreps_in, self._muls, strict=True
            )
            for n in range(len(muls))
        ]
        blocks, gates, out = [], num_scalars, num_scalars
        for n in self._gated:
            x, step, rows, mul = places[n]
            blocks.append(GateBlock(x, step, gates, out, rows, mul))
            gates, out = gates + mul, out + rows * mul
        sizes = self.irreps_in.dim, out, num_scalars, num_gates
        return GateForm(*sizes, by_scalar, by_gate, tuple(blocks))

    @classmethod
    def from_irreps(
        cls,
        irreps_out: IrrepsLike,
        act: ActivationLike = "silu",
        act_odd: ActivationLike = "tanh",
        act_gate: ActivationLike = "sigmoid",
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

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Apply the gate to features of ``irreps_in``.

        Args:
            x: the features.
            bias: added to all 0e of them first, gates included (default: none).
        """
        check_features(x, self.irreps_in)
        form = self._form
        if bias is not None and (form is None or len(bias) != form.num_biases):
            x = x + spread(bias, self._sizes_bias, self._sizes).to(x.dtype)
            bias = None
        if form is not None:
            return gate(x, bias, form)
        blocks = zip(
            x.split(self._sizes, dim=-1), self._shapes, self._muls, strict=True
        )
        pieces = [
            piece
            for block, shape, muls in blocks
            for piece in block.unflatten(-1, shape).split(muls, dim=-1)
        ]
        out = []
        if self._scalars:
            scalars = _join([pieces[n] for n in self._scalars])
            out.append(self.act_scalars(scalars.flatten(-2)))
        if self._gated:
            gates = self.act_gates(_join([pieces[n] for n in self._gates]).flatten(-2))
            gated = [
                part
                for n, counts in zip(self._gated, self._cuts, strict=True)
                for part in pieces[n].split(counts, dim=-1)
            ]
            gates = gates.unsqueeze(-2).split(self._counts, dim=-1)
            out += [(v * g).flatten(-2) for v, g in zip(gated, gates, strict=True)]
        return torch.cat(out, dim=-1) if out else x

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out})"


def _factor(irreps: Irreps, acts: Activation, name: str) -> float | None:
    """What scales the one activation of that name of 0e scalars, if that is all."""
    if len(irreps) > 1 or not all(ir.is_scalar() for _, ir in irreps):
        return None
    for act in acts.acts:
        if not isinstance(act, NormalizedActivation):
            return None
        return act.constant if act.act is resolve_activation(name) else None
    return 1.0


def _join(pieces: list[Tensor]) -> Tensor:
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=-1)


def _cuts(gated: Irreps, gates: Irreps) -> tuple[list[list[int]], Irreps]:
    """Cut each gated block where a block of gates ends; and what comes out."""
    left = [(p, mul) for mul, (_, p) in gates if mul]
    cuts, out = [], []
    for mul, ir in gated.remove_zero_multiplicities():
        counts: list[int] = []
        while sum(counts) < mul:
            p, available = left.pop(0)
            count = min(available, mul - sum(counts))
            if count < available:
                left.insert(0, (p, available - count))
            counts.append(count)
            out.append((count, (ir.l, p * ir.p)))
        cuts.append(counts)
    return cuts, Irreps(out)
