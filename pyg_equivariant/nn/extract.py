"""Some blocks of features, by their places."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irrep, IrrepLike, Irreps, IrrepsLike

from .module import EquivariantModule, check_features


class Extract(EquivariantModule):
    r"""Takes blocks out of features, several selections at once.

    The counterpart of e3nn's module of that name.

    Args:
        irreps_in: irreps of the input.
        irreps_outs: irreps of every output.
        instructions: for every output the places of its blocks in ``irreps_in``.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** a tuple of features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if the input is not floating-point.
        ValueError: if an instruction points outside, or at a block that is not the one
            asked for, or the last dimension of the input is not ``irreps_in.dim``.

    Example:
        >>> extract = Extract("1x1e+1x0e+1x0e", ["0e", "0e"], [(1,), (2,)])
        >>> extract(torch.tensor([0.0, 0.0, 0.0, 1.0, 2.0]))
        (tensor([1.]), tensor([2.]))
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_outs: Sequence[IrrepsLike],
        instructions: Sequence[Sequence[int]],
    ) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps_in)
        self.irreps_outs = tuple(Irreps(irreps) for irreps in irreps_outs)
        self.instructions = tuple(tuple(places) for places in instructions)
        if len(self.irreps_outs) != len(self.instructions):
            raise ValueError(
                f"got {len(self.irreps_outs)} irreps_outs and "
                f"{len(self.instructions)} instructions, expected one for each"
            )
        for irreps, places in zip(self.irreps_outs, self.instructions, strict=True):
            inside = all(0 <= place < len(self.irreps_in) for place in places)
            found = Irreps([self.irreps_in[p] for p in places]) if inside else None
            if found != irreps:
                raise ValueError(
                    f"the blocks {places} of {self.irreps_in} are not {irreps}"
                )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The selections of ``x``, one after the other."""
        check_features(x, self.irreps_in)
        blocks = [x[..., where] for where in self.irreps_in.slices()]
        empty = x[..., :0]
        return tuple(
            torch.cat([empty, *(blocks[place] for place in places)], dim=-1)
            for places in self.instructions
        )

    def __repr__(self) -> str:
        outs = ", ".join(map(repr, self.irreps_outs))
        return f"{type(self).__name__}({self.irreps_in} -> {outs})"


class ExtractIr(EquivariantModule):
    r"""Takes all blocks of one irrep out of features.

    The counterpart of e3nn's module of that name.

    Args:
        irreps_in: irreps of the input.
        ir: the irrep.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if the input is not floating-point.
        ValueError: if its last dimension is not ``irreps_in.dim``.

    Example:
        >>> ExtractIr("1x1o+1x0e+2x1o", "1o")
        ExtractIr(1x1o+1x0e+2x1o -> 1x1o+2x1o)
    """

    def __init__(self, irreps_in: IrrepsLike, ir: IrrepLike) -> None:
        super().__init__()
        self.irreps_in, self.ir = Irreps(irreps_in), Irrep(ir)
        places = [k for k, block in enumerate(self.irreps_in) if block.ir == self.ir]
        self.irreps_out = Irreps([self.irreps_in[k] for k in places])
        self._extract = Extract(self.irreps_in, [self.irreps_out], [places])

    def forward(self, x: Tensor) -> Tensor:
        """The blocks of the irrep in ``x``, one after the other."""
        (out,) = self._extract(x)
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out})"
