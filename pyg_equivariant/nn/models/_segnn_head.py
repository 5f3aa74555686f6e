"""The heads of SEGNN, whose layers before the head end in what it needs."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps

from ..mlp import MLP
from ..pool import Atoms
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head


def segnn_head(head: str | Head | None, asked: Asked) -> Head | None:
    """The head of a name: networks on what the steerable layers give."""
    if head == "vector" and asked.irreps_out is None:
        return _SteerableVectorHead()
    pooled = asked.irreps
    assert pooled is not None
    width = pooled.count("0e")

    def scalar_head(reduce: str) -> Head:
        post = MLP([width, width, 1])
        return ScalarHead(torch.nn.Identity(), post, reduce)

    return make_head(head, scalar_head, width, pooled.count("1o"), asked=asked)


class _SteerableVectorHead(Head):
    """The vector that the last steerable layer gives."""

    invariant = False

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Predict a vector for every atom."""
        if features.vec is None:
            raise ValueError("this head was built for vectors, but there are none")
        return features.vec.squeeze(-1)


def irreps_of_pool(head: str | Head | None, hidden: Irreps) -> Irreps:
    """What the steerable layers hand over to the head."""
    scalars = (hidden.num_irreps, "0e")
    if head == "vector":
        return Irreps("1x1o")
    if head in (None, "sum", "extensive", "mean", "node", "spatial_extent"):
        return Irreps([scalars])
    return Irreps([scalars, (hidden.count("1o"), "1o")])
