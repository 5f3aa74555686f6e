"""TFNConv and TFN built from e3nn's modules, with the weights of ours."""

from __future__ import annotations

import copy
import math

import e3nn.nn
import e3nn.o3
import torch
from torch import Tensor

from pyg_equivariant.interop import linear_to_e3nn
from pyg_equivariant.nn import TFN, Gate, TFNConv
from pyg_equivariant.nn.second_moment import second_moment_constant


class E3nnConv(torch.nn.Module):
    """Radial network, gather, tensor product, sum, and linear map."""

    def __init__(self, conv: TFNConv) -> None:
        super().__init__()
        product = conv.tp.product
        self.tp = e3nn.o3.TensorProduct(
            str(product.irreps_in1),
            str(product.irreps_in2),
            str(product.irreps_out),
            [tuple(path) for path in product.paths],
            shared_weights=False,
            internal_weights=False,
        )
        self.radial = e3nn.nn.FullyConnectedNet(
            conv.radial.channels, torch.nn.functional.silu
        )
        with torch.no_grad():
            for k, weight in enumerate(conv.radial.weights):
                getattr(self.radial, f"layer{k}").weight.copy_(weight)
        mixed = product.irreps_out + conv.irreps_in
        self.mix = e3nn.o3.Linear(str(mixed), str(conv.irreps_out), biases=True)
        self.mix.load_state_dict(linear_to_e3nn(conv.mix), strict=False)
        self.scale = 1 / math.sqrt(conv.avg_num_neighbors)
        use_exact_constants(self)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_sh: Tensor, edge_attr: Tensor
    ) -> Tensor:
        messages = self.tp(x[edge_index[0]], edge_sh, self.radial(edge_attr))
        out = messages.new_zeros(len(x), messages.shape[1])
        out = out.index_add(0, edge_index[1], messages) * self.scale
        return self.mix(torch.cat([out, x], dim=-1))


class E3nnTFN(torch.nn.Module):
    """The harmonics, convolutions and gates of e3nn; the rest is a copy of ours."""

    def __init__(self, model: TFN) -> None:
        super().__init__()
        self.embedding = copy.deepcopy(model.embedding)
        self.radial_basis = copy.deepcopy(model.radial_basis)
        self.envelope = copy.deepcopy(model.envelope)
        self.readout = copy.deepcopy(model.head.pre)
        self.scalars = model.irreps_hidden.count("0e")
        self.harmonics = e3nn.o3.SphericalHarmonics(
            str(model.irreps_sh), normalize=True, normalization="component"
        )
        self.convs = torch.nn.ModuleList(E3nnConv(conv) for conv in model.convs)
        self.acts = torch.nn.ModuleList(e3nn_gate(gate) for gate in model.acts)

    def forward(
        self, z: Tensor, pos: Tensor, batch: Tensor, edge_index: Tensor, count: int
    ) -> Tensor:
        edge_vec = pos[edge_index[0]] - pos[edge_index[1]]
        length = edge_vec.norm(dim=-1)
        edge_attr = self.radial_basis(length) * self.envelope(length).unsqueeze(-1)
        edge_sh = self.harmonics(edge_vec)
        x = self.embedding(z)
        for conv, act in zip(self.convs, self.acts, strict=True):
            x = act(conv(x, edge_index, edge_sh, edge_attr))
        energies = self.readout(x[:, : self.scalars])
        return energies.new_zeros(count, 1).index_add(0, batch, energies)


def e3nn_gate(gate: Gate) -> torch.nn.Module:
    module = e3nn.nn.Gate(
        str(gate.irreps_scalars),
        [torch.nn.functional.silu] * len(gate.irreps_scalars),
        str(gate.irreps_gates),
        [torch.sigmoid] * len(gate.irreps_gates),
        str(gate.irreps_gated),
    )
    use_exact_constants(module)
    return module


def use_exact_constants(module: torch.nn.Module) -> None:
    """e3nn estimates the second moments of activations by sampling; we integrate."""
    for child in module.modules():
        if isinstance(child, e3nn.math.normalize2mom):
            child.cst = second_moment_constant(child.f)
