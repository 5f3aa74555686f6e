from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop._placement import Placement, build
from pyg_equivariant.nn.mlp import MLP


def _weights(mlp: MLP) -> dict[str, Tensor]:
    return {
        f"{k}.{name}": torch.randn_like(getattr(linear, name))
        for k, linear in enumerate(mlp.linears)
        for name in ("weight", "bias")
    }


def test_every_tensor_finds_its_place() -> None:
    mlp = MLP([2, 3, 4])
    weights = _weights(mlp)
    placement = Placement(weights, "a perceptron")
    assert placement.finish(mlp, {"linears.{}": "{}"}) is mlp
    assert torch.equal(mlp.linears[0].weight, weights["0.weight"])
    assert torch.equal(mlp.linears[1].bias, weights["1.bias"])


def test_all_faults_are_listed_at_once() -> None:
    mlp = MLP([2, 3, 4, 5])
    weights = _weights(mlp)
    weights["more"] = torch.zeros(1)
    weights["0.bias"] = torch.zeros(7)
    del weights["1.weight"]
    placement = Placement(weights, "a perceptron")
    placement.place("0", mlp.linears[0])
    placement.place("1", mlp.linears[1])
    with pytest.raises(ValueError, match="a perceptron as MLP") as error:
        placement.finish(mlp, {})
    message = str(error.value)
    assert "names without a place: 2.weight, 2.bias, more" in message
    assert "names that are missing: 1.weight" in message
    assert "tensors of another shape: 0.bias: shape (7,), expected (3,)" in message
    assert "stay unset: linears.2.weight, linears.2.bias" in message


def test_names_are_ignored_on_purpose_only() -> None:
    weights = {
        "weight": torch.eye(2),
        "again": torch.eye(2),
        "other": torch.zeros(2, 2),
    }
    linear = torch.nn.Linear(2, 2, bias=False)
    placement = Placement(weights, "a linear map")
    placement.place("weight", linear.weight)
    placement.ignore_copies("again", "weight")
    placement.ignore_copies("other", "weight")
    with pytest.raises(ValueError, match=r"without a place: other$"):
        placement.finish(linear, {})
    placement.ignore(["other", "never there"])
    placement.finish(linear, {})


def test_layers_are_counted_to_the_first_gap() -> None:
    names = ["l.0.a", "l.0.b", "l.1.a", "l.3.a", "m.0", "l.10.a"]
    placement = Placement(dict.fromkeys(names, torch.zeros(1)), "a stack")
    assert placement.count("l.") == 2
    assert placement.count("m.") == 1
    assert placement.count("n.") == 0


def test_sizes_are_compared() -> None:
    placement = Placement({}, "a network")
    placement.agree(width=(None, 3), depth=(2, 2))
    with pytest.raises(ValueError, match=r"got width=4, .* has width=3"):
        placement.agree(depth=(2, 2), width=(4, 3))


def test_what_is_no_state_dict_is_refused() -> None:
    with pytest.raises(TypeError, match=r"'model' is Linear; pass module.state_dict"):
        Placement({"model": torch.nn.Linear(1, 1)}, "a network")  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="holds a, b, c, d, e, f, g, h and 1 more"):
        Placement(dict.fromkeys("abcdefghi", torch.zeros(1)), "x").shape("w", 1)
    with pytest.raises(ValueError, match=r"has 2 dimensions, got shape \(1,\)"):
        Placement({"w": torch.zeros(1)}, "x").shape("w", 2)


def test_building_leaves_the_random_state_alone() -> None:
    state = torch.get_rng_state()
    like = torch.zeros(1, dtype=torch.float64)
    mlp = build(like, MLP, [2, 3])
    assert torch.equal(torch.get_rng_state(), state)
    assert mlp.linears[0].weight.dtype == torch.float64
    assert not mlp.training
