"""Features of any irreps, as a network has room for them."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..edge_embedding import Edges
from ..module import EquivariantModule, check_features


class AdmittedFeatures(EquivariantModule):
    r"""Features of irreps that are kept, and the inner products of the others.

    .. math::
        s_{uv} = \frac{1}{2l+1} \sum_m x_{mu}\, x_{mv}, \qquad u \le v,

    over all copies :math:`u, v` of one irrep: polynomials, so that derivatives by a
    field or a velocity exist at zero, too.

    Args:
        irreps_in: irreps of the features, ``None`` for none.
        keep: irreps that stay as they are.
        name: what the features are called where they are given.
        products: irreps whose inner products are added, by default all but ``0e``.

    Attributes:
        irreps_out: irreps of the kept features, then as many ``0e`` as there are inner
            products.

    Example:
        >>> AdmittedFeatures("2x0e+1x1o+2x1e", "0e+1o", "x").irreps_out
        2x0e+1x1o+4x0e
    """

    def __init__(
        self,
        irreps_in: IrrepsLike | None,
        keep: IrrepsLike,
        name: str,
        products: IrrepsLike | None = None,
    ) -> None:
        super().__init__()
        self.irreps_in = Irreps(() if irreps_in is None else irreps_in)
        self.name = name
        present = dict.fromkeys(ir for _, ir in self.irreps_in)
        wanted = [ir for ir in present if not ir.is_scalar()]
        if products is not None:
            wanted = [ir for ir in present if ir in Irreps(products)]
        kept = self.irreps_in.filter(keep=keep)
        self._kept = [block.ir in Irreps(keep) for block in self.irreps_in]
        self._pairs = [(ir, _pairs(self.irreps_in.count(ir))) for ir in wanted]
        count = sum(len(pairs) for _, (pairs, _) in self._pairs)
        self.irreps_out = kept + Irreps([(count, "0e")] if count else [])

    def forward(self, x: Tensor | None, like: Tensor, rows: int) -> Tensor | None:
        """Features of :attr:`irreps_out`, or ``None`` if there are to be none.

        Args:
            x: features ``(rows, irreps_in.dim)``.
            like: a tensor of the dtype and on the device that they should have.
            rows: how many nodes or edges there are.
        """
        if x is None or not self.irreps_in.dim:
            self._check_presence(x)
            return None
        check_features(x, self.irreps_in, self.name, like)
        if x.shape != (rows, self.irreps_in.dim):
            of_edges = self.name == "edge_attr"
            each = "edges of edge_index" if of_edges else "atoms"
            raise ValueError(
                f"expected {self.name} of shape ({rows}, {self.irreps_in.dim}), one "
                f"row for each of {rows} {each}, got {tuple(x.shape)}"
            )
        blocks = self.irreps_in.split(x)
        parts = [
            b.flatten(1) for b, kept in zip(blocks, self._kept, strict=True) if kept
        ]
        for ir, (first, second) in self._pairs:
            same = [
                block
                for block, (_, other) in zip(blocks, self.irreps_in, strict=True)
                if other == ir
            ]
            copies = torch.cat(same, dim=-1)
            product = copies[..., first] * copies[..., second]
            parts.append(product.sum(-2) / ir.dim)
        return torch.cat(parts, dim=-1)

    def _check_presence(self, x: Tensor | None) -> None:
        option = {"x": "irreps_x", "edge_attr": "irreps_edge"}.get(self.name)
        if x is not None:
            raise ValueError(
                f"{self.name} came, but this network was built without {option}"
            )
        if self.irreps_in.dim:
            raise ValueError(
                f"{self.name} is missing: expected {self.irreps_in.dim} numbers on its "
                f"last dimension, features of {self.irreps_in}"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out})"


def _pairs(count: int) -> tuple[list[int], list[int]]:
    """Both members of all pairs of ``count`` copies, each with itself, too."""
    pairs = [(u, v) for u in range(count) for v in range(u, count)]
    return [u for u, _ in pairs], [v for _, v in pairs]


class EdgeFeatures(EquivariantModule):
    """Edge features of any irreps: invariants for all networks, and the others apart.

    Args:
        irreps_edge: irreps of the features, ``None`` for none.

    Attributes:
        num_scalars: how many invariants there are: the ``0e``, and inner products of
            the others.
        irreps_steerable: the others, copy by copy, as they join the harmonics.

    Example:
        >>> features = EdgeFeatures("3x0e+2x1o")
        >>> features.num_scalars, features.irreps_steerable
        (6, 1x1o+1x1o)
    """

    def __init__(self, irreps_edge: IrrepsLike | None) -> None:
        super().__init__()
        self.scalars = AdmittedFeatures(irreps_edge, "0e", "edge_attr")
        self.num_scalars = self.scalars.irreps_out.dim
        irreps = self.scalars.irreps_in
        self._others = irreps.filter(drop="0e")
        copies = [(1, ir) for mul, ir in self._others for _ in range(mul)]
        self.irreps_steerable = Irreps(copies)
        self._slices = [
            part
            for part, (_, ir) in zip(irreps.slices(), irreps, strict=True)
            if not ir.is_scalar()
        ]

    def invariants(self, edge_attr: Tensor | None, edge_vec: Tensor) -> Tensor | None:
        """The invariants ``(|E|, num_scalars)`` of features, if there are any."""
        return self.scalars(edge_attr, edge_vec, edge_vec.shape[0])

    def radial(self, edge_attr: Tensor | None, edges: Edges) -> Edges:
        """Edges whose radial features hold the invariants, under the envelope, too."""
        found = self.invariants(edge_attr, edges.edge_vec)
        if found is None:
            return edges
        if edges.edge_weight is not None:
            found = found * edges.edge_weight.unsqueeze(-1)
        return edges._replace(radial=torch.cat([edges.edge_attr, found], dim=-1))

    def steered(self, edge_attr: Tensor | None, edges: Edges) -> Edges:
        """Edges whose harmonics are followed by all that is no ``0e``."""
        if edge_attr is None or not self._slices:
            return edges
        others = torch.cat([edge_attr[:, part] for part in self._slices], dim=-1)
        others = self._others.to_mul_ir(others)
        return edges._replace(harmonics=torch.cat([edges.edge_sh, others], dim=-1))
