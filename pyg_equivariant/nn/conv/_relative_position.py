"""Relative positions among the features of sources."""

from __future__ import annotations

from torch import Tensor, cat

from pyg_equivariant.o3 import Irreps, check_real

from ..module import check_dtype


class RelativePosition:
    r"""Joins :math:`\vec r_i - \vec r_j` to the features of sources.

    Args:
        irreps: of the features.
        irreps_sh: of the harmonics, which say the parity of a vector.
        how: ``"cat"`` makes it one more vector, the last of its irrep; ``"add"`` adds
            it to the first of several vectors, and does nothing where there are fewer;
            ``None`` does nothing.

    Attributes:
        irreps_out: irreps of the result.
    """

    def __init__(self, irreps: Irreps, irreps_sh: Irreps, how: str | None) -> None:
        if how not in ("cat", "add", None):
            raise ValueError(f"x_ij is 'cat', 'add' or None, got {how!r}")
        self.irreps_in = irreps
        vectors = [ir for _, ir in irreps_sh if ir.l == 1]
        if how is not None and not vectors:
            raise ValueError(
                f"x_ij={how!r} needs harmonics of degree 1, got {irreps_sh}"
            )
        self.how = how
        self._block: int | None = None  # which is joined
        self.irreps_out = irreps
        if how is None:
            return
        blocks = [i for i, (mul, ir) in enumerate(irreps) if mul and ir == vectors[0]]
        if how == "add":
            self._block = blocks[0] if irreps.count(vectors[0]) > 1 else None
        elif blocks:
            self._block = blocks[-1]
            muls = [mul + (i == blocks[-1]) for i, (mul, _) in enumerate(irreps)]
            irs = [ir for _, ir in irreps]
            self.irreps_out = Irreps(list(zip(muls, irs, strict=True)))
        else:
            self.irreps_out = irreps + Irreps([(1, vectors[0])])

    def __call__(self, x: Tensor, edge_vec: Tensor | None) -> Tensor:
        """Features ``(|E|, irreps_out.dim)`` of sources at the ends of edges."""
        if edge_vec is None or self.how is None:
            return x
        vector = -edge_vec.unsqueeze(-1).to(x.dtype)
        blocks = self.irreps_in.split(x)
        if self._block is not None:
            block = blocks[self._block]
            if self.how == "cat":
                block = cat([block, vector], dim=-1)
            else:
                block = cat([block[..., :1] + vector, block[..., 1:]], dim=-1)
            blocks[self._block] = block
        elif self.how == "cat":
            blocks = [*blocks, vector]
        return self.irreps_out.join(blocks)


def check_edge_vec(edge_vec: Tensor | None, how: str | None, like: Tensor) -> None:
    """Refuse vectors of edges that are missing or of another shape.

    Raises:
        TypeError: if they are not floating-point, or of another dtype than ``like``.
        ValueError: if they are needed and missing, or have another shape.
    """
    if edge_vec is None:
        if how is not None:
            raise ValueError(
                f"x_ij={how!r} reads the vectors of edges, but edge_vec is missing"
            )
        return
    check_real(edge_vec, "edge_vec")
    check_dtype(edge_vec, like, "edge_vec")
    if edge_vec.dim() != 2 or edge_vec.shape[1] != 3:
        raise ValueError(f"expected edge_vec (|E|, 3), got {tuple(edge_vec.shape)}")
