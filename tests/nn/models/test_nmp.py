"""What only NMP has: PyG's layers, bonds, and a sum over atoms by attention."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch_geometric.data import Data
from torch_geometric.nn import NNConv
from torch_geometric.nn.aggr import Set2Set

from pyg_equivariant.graph import complete_graph
from pyg_equivariant.nn import NMP
from pyg_equivariant.nn.models.nmp import Update
from pyg_equivariant.testing import difficult_graphs

SMALL: dict[str, Any] = {"hidden_channels": 8, "num_layers": 2, "edge_channels": 6}
SMALL |= {"species": tuple(range(1, 10))}


@pytest.fixture
def data(generator: torch.Generator) -> Data:
    return difficult_graphs(generator=generator)["two_molecules"]


def test_is_made_of_the_layers_of_pyg(data: Data) -> None:
    """The same as PyG's own modules, one after the other, on a complete graph."""
    model: Any = NMP(**SMALL, irreps_edge="3x0e").double()
    edge_index = complete_graph(len(data.z), data.batch)
    bonds = torch.nn.functional.one_hot(edge_index.sum(0) % 3, 3).double()
    found = model(data.z, data.pos, data.batch, edge_index, edge_attr=bonds)
    source, target = edge_index
    length = (data.pos[source] - data.pos[target]).norm(dim=-1, keepdim=True)
    conv = NNConv(8, 8, copy.deepcopy(model.conv.nn.mlp), aggr="add").double()
    conv.load_state_dict(
        {k.replace("nn.mlp", "nn"): v for k, v in model.conv.state_dict().items()}
    )
    gru = torch.nn.GRUCell(8, 8).double()
    gru.load_state_dict(model.update.state_dict())
    one_hot = torch.nn.functional.one_hot(data.z - 1, 9).double()
    x = model.embedding(one_hot).relu()
    for _ in range(2):
        x = gru(conv(x, edge_index, torch.cat([bonds, length], -1)).relu(), x)
    pool = Set2Set(8, processing_steps=3).double()
    pool.load_state_dict(model.head.pool.state_dict())
    expected = model.head.post(pool(x, data.batch))
    torch.testing.assert_close(found, expected)


def test_attention_is_within_each_graph(data: Data) -> None:
    model = NMP(**SMALL, cutoff=3.0, smooth=True).double()
    whole = model(data.z, data.pos, data.batch)
    for k in range(2):
        part = data.batch == k
        found = model(data.z[part], data.pos[part])
        torch.testing.assert_close(found, whole[k : k + 1])
    assert not model.is_extensive


def test_atoms_bring_their_references(data: Data) -> None:
    """The prediction of attention is no sum over atoms, the references are."""
    model = NMP(**SMALL, atomref=torch.arange(10.0), scale=2.0).double()
    bare = NMP(**SMALL, scale=2.0).double()
    bare.load_state_dict(model.state_dict(), strict=False)
    inputs = data.z, data.pos, data.batch
    total = torch.zeros(2).index_add(0, data.batch, data.z.float())
    found = model(*inputs) - bare(*inputs)
    torch.testing.assert_close(found, total.double().unsqueeze(-1))


@pytest.mark.parametrize("smooth", [True, False])
def test_messages_are_under_the_envelope(smooth: bool) -> None:
    model: Any = NMP(**SMALL, cutoff=3.0, smooth=smooth, act="silu").double()
    z = torch.tensor([1, 6])
    near, far = (
        model(z, torch.tensor([[0.0, 0, 0], [r, 0, 0]], dtype=torch.float64))
        for r in (3 - 1e-9, 3 + 1e-9)
    )
    assert torch.allclose(near, far, rtol=0, atol=1e-9) == smooth
    assert model.is_smooth == smooth
    assert not NMP(**SMALL, cutoff=3.0, smooth=True, aggr="mean").is_smooth
    assert NMP(**SMALL, aggr="mean").is_smooth


def test_the_update_is_that_of_torch() -> None:
    ours, theirs = Update(3, 4).double(), torch.nn.GRUCell(3, 4).double()
    theirs.load_state_dict(ours.state_dict())
    inputs = [torch.randn(5, n).double().requires_grad_() for n in (3, 4)]
    torch.testing.assert_close(ours(*inputs), theirs(*inputs))
    assert gradcheck(ours, inputs)
    assert gradgradcheck(ours, inputs)


def test_derivatives_are_right_through_attention() -> None:
    model = NMP(**SMALL, act="silu").double()
    z = torch.tensor([1, 6, 8])
    pos = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)

    def energy(pos: Tensor) -> Tensor:
        return model(z, pos)

    assert gradcheck(energy, (pos,))
    assert gradgradcheck(energy, (pos,))
