from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import triplets
from pyg_equivariant.interop.dimenet import dimenet_from_dig, dimenet_from_pyg
from pyg_equivariant.nn import DimeNet, DimeNetPlusPlus, EdgeEmbedding
from pyg_equivariant.nn.torsions import bond_cosines, target_cosines

Check = Callable[[Tensor, Tensor], None]
SAME_NAME = ("num_spherical", "num_radial", "num_output_layers", "hidden_channels")


def settings(meta: dict[str, Any]) -> dict[str, Any]:
    return {key: meta[key] for key in ("cutoff", "envelope_exponent", "act")}


def in_order(data: dict[str, Any], pairs: Tensor) -> Tensor:
    """Where the reference lists each of our triplets."""
    theirs = torch.stack([data["output/idx_kj"], data["output/idx_ji"]])
    count = data["input/edge_index"].shape[1]
    assert pairs.shape == theirs.shape
    keys, order = (theirs[0] * count + theirs[1]).sort()
    place = torch.searchsorted(keys, pairs[0] * count + pairs[1])
    assert torch.equal(theirs[:, order[place]], pairs)
    return order[place]


@pytest.mark.parametrize("name", ["dimenet_pyg", "dimenetpp_pyg", "dimenetpp_dig"])
def test_golden_energies_and_forces(
    reference: Any, assert_equal: Check, name: str
) -> None:
    state_dict, data = reference(name)
    meta = data["meta"]
    convert = dimenet_from_dig if name.endswith("dig") else dimenet_from_pyg
    model = convert(state_dict, **settings(meta))
    assert type(model) is (DimeNet if name == "dimenet_pyg" else DimeNetPlusPlus)
    for key in SAME_NAME:
        assert model.arguments[key] == meta[key]
    pos = data["input/pos"].requires_grad_()
    given = data["input/z"], pos, data["input/batch"], data["input/edge_index"]
    energy = model(*given)
    assert_equal(energy, data["output/energy"])
    (gradient,) = torch.autograd.grad(energy.sum(), pos)
    assert_equal(-gradient, data["output/forces"])


@pytest.mark.parametrize("name", ["dimenet_pyg", "dimenetpp_pyg"])
def test_golden_bases_triplets_and_messages(
    reference: Any, assert_equal: Check, name: str
) -> None:
    state_dict, data = reference(name)
    model = dimenet_from_pyg(state_dict, **settings(data["meta"]))
    assert torch.equal(model.bessel.zeros, data["input/bessel_zeros"])
    graph = model.graph(
        data["input/pos"], data["input/batch"], data["input/edge_index"]
    )
    edges = model.edges.embed(graph)
    assert_equal(edges.edge_length, data["output/dist"])
    assert_equal(edges.edge_attr.detach(), data["output/rbf"])
    pairs = triplets(graph.edge_index)
    order = in_order(data, pairs)
    if name == "dimenet_pyg":
        cosine = target_cosines(edges.edge_vec, pairs)
    else:
        cosine = -bond_cosines(edges.edge_vec, pairs)
    assert_equal(cosine.acos(), data["output/angle"][order])
    (features,) = model.geometry(edges, pairs)
    expected = data["output/sbf"][order]
    error = (features - expected).abs().max() / expected.abs().max()
    assert error <= 1e-9
    # messages before the first and after every layer
    found: list[Tensor] = []
    for output in model.outputs:
        output.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    model(data["input/z"], graph.pos, graph.batch, graph.edge_index)
    for k, messages in enumerate(found):
        assert_equal(messages, data[f"output/message_{k}"])


@pytest.fixture
def pyg() -> torch.nn.Module:
    """PyG's DimeNet++, with another number everywhere."""
    pytest.importorskip("scipy")
    from torch_geometric.nn.models import DimeNetPlusPlus as Reference

    sizes = {"int_emb_size": 5, "basis_emb_size": 3, "out_emb_channels": 7}
    sizes |= {"num_spherical": 4, "num_radial": 2, "num_before_skip": 2}
    return Reference(8, 2, 3, **sizes, num_after_skip=1, num_output_layers=2).double()


def test_several_outputs_and_other_sizes(pyg: torch.nn.Module) -> None:
    weights = {
        name: torch.randn_like(value) for name, value in pyg.state_dict().items()
    }
    before = {name: value.clone() for name, value in weights.items()}
    model = dimenet_from_pyg(weights, num_blocks=3, num_spherical=4)
    assert all(torch.equal(value, before[name]) for name, value in weights.items())
    assert not model.training
    assert isinstance(model.edges, EdgeEmbedding)
    out = model(torch.tensor([1, 6, 8]), torch.randn(3, 3, dtype=torch.float64))
    assert out.shape == (1, 2)
    single = {name: value.float() for name, value in weights.items()}
    model = dimenet_from_pyg(single)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_what_does_not_fit_is_named(pyg: torch.nn.Module) -> None:
    weights = dict(pyg.state_dict())
    with pytest.raises(ValueError, match=r"num_blocks=4, .* num_blocks=3"):
        dimenet_from_pyg(weights, num_blocks=4)
    with pytest.raises(ValueError, match=r"without a place: extra\.weight"):
        dimenet_from_pyg(weights | {"extra.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"'emb\.dist_emb\.freq' is missing"):
        dimenet_from_dig(weights)
    for name in ("interaction_blocks.1.lin_up.weight", "output_blocks.2.lin.weight"):
        left = {key: value for key, value in weights.items() if key != name}
        with pytest.raises(ValueError, match=f"missing: {name}"):
            dimenet_from_pyg(left)
