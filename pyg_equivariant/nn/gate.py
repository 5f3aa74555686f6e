"""Gated activation: the non-linearity of steerable features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyg_equivariant.kernels import GateBlock, GateForm, gate
from pyg_equivariant.o3 import Irreps, IrrepsLike, check_device, check_tensor

from .activation import (
    Activation,
    ActivationLike,
    SecondMomentActivation,
    resolve_activation,
)
from .module import EquivariantModule, check_dtype, check_features
from .scalar_bias import ScalarBias


class Gate(EquivariantModule):
    r"""Scalars pass an activation, the other irreps are multiplied by activated gates.

    .. math::
        \Big(\bigoplus_i \phi_i(s_i)\Big) \oplus
        \Big(\bigoplus_j \psi_j(g_j)\, v_j\Big)

    A pointwise function of the components of :math:`v` would not commute with
    rotations; a scalar factor for each copy does. From `"3D Steerable CNNs"
    <https://arxiv.org/abs/1807.02547>`_, as in e3nn. The input holds scalars, gates and
    gated irreps, sorted and merged: ``irreps_in``.

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
        irreps_out: the scalars, then the gated irreps; or the order that
            :meth:`from_irreps` was asked for.

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
        self._activated = self.act_scalars.irreps_out + gated_out
        self._order: list[int] | None = None
        self.irreps_out = self._activated
        self._bias = ScalarBias(self.irreps_in)
        self._form = self._kernel_form()

    def _arrange(self, *parts: Irreps) -> None:
        """Sort and merge the blocks of the input, and note where each one goes."""
        blocks = [part.remove_zero_multiplicities() for part in parts]
        whole, positions, _ = sum(blocks, Irreps()).sort()
        self.irreps_in = whole.simplify()
        # A merged block is split into the blocks that it was made of.
        self._muls = [[mul for mul, ir in whole if ir == b.ir] for b in self.irreps_in]
        after, last = len(blocks[0]), len(blocks[0]) + len(blocks[1])
        self._scalars = positions[:after]
        self._gates = positions[after:last]
        self._gated = positions[last:]

    def _kernel_form(self) -> GateForm | None:
        """What the kernel can do: SiLU or sigmoids of 0e gates, that multiply l > 0.

        Even scalars pass SiLU, odd ones tanh; all of one kind lie together.
        """
        scalars = [block for block in self.irreps_scalars if block.mul]
        parities = [block.ir.p for block in scalars]
        if parities not in (sorted(parities), sorted(parities, reverse=True)):
            return None
        if any(block.ir.l == 0 for block in self.irreps_gated):
            return None
        if any(block.mul and block.ir.p < 0 for block in self.irreps_gates):
            return None
        by_scalar = _factor(self.act_scalars, "silu", 1)
        by_odd = _factor(self.act_scalars, "tanh", -1)
        by_gate, silu = _factor(self.act_gates, "sigmoid", 1), False
        if by_gate is None:
            by_gate, silu = _factor(self.act_gates, "silu", 1), True
        num_odd = sum(block.mul for block in scalars if block.ir.p < 0)
        num_scalars = self.irreps_scalars.dim - num_odd
        num_gates = self.irreps_gates.dim
        if by_scalar is None or by_gate is None or by_odd is None:
            return None
        if not num_scalars + num_gates:
            return None
        sizes = self.irreps_in.dim, self.irreps_scalars.dim + self.irreps_gated.dim
        counts = num_scalars, num_gates
        odd_last = parities != sorted(parities)
        given = *sizes, *counts, by_scalar, by_gate, self._kernel_blocks()
        return GateForm(*given, silu, num_odd, by_odd, odd_last)

    def _kernel_blocks(self) -> tuple[GateBlock, ...]:
        """What is gated, cut where the blocks of gates end."""
        starts = [
            (part.start + sum(muls[:n]), block)
            for part, block, muls in zip(
                self.irreps_in.slices(), self.irreps_in, self._muls, strict=True
            )
            for n in range(len(muls))
        ]
        blocks, g = [], self.irreps_scalars.dim
        out = g  # before the gates in the input, and before what is gated
        for n, counts in zip(self._gated, self._cuts, strict=True):
            x, (step, ir) = starts[n]
            for mul in counts:
                blocks.append(GateBlock(x, step, g, out, ir.dim, mul))
                x, g, out = x + mul, g + mul, out + ir.dim * mul
        return tuple(blocks)

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
            irreps_out: irreps of the output, in any order.
            act: for the 0e scalars.
            act_odd: for the 0o scalars, an odd function.
            act_gate: for the gates.
            normalize_act: as in :class:`Gate`.
            e3nn_constants: as in :class:`Gate`.

        Raises:
            ValueError: if ``act_odd`` is not odd.

        Example:
            >>> Gate.from_irreps("16x0e+8x1o+4x2e")
            Gate(28x0e+8x1o+4x2e -> 16x0e+8x1o+4x2e)
        """
        irreps_out = Irreps(irreps_out)
        blocks = irreps_out.remove_zero_multiplicities()
        scalars = blocks.filter(keep=lambda block: block.ir.l == 0)
        gated = blocks.filter(drop=lambda block: block.ir.l == 0)
        gates = Irreps([(gated.num_irreps, "0e")] if gated.num_irreps else [])
        module = cls(
            scalars,
            [act if ir.is_scalar() else act_odd for _, ir in scalars],
            gates,
            [act_gate] * len(gates),
            gated,
            normalize_act,
            e3nn_constants,
        )
        if module.irreps_out != scalars + gated:
            raise ValueError(
                f"act_odd={act_odd!r} makes 0o scalars even, so that the output is not "
                f"{irreps_out}; take an odd function such as 'tanh'"
            )
        module.irreps_out = irreps_out
        scalars_first = sorted(range(len(blocks)), key=lambda k: blocks[k].ir.l > 0)
        order = sorted(range(len(blocks)), key=scalars_first.__getitem__)
        module._order = None if order == sorted(order) else order
        return module

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Apply the gate to features of ``irreps_in``.

        Args:
            x: features.
            bias: added to their ``0e`` channels before, one number for each.
        """
        check_features(x, self.irreps_in)
        if bias is not None:
            check_tensor(bias, "bias")
            check_device(bias, x, "bias", "x")
            check_dtype(bias, x, "bias")
        if self._form is None:
            y = self._activate(self._bias.add(x, bias))
        else:
            y = gate(x, bias, self._form)
        if self._order is None:
            return y
        blocks = self._activated.split(y)
        return torch.cat([blocks[k].flatten(-2) for k in self._order], dim=-1)

    def _activate(self, x: Tensor) -> Tensor:
        """The scalars, then the gated irreps."""
        pieces = [
            piece
            for block, muls in zip(self.irreps_in.split(x), self._muls, strict=True)
            for piece in block.split(muls, dim=-1)
        ]
        out = []
        if self._scalars:
            scalars = _join([pieces[n] for n in self._scalars])
            out.append(self.act_scalars(scalars.flatten(-2)))
        if self._gated:
            gates = self.act_gates(_join([pieces[n] for n in self._gates]).flatten(-2))
            gated = [
                copies
                for n, counts in zip(self._gated, self._cuts, strict=True)
                for copies in pieces[n].split(counts, dim=-1)
            ]
            gates = gates.unsqueeze(-2).split(self._counts, dim=-1)
            out += [(v * g).flatten(-2) for v, g in zip(gated, gates, strict=True)]
        return torch.cat(out, dim=-1) if out else x

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out})"


def _factor(acts: Activation, name: str, p: int) -> float | None:
    """What scales the activation of that name, if all blocks of a parity have it."""
    factors = set()
    for (mul, ir), act in zip(acts.irreps_in, acts.acts, strict=True):
        if not mul or ir.p != p:
            continue
        if not isinstance(act, SecondMomentActivation):
            return None
        factors.add(act.constant if act.act is resolve_activation(name) else None)
    if not factors:
        return 1.0
    return factors.pop() if len(factors) == 1 else None


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
