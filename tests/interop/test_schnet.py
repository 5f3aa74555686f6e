from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import SchNet as PyGSchNet

from pyg_equivariant.interop.schnet import schnet_from_pyg
from pyg_equivariant.nn.models.schnet import SchNet

Check = Callable[[Tensor, Tensor], None]


@pytest.fixture
def weights() -> dict[str, Tensor]:
    """Those of a small model of PyG, in float64."""
    return PyGSchNet(8, 6, 2, num_gaussians=7, cutoff=4.0).double().state_dict()


def test_golden_file(reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference("schnet_pyg")
    meta = data["meta"]
    before = {name: value.clone() for name, value in state_dict.items()}
    model = schnet_from_pyg(state_dict, cutoff=meta["cutoff"])
    assert all(torch.equal(value, before[name]) for name, value in state_dict.items())
    assert (model.hidden_channels, model.num_filters) == (
        meta["hidden"],
        meta["filters"],
    )
    assert (model.num_layers, model.num_radial) == (
        meta["interactions"],
        meta["gaussians"],
    )
    pos = data["input/pos"].requires_grad_()
    edge_index = data["input/edge_index"]
    lengths = (pos[edge_index[0]] - pos[edge_index[1]]).norm(dim=-1)
    assert lengths.max() < meta["cutoff"]  # beyond it the two differ
    energy = model(data["input/z"], pos, data["input/batch"], edge_index)
    assert_equal(energy, data["output/energy"])
    (gradient,) = torch.autograd.grad(energy.sum(), pos)
    assert_equal(gradient, data["grad/energy_pos"])
    edges = edge_index, data["input/edge_length"], data["input/edge_attr"]
    x = model.convs[0](data["input/x"], *edges)
    assert_equal(x, data["output/cfconv"])
    assert_equal(model.linears[0](model.act(x)), data["output/interaction"])


def test_the_cutoff_is_where_the_gaussians_end(weights: dict[str, Tensor]) -> None:
    assert schnet_from_pyg(weights).cutoff == 4.0
    for cutoff in (5.1, 10.0, 0.3):
        for dtype in (torch.float32, torch.float64):
            offset = torch.linspace(0, cutoff, 7, dtype=dtype)
            changed = weights | {"distance_expansion.offset": offset.double()}
            assert schnet_from_pyg(changed).cutoff == cutoff
    with pytest.raises(
        ValueError, match=r"cutoff=5.0, but the Gaussians .* end at 4.0"
    ):
        schnet_from_pyg(weights, cutoff=5.0)


def test_the_model_is_ready(weights: dict[str, Tensor]) -> None:
    model = schnet_from_pyg(weights)
    assert isinstance(model, SchNet)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    single = {name: value.float() for name, value in weights.items()}
    assert {p.dtype for p in schnet_from_pyg(single).parameters()} == {torch.float32}
    # copies, not views
    model.embedding.weight.data.zero_()
    assert weights["embedding.weight"].abs().sum() > 0


def test_its_own_state_dict_holds_everything(
    weights: dict[str, Tensor], small_graph: dict[str, Tensor]
) -> None:
    exact = torch.linspace(0, 4, 7, dtype=torch.float64)
    weights = weights | {"distance_expansion.offset": exact}
    model = schnet_from_pyg(weights, mean=-3.0, std=2.0)
    again = SchNet(8, 6, 2, 7, 4.0, atomref=torch.zeros(100)).double()
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(
        again(**small_graph), model(**small_graph), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("extra.weight", torch.zeros(2), "without a place: extra.weight"),
        ("lin1.weight", None, "missing: lin1.weight; .* unset|missing: lin1.weight"),
        ("lin2.bias", torch.zeros(3), r"lin2.bias: shape \(3,\), expected \(1,\)"),
        ("interactions.1.lin.bias", None, "missing: interactions.1.lin.bias"),
        (
            "interactions.1.conv.nn.0.bias",
            torch.ones(6),
            "place: interactions.1.conv.nn",
        ),
        ("embedding.weight", None, "'embedding.weight' is missing"),
        ("distance_expansion.offset", None, "offset' is missing"),
    ],
)
def test_what_does_not_fit_is_named(
    weights: dict[str, Tensor], name: str, value: Tensor | None, match: str
) -> None:
    changed = weights | {name: value}
    if value is None:
        del changed[name]
    with pytest.raises(ValueError, match=match):
        schnet_from_pyg(changed)


def test_names_listed_twice_may_be_missing(weights: dict[str, Tensor]) -> None:
    once = {name: value for name, value in weights.items() if ".conv.nn." not in name}
    assert len(once) == len(weights) - 8
    model, again = schnet_from_pyg(weights), schnet_from_pyg(once)
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"readout": "max"}, "readout is 'add', 'sum' or 'mean', got 'max'"),
        ({"mean": 1.0}, "mean and std together"),
        ({"hidden_channels": 9}, "hidden_channels=9, .* hidden_channels=8"),
        ({"num_filters": 7}, "num_filters=6"),
        ({"num_interactions": 3}, "num_interactions=2"),
        ({"num_gaussians": 50}, "num_gaussians=7"),
        ({"dipole": True}, "dipole=False"),
    ],
)
def test_hyper_parameters_that_contradict_are_refused(
    weights: dict[str, Tensor], kwargs: dict[str, Any], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        schnet_from_pyg(weights, **kwargs)
