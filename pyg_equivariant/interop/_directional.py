"""The tables of names of networks whose messages live on edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from pyg_equivariant.nn.models.directional import DirectionalModel, OutputMap
from pyg_equivariant.nn.models.heads import Head, ScalarHead

from ._placement import Names, Placement, build, within

D = TypeVar("D", bound=DirectionalModel)
_ACTIVATIONS = {"swish": "silu", "SiLU": "silu"}
_INTERACTION = {
    "lin_kj": "lin_kj",
    "lin_ji": "lin_ji",
    "lin": "lin",
    "before.{}.lin1": "layers_before_skip.{}.lin1",
    "before.{}.lin2": "layers_before_skip.{}.lin2",
    "after.{}.lin1": "layers_after_skip.{}.lin1",
    "after.{}.lin2": "layers_after_skip.{}.lin2",
}
_PROJECTED = _INTERACTION | {
    "lin_rbf1": "lin_rbf1",
    "lin_rbf2": "lin_rbf2",
    "lin_sbf1": "lin_sbf1",
    "lin_sbf2": "lin_sbf2",
    "lin_t1": "lin_t1",
    "lin_t2": "lin_t2",
    "lin_down": "lin_down",
    "lin_up": "lin_up",
}
_OUTPUT = {"lin_up": "lin_up", "linears.{}": "lins.{}"}
_PYG = {
    "edges.basis.frequency": "rbf.freq",
    "embedding": "emb.emb",
    "lin_rbf": "emb.lin_rbf",
    "lin": "emb.lin",
}
_DIG = {
    "edges.basis.frequency": "emb.dist_emb.freq",
    "embedding": "init_e.emb",
    "lin_rbf": "init_e.lin_rbf_0",
    "lin": "init_e.lin",
    "outputs.0.lin_rbf": "init_e.lin_rbf_1",
}


def names_of_pyg(bilinear: bool) -> Names:
    """Layers of ours, and what PyG calls them."""
    layer = _INTERACTION | {"lin_rbf": "lin_rbf", "lin_sbf": "lin_sbf"}
    layer = layer if bilinear else _PROJECTED
    output = _OUTPUT | {"lin_rbf": "lin_rbf"}
    names: dict[str, Any] = _PYG | within("convs.{}.", "interaction_blocks.{}.", layer)
    names |= within("outputs.{}.", "output_blocks.{}.", output)
    if bilinear:
        flat = "interaction_blocks.{}.W", lambda _, weight: weight.flatten(1)
        names["convs.{}.bilinear.weight"] = flat
    return names


def names_of_dig(num_layers: int) -> Names:
    """Layers of ours, and what DIG calls them."""
    names = _DIG | within("convs.{}.", "update_es.{}.", _PROJECTED)
    names |= within("outputs.0.", "init_v.", _OUTPUT)
    for k in range(num_layers):
        names |= within(f"outputs.{k + 1}.", f"update_vs.{k}.", _OUTPUT)
        names[f"outputs.{k + 1}.lin_rbf"] = f"update_es.{k}.lin_rbf"
    return names


class Reader:
    """The sizes of a reference, as the shapes of its tensors tell them.

    Args:
        state_dict: of the reference.
        source: what it is called.
        interaction: name of a layer, with a place for its number.
        output: names of the output blocks, one for each.
        frequency: name of the frequencies.
    """

    def __init__(
        self,
        state_dict: Mapping[str, Tensor],
        source: str,
        interaction: str,
        first_output: str,
        output: str,
        frequency: str,
    ) -> None:
        self.weights = weights = Placement(state_dict, source)
        self.first = first = interaction.format(0)
        (self.num_radial,) = weights.shape(frequency, 1)
        self.num_layers = weights.count(interaction.partition("{}")[0])
        blocks = range(self.num_layers + 1)
        self.outputs = [output.format(k) for k in blocks]
        if first_output:
            self.outputs = [first_output, *(output.format(k) for k in blocks[:-1])]
        self.hidden_channels = weights.shape(f"{first}lin_kj.weight", 2)[0]
        last = weights.shape(f"{self.outputs[0]}lin.weight", 2)
        self.num_outputs, self.out_channels = last

    def sizes(self, spherical: str, embedding: str) -> dict[str, Any]:
        """Arguments that all networks have.

        Args:
            spherical: name of the first map of the features of angles.
            embedding: name of the embedding.
        """
        count = self.weights.count
        columns = self.weights.shape(f"{self.first}{spherical}.weight", 2)[1]
        return {
            "hidden_channels": self.hidden_channels,
            "num_layers": self.num_layers,
            "num_spherical": columns // self.num_radial,
            "num_radial": self.num_radial,
            "num_before_skip": count(f"{self.first}layers_before_skip."),
            "num_after_skip": count(f"{self.first}layers_after_skip."),
            "num_output_layers": count(f"{self.outputs[0]}lins."),
            "num_elements": self.weights.shape(f"{embedding}.weight", 2)[0],
            "rounded_zeros": True,
        }

    def width(self, name: str) -> int:
        """The number of rows of a map of the first layer."""
        return self.weights.shape(f"{self.first}{name}.weight", 2)[0]

    def build(
        self,
        make: type[D],
        names: Names,
        sizes: dict[str, Any],
        settings: tuple[str, int, float],
    ) -> D:
        """The model, filled; settings are activation, exponent and cutoff."""
        act, envelope_exponent, cutoff = settings
        options = sizes | {"cutoff": cutoff}
        like = self.weights.tensors[f"{self.outputs[0]}lin.weight"]
        options |= {"act": _ACTIVATIONS.get(act, act), "p": envelope_exponent + 1}
        head: str | Head = "sum"
        if self.num_outputs != 1:
            shape = self.out_channels, self.num_layers + 1, self.num_outputs
            head = build(like, ScalarHead, OutputMap(*shape))
        model = build(like, make, head=head, **options)
        assert isinstance(model.head, ScalarHead)
        assert isinstance(model.head.pre, OutputMap)
        parts = [self.weights.take(f"{name}lin.weight") for name in self.outputs]
        found = [part for part in parts if part is not None]
        joined = torch.cat(found, dim=-1) if len(found) == len(parts) else None
        place = f"{self.outputs[0]}lin.weight and its like"
        self.weights.fill(model.head.pre.weight, joined, place)
        return self.weights.finish(model, names)
