"""The N-body benchmark's modules against their authors' numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop.particles import particles_from_reference
from pyg_equivariant.nn import MPNNConv, RadialFieldConv
from pyg_equivariant.nn.particles import (
    LinearMotion,
    ParticleEGNN,
    ParticleMPNN,
    ParticleSE3Transformer,
    RadialField,
)
from pyg_equivariant.o3 import Irreps

Check = Callable[[Tensor, Tensor], None]


def _activation(meta: dict[str, Any]) -> str:
    return str(meta["act"]).lower()


def _below(weights: dict[str, Tensor], stem: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(stem): value
        for name, value in weights.items()
        if name.startswith(stem)
    }


def _moved(model: Any, data: dict[str, Any]) -> Tensor:
    edge_attr = data.get("input/charge_product", data.get("input/edge_attr"))
    given = (data[f"input/{name}"] for name in ("pos", "vel", "charge", "edge_index"))
    return model(*given, edge_attr, data["input/batch"])


def _check_gradients(out: Tensor, data: dict[str, Any], check: Check) -> None:
    """Those that the file holds, of the sum of the output times a cotangent."""
    names = _differentiated(data)
    if not names:
        return
    total = (out * data.get("input/cotangent", torch.ones_like(out))).sum()
    found = torch.autograd.grad(total, [data[f"input/{name}"] for name in names])
    for name, gradient in zip(names, found, strict=True):
        check(gradient, data[f"grad/{name}"])


def _differentiated(data: dict[str, Any]) -> list[str]:
    return [key.removeprefix("grad/") for key in data if key.startswith("grad/")]


def _with_leaves(data: dict[str, Any]) -> dict[str, Any]:
    names = [f"input/{name}" for name in _differentiated(data)]
    return data | {name: data[name].clone().requires_grad_() for name in names}


def test_golden_radial_field_layer(reference: Any, assert_equal: Check) -> None:
    weights, data = reference("nbody_radial_field_layer")
    data = _with_leaves(data)
    conv = particles_from_reference(weights, act_fn=_activation(data["meta"]))
    assert isinstance(conv, RadialFieldConv)
    assert conv.hidden_channels == data["meta"]["nf"]
    names = ("pos", "edge_index", "edge_attr", "vel")
    for fuse in (True, False):
        conv.fuse = fuse
        out = conv(*(data[f"input/{name}"] for name in names))
        assert_equal(out, data["output/pos"])
        _check_gradients(out, data, assert_equal)


@pytest.mark.parametrize("attention", [False, True])
def test_golden_message_passing_layers(
    attention: bool, reference: Any, assert_equal: Check
) -> None:
    weights, data = reference("nbody_gnn_layer" + "_attention" * attention)
    data, meta = _with_leaves(data), data["meta"]
    options = {"act_fn": _activation(meta), "recurrent": meta["recurrent"]}
    conv = particles_from_reference(weights, **options)
    assert isinstance(conv, MPNNConv)
    assert conv.attention == meta["attention"] == attention
    messages: list[Tensor] = []
    conv.register_message_forward_hook(lambda *args: messages.append(args[2]))
    names = ("x", "edge_index", "edge_attr")
    for fuse in (True, False):
        conv.fuse = fuse
        out = conv(*(data[f"input/{name}"] for name in names))
        assert_equal(out, data["output/x"])
        _check_gradients(out, data, assert_equal)
    assert_equal(messages[-1], data["output/message"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [("radial_field_model", RadialField), ("gnn_model", ParticleMPNN)],
)
def test_golden_models(
    name: str, kind: type, reference: Any, assert_equal: Check
) -> None:
    weights, data = reference(f"nbody_{name}")
    data, meta = _with_leaves(data), data["meta"]
    model: Any = particles_from_reference(weights, act_fn=_activation(meta))
    assert isinstance(model, kind)
    assert model.hidden_channels == meta["hidden_nf"]
    assert model.num_layers == meta["n_layers"]
    out = _moved(model, data)
    assert_equal(out, data["output/pos"])
    _check_gradients(out, data, assert_equal)


def test_golden_linear(reference: Any, assert_equal: Check) -> None:
    weights, data = reference("nbody_linear")
    for name in ("linear_vel", "linear"):
        model: Any = particles_from_reference(_below(weights, f"{name}."))
        assert isinstance(model, LinearMotion)
        pos, vel = data["input/pos"], data["input/vel"]
        out = model(pos, vel, pos.new_ones(len(pos), 1))
        assert_equal(out, data[f"output/{name}"])


def test_golden_egnn(reference: Any, assert_equal: Check) -> None:
    weights, data = reference("nbody_egnn_vel_normdiff_tanh")
    data, meta = _with_leaves(data), data["meta"]
    model: Any = particles_from_reference(
        weights,
        act_fn=_activation(meta),
        tanh=meta["tanh"],
        norm_diff=bool(meta["norm_diff"]),
    )
    assert isinstance(model, ParticleEGNN)
    out = _moved(model, data)
    assert_equal(out, data["output/pos"])
    _check_gradients(out, data, assert_equal)
    assert model.arguments["hidden_channels"] == meta["hidden_nf"]


@pytest.mark.parametrize("name", ["tfn", "se3_transformer"])
def test_golden_steerable_networks(
    name: str, reference: Any, assert_equal: Check
) -> None:
    weights, data = reference(f"nbody_{name}")
    data, meta = _with_leaves(data), data["meta"]
    model: Any = particles_from_reference(weights, signs=meta["signs"])
    assert isinstance(model, ParticleSE3Transformer)
    assert model.attention == (name == "se3_transformer")
    assert model.num_layers == meta["n_layers"]
    assert model.se3.irreps_hidden.dim == Irreps(meta["irreps_hidden"]).dim
    out = _moved(model, data)
    assert_equal(out - data["input/pos"], data["output/displacement"])
    assert_equal(out, data["output/pos"])
    _check_gradients(out, data, assert_equal)


@pytest.mark.parametrize(
    "model",
    [
        RadialFieldConv(6, 2, velocity=True),
        RadialFieldConv(6),
        MPNNConv(4, 6, 4, edge_dim=2, attention=True),
        MPNNConv(4, 6, 4),
        RadialField(6, 2),
        ParticleMPNN(6, 3, attention=True),
        ParticleEGNN(6, 2, attention=True),
    ],
    ids=lambda model: str(model).partition("(")[0],
)
def test_a_round_trip_through_the_names_of_the_authors(model: Any) -> None:
    """Any size and option that the names tell."""
    names = _authors_names(model)
    found: Any = particles_from_reference(names)
    assert str(found) == str(model)
    for a, b in zip(found.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)


def _authors_names(model: Any) -> dict[str, Tensor]:
    from pyg_equivariant.interop import egnn, particles

    tables = [particles._FIELD, particles._MESSAGES, particles._ENDS]
    if isinstance(model, ParticleEGNN):
        tables = [egnn._LAYER, egnn._MODEL]
    out = {}
    for name, value in model.state_dict().items():
        *rest, last = name.removeprefix("egnn.").split(".")
        if not rest:  # units of a prediction, which this one has none of
            continue
        stem = f"gcl_{rest[1]}." if rest[0] == "convs" else ""
        part = ".".join(rest[2:] if stem else rest)
        theirs = next(table[part] for table in tables if part in table)
        out[f"{stem}{theirs}.{last}"] = value
    return out


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="without a place: other"):
        particles_from_reference({"time": torch.ones(1), "other": torch.ones(1)})
    with pytest.raises(ValueError, match="no state_dict of the N-body benchmark"):
        particles_from_reference({"weight": torch.ones(1)})
