"""Which of its authors' networks a SE(3)-Transformer is, told by its names."""

from __future__ import annotations

from typing import NamedTuple

from pyg_equivariant.nn.conv.se3_conv import SE3Conv
from pyg_equivariant.nn.conv.se3_transformer_conv import SE3TransformerConv
from pyg_equivariant.nn.models.se3_transformer import SE3Transformer
from pyg_equivariant.nn.norm_activation import NormActivation
from pyg_equivariant.nn.norm_mlp import NormMLP
from pyg_equivariant.o3 import Irreps

from ._placement import Names
from ._se3 import SE3Placement


class Form(NamedTuple):
    """A network, as its authors have it."""

    weights: SE3Placement
    blocks: str
    """before the numbers of layers and norms"""
    head: str | None
    """before the layers of the head"""
    num_layers: int

    @property
    def attention(self) -> bool:
        """Whether layers before the last attend."""
        return self._holds(f"{self.blocks}.0.GMAB.")

    @property
    def last_attends(self) -> bool:
        """Whether the last layer does."""
        return self._holds(f"{self.blocks}.{2 * self.num_layers}.GMAB.")

    @property
    def biases(self) -> bool:
        """Whether there are biases alone between layers."""
        return self._holds(f"{self.blocks}.1.bias.")

    def _holds(self, stem: str) -> bool:
        return any(name.startswith(stem) for name in self.weights.tensors)

    def hidden(self, num_degrees: int) -> Irreps:
        """Irreps of an atom, told by the norms."""
        blocks = []
        for l in range(num_degrees):
            if self.biases:
                mul = self.weights.shape(f"{self.blocks}.1.bias.{l}", 2)[1]
            else:
                name = f"{self.blocks}.1.transform.{l}.0.bn.bias"
                mul = self.weights.shape(name, 1)[0]
            blocks.append((mul, (l, 1)))
        return Irreps(blocks)

    def pooled(self, hidden: Irreps) -> Irreps:
        """As many scalars as the head reads."""
        if self.head is None:
            return Irreps([(hidden.num_irreps, "0e")])
        return Irreps([(self.weights.shape(f"{self.head}.0.weight", 2)[1], "0e")])

    def fill(self, model: SE3Transformer) -> None:
        """Give a model the weights of layers and norms."""
        layers = [*model.convs, model.last]
        for k, conv in enumerate(layers):
            stem = f"{self.blocks}.{2 * k}."
            if isinstance(conv, SE3TransformerConv):
                self.weights.attention(stem, conv)
            elif isinstance(conv, SE3Conv):
                self.weights.conv(stem, conv)
        for k, norm in enumerate(model.norms):
            assert isinstance(norm, (NormMLP, NormActivation))
            self.weights.norm(f"{self.blocks}.{2 * k + 1}.", norm)

    def names(self) -> Names:
        """The table of the head."""
        if self.head is None:
            return {}
        ends = {"0": f"{self.head}.0", "1": f"{self.head}.2"}
        return {f"head.post.linears.{own}": theirs for own, theirs in ends.items()}


def find_form(weights: SE3Placement) -> Form:
    """The network that the names are of.

    Raises:
        ValueError: if they are of none.
    """
    for blocks, head in (("Gblock", "FCblock"), ("block0", "block2")):
        count = weights.count(f"{blocks}.")
        if count % 2 and count > 1:
            has_head = f"{head}.0.weight" in weights
            return Form(weights, blocks, head if has_head else None, count // 2)
    listing = ", ".join(list(weights.tensors)[:8])
    raise ValueError(
        f"this is no state_dict of {weights.source}, whose layers are called Gblock or "
        f"block0; it holds {listing}"
    )
