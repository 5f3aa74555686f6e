"""The fully connected product whose weights are radial functions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps, IrrepsLike, check_real, clebsch_gordan

from .activation import ActivationLike
from .module import EquivariantModule, check_features, describe, warn_unreached
from .radial_profiles import RadialProfiles


class _Pair(NamedTuple):
    """A kernel between two blocks: one radial network for all harmonics."""

    i_in: int
    i_out: int
    harmonics: tuple[int, ...]  # the blocks of irreps_sh that lead from one to another
    part: int  # which of the couplings of the input block


class RadialTensorProduct(EquivariantModule):
    r"""Features times harmonics, with all channels mixed by functions of the edge.

    .. math::
        \mathbf{K}_{ij}\, \mathbf{x} = \sum_{l, J} \mathbf{R}^{l' l}_J(\mathbf{e}_{ij})
        \; \big(\mathbf{C}^{l' l J}\, Y^J(\hat r_{ij})\; \mathbf{x}^{l}\big)

    The kernel of `"SE(3)-Transformers" <https://arxiv.org/abs/2006.10503>`_ and of
    "Tensor field networks": between every two irreps a radial network of its own
    (:class:`RadialProfiles`) gives a matrix of channels for every harmonic between
    them. Couplings have unit norm, and nothing else scales: the harmonics of the
    authors have normalization ``"integral"``.

    The kernel :math:`\mathbf{K}_{ij}` itself is never formed: harmonics meet the
    features first, and one product of matrices follows for each edge.

    Args:
        irreps_in: irreps of the features.
        irreps_sh: irreps of the harmonics, each once.
        irreps_out: irreps of the output.
        edge_dim: number of invariants of an edge that radial networks read.
        radial_channels: width of their hidden layers (default: 32).
        act: their activation, a function or its name (default: ``"relu"``).

    Attributes:
        radial: the radial networks, for every pair of blocks, input by input; their
            outputs are ordered (harmonic, channel in, channel out).

    Shapes:
        - **input:** features :math:`(|E|, \text{irreps\_in.dim})`, harmonics
          :math:`(|E|, \text{irreps\_sh.dim})`, invariants
          :math:`(|E|, \text{edge\_dim})`
        - **output:** features :math:`(|E|, \text{irreps\_out.dim})`

    Raises:
        TypeError: if an input is not floating-point, or not of the module's dtype.
        ValueError: if harmonics have copies, or a last dimension does not fit.

    Example:
        >>> product = RadialTensorProduct("4x0e+2x1o", "0e+1o", "3x0e+3x1o", 1)
        >>> x, edge_sh, edge_attr = torch.randn(5, 10), torch.randn(5, 4), torch.rand(5, 1)
        >>> product(x, edge_sh, edge_attr).shape
        torch.Size([5, 12])
    """  # noqa: E501

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_sh: IrrepsLike,
        irreps_out: IrrepsLike,
        edge_dim: int,
        radial_channels: int = 32,
        act: ActivationLike = "relu",
    ) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps_in)
        self.irreps_sh = Irreps(irreps_sh)
        self.irreps_out = Irreps(irreps_out)
        if any(mul != 1 for mul, _ in self.irreps_sh):
            raise ValueError(
                f"harmonics come once each, such as 0e+1o+2e, got {self.irreps_sh}"
            )
        self._rows: list[tuple[int, ...]] = []
        self.pairs: list[_Pair] = []
        for i in range(len(self.irreps_in)):
            self._couple(i)
        self.radial = RadialProfiles(
            edge_dim, [self._size(pair) for pair in self.pairs], radial_channels, act
        )
        self.register_convention()
        reached = {pair.i_out for pair in self.pairs}
        blocks = enumerate(self.irreps_out)
        warn_unreached(self, Irreps([b for o, b in blocks if o not in reached]))

    def _couple(self, i: int) -> None:
        """The couplings of an input block, shared by outputs of the same irrep."""
        (mul, ir), parts = self.irreps_in[i], {}
        found: list[Tensor] = []
        for o, (mul_out, ir_out) in enumerate(self.irreps_out):
            harmonics = tuple(
                k for k, (_, sh) in enumerate(self.irreps_sh) if ir_out in ir * sh
            )
            if not (mul and mul_out and harmonics):
                continue
            if ir_out not in parts:
                parts[ir_out] = len(found)
                found.append(self._coupling(i, o, harmonics))
            self.pairs.append(_Pair(i, o, harmonics, parts[ir_out]))
        self._rows.append(tuple(c.shape[1] for c in found))
        shape = self.irreps_sh.dim, 0, ir.dim
        empty = torch.zeros(shape, dtype=torch.float64, device="cpu")
        coupling = torch.cat([empty, *found], dim=1)
        self.register_constant(f"coupling_{i}", coupling.flatten(1))

    def _coupling(self, i: int, o: int, harmonics: tuple[int, ...]) -> Tensor:
        """``C`` as ``(harmonic component, (output component, harmonic), input)``."""
        ir, ir_out = self.irreps_in[i].ir, self.irreps_out[o].ir
        slices = self.irreps_sh.slices()
        shape = self.irreps_sh.dim, ir_out.dim, len(harmonics), ir.dim
        coupling = torch.zeros(shape, dtype=torch.float64, device="cpu")
        for n, k in enumerate(harmonics):
            ls = ir.l, self.irreps_sh[k].ir.l, ir_out.l
            c = clebsch_gordan(*ls, dtype=torch.float64, device="cpu")
            coupling[slices[k], :, n] = c.permute(1, 2, 0)
        return coupling.flatten(1, 2)

    def _size(self, pair: _Pair) -> int:
        """How many numbers the radial network of a pair gives."""
        muls = self.irreps_in[pair.i_in].mul * self.irreps_out[pair.i_out].mul
        return len(pair.harmonics) * muls

    def reset_parameters(self) -> None:
        """Draw the weights of the radial networks anew."""
        self.radial.reset_parameters()

    def forward(self, x: Tensor, edge_sh: Tensor, edge_attr: Tensor) -> Tensor:
        """The product of every edge."""
        check_features(x, self.irreps_in, "x", self.radial.weight_in)
        check_features(edge_sh, self.irreps_sh, "edge_sh", self.radial.weight_in)
        check_real(edge_attr, "edge_attr")
        given = x, edge_sh, edge_attr
        if any(t.dim() != 2 or t.shape[0] != x.shape[0] for t in given):
            raise ValueError(
                "expected x, edge_sh and edge_attr with one row for each edge, got "
                f"{tuple(x.shape)}, {tuple(edge_sh.shape)} and {tuple(edge_attr.shape)}"
            )
        joined = self._joined(x, edge_sh)
        out: list[Tensor | None] = [None] * len(self.irreps_out)
        for pair, radial in zip(self.pairs, self.radial(edge_attr), strict=True):
            # [|E|, 2l'+1, (J, channel in)] times [|E|, (J, channel in), channel out]
            mul_out, ir_out = self.irreps_out[pair.i_out]
            part = joined[pair.i_in][pair.part]
            part = part.unflatten(1, (ir_out.dim, len(pair.harmonics))).flatten(2)
            product = part @ radial.unflatten(-1, (part.shape[-1], mul_out))
            before = out[pair.i_out]
            out[pair.i_out] = product if before is None else before + product
        return self.irreps_out.join(
            [
                x.new_zeros(*x.shape[:-1], block.ir.dim, block.mul) if y is None else y
                for block, y in zip(self.irreps_out, out, strict=True)
            ]
        )

    def _joined(self, x: Tensor, edge_sh: Tensor) -> list[tuple[Tensor, ...]]:
        """Features coupled to harmonics: for each block ``(|E|, rows, channels)``."""
        joined = []
        for i, block in enumerate(self.irreps_in.split(x)):
            coupling = getattr(self, f"coupling_{i}")
            shape = sum(self._rows[i]), block.shape[-2]
            matrix = (edge_sh @ coupling).unflatten(-1, shape)
            joined.append((matrix @ block).split(self._rows[i], dim=-2))
        return joined

    def __repr__(self) -> str:
        return describe(self, "irreps_in * irreps_sh -> irreps_out", "radial.edge_dim")
