"""What has a direction at atoms and edges, as it joins the harmonics of the edges."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..edge_embedding import Edges
from ..linear import Linear
from ..module import EquivariantModule


class EdgeSteering(EquivariantModule):
    """Mixes all but ``0e`` of both ends and of an edge to one copy of each irrep.

    Args:
        irreps_node: irreps of the features of an atom, ``None`` for none.
        irreps_edge: irreps of the features of an edge, ``None`` for none.

    Attributes:
        irreps_out: one copy of each irrep, sorted.

    Example:
        >>> EdgeSteering("2x0e+3x1o", "1x1e+2x1o").irreps_out
        1x1o+1x1e
    """

    def __init__(
        self, irreps_node: IrrepsLike | None, irreps_edge: IrrepsLike | None
    ) -> None:
        super().__init__()
        self.irreps_node = Irreps(() if irreps_node is None else irreps_node)
        self.irreps_edge = Irreps(() if irreps_edge is None else irreps_edge)
        node, edge = (
            irreps.filter(drop="0e") for irreps in (self.irreps_node, self.irreps_edge)
        )
        self.irreps_out = Irreps(
            [(1, ir) for ir in sorted({i for _, i in node + edge})]
        )
        self.linear = None
        if self.irreps_out.dim:
            self.linear = Linear(node + node + edge, self.irreps_out, bias=False)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        if self.linear is not None:
            self.linear.reset_parameters()

    def forward(
        self, x: Tensor | None, edge_attr: Tensor | None, edges: Edges
    ) -> Edges:
        """Edges whose harmonics are followed by features of ``irreps_out``."""
        if self.linear is None:
            return edges
        parts = []
        if x is not None:
            at = x[:, _steerable(self.irreps_node, x)]
            parts = [at.index_select(0, end) for end in edges.edge_index.long()]
        if edge_attr is not None:
            parts.append(edge_attr[:, _steerable(self.irreps_edge, edge_attr)])
        mixed = self.linear(torch.cat(parts, dim=-1)).to(edges.edge_sh.dtype)
        return edges._replace(harmonics=torch.cat([edges.edge_sh, mixed], dim=-1))


def _steerable(irreps: Irreps, like: Tensor) -> Tensor:
    """The columns of all but ``0e``."""
    columns = [
        n
        for (_, ir), part in zip(irreps, irreps.slices(), strict=True)
        if not ir.is_scalar()
        for n in range(part.start, part.stop)
    ]
    return torch.tensor(columns, dtype=torch.long, device=like.device)
