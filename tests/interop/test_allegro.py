"""Allegro with the weights of its authors' code, in both forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from pyg_equivariant.interop import allegro_from_reference
from pyg_equivariant.interop._allegro_forms import AllegroReader, find_reader
from pyg_equivariant.interop._placement import Placement
from pyg_equivariant.nn import ForceField

Check = Callable[[Tensor, Tensor], None]
State = dict[str, Tensor]
FILES = ("allegro_model", "allegro_v02_model")
# the names of networks without an activation, here and there
LINEAR = {
    "two_body": ("scalar_embed_mlp", "two_body_latent_mlp"),
    "latent": ("allegro_mlp", "latent_mlp"),
    "weights": ("env_embed_mlp",),
    "readout": ("readout_mlp", "edge_eng_mlp"),
}


def settings_of(data: dict[str, Any]) -> dict[str, Any]:
    """Hyper-parameters of a file, as the converter takes them."""
    meta, types = data["meta"], data["input/types"]
    numbers = dict(zip(types.tolist(), data["input/z"].tolist(), strict=True))
    names = meta["type_names"]
    spare = iter(n for n in range(100, 118) if n not in numbers.values())
    average = meta["avg_num_neighbors"]
    if isinstance(average, dict):
        average = [average[name] for name in names]
    linear = None
    if any(key.endswith("_nonlinearity") for key in meta):
        published = "two_body_latent_mlp_latent_dimensions" in meta
        default = {"weights": None, "readout": None} if published else {}
        linear = [
            name
            for name, stems in LINEAR.items()
            for stem in (stems[-1:] if published else stems[:1])
            if meta.get(f"{stem}_nonlinearity", default.get(name, "silu")) is None
        ]
    return {
        "species": [numbers.get(t, next(spare)) for t in range(len(names))],
        "r_max": meta["r_max"],
        "l_max": meta["l_max"],
        "parity": meta["parity"],
        "num_layers": meta["num_layers"],
        "avg_num_neighbors": average,
        "linear": linear,
        "latent_resnet": meta.get("latent_resnet", True),
        "polynomial_cutoff_p": meta.get(
            "polynomial_cutoff_p", meta.get("PolynomialCutoff_p", 6)
        ),
        "bessel_trainable": True,
    }


class Case:
    """A reference, and our model with its weights."""

    def __init__(self, weights: State, data: dict[str, Any]) -> None:
        self.data = data
        self.weights = weights
        self.settings = settings_of(data)
        self.model: Any = allegro_from_reference(weights, **self.settings)
        source = Placement(weights, "the reference")
        given = self.settings["species"], self.settings["l_max"]
        self.reader: AllegroReader = find_reader(source, *given)

    def energy(self, pos: Tensor, edges: str = "edge_index", **leaves: Tensor) -> Any:
        """Energies, as a function of what the reference calls its weights."""
        data, model = self.data, self.model
        owned: State = {}
        for own, entry in self.reader.names(model).items():
            name, change = (entry, None) if isinstance(entry, str) else entry
            value = leaves.get(name, self.weights[name])
            owned[own] = value if change is None else change(value)
        for name, value in leaves.items():
            if name.endswith("bessel_weights"):
                factor, stem = math.pi, "edges.basis.frequency"
                if self.reader.published:
                    factor, stem = 1.0, "edges.basis.bessel.frequency"
                owned[stem] = value.flatten() * factor
        given = data["input/z"], pos, data["input/batch"], data[f"input/{edges}"]
        return functional_call(model, owned, given)


@pytest.fixture(params=FILES)
def case(request: pytest.FixtureRequest, reference: Any) -> Case:
    return Case(*reference(request.param))


def test_golden_energies_and_forces(case: Case, assert_equal: Check) -> None:
    data, model = case.data, case.model
    given = data["input/z"], data["input/pos"], data["input/batch"]
    found = ForceField(model)(*given)  # with its own neighbors
    assert_equal(found.energy, data["output/energy"])
    assert_equal(found.forces, data["output/forces"])
    for end in ("", "_directed"):
        edges = data[f"input/edge_index{end}"]
        found = ForceField(model)(*given, edges)
        assert_equal(found.energy, data[f"output/energy{end}"])
        assert_equal(found.forces, data[f"output/forces{end}"])
        atomic = model.atomic_energies(given[0], model.graph(*given[1:], edges))
        assert_equal(atomic, data[f"output/atomic_energy{end}"])


def test_golden_derivatives(case: Case, assert_equal: Check) -> None:
    data = case.data
    names = [name for name in case.weights if f"grad/weight.{name}" in data]
    leaves = {name: case.weights[name].clone().requires_grad_() for name in names}
    pos = data["input/pos"].clone().requires_grad_()
    energy = case.energy(pos, **leaves)
    wanted = [pos, *leaves.values()]
    options: dict[str, Any] = {"materialize_grads": True}
    first = torch.autograd.grad(energy.sum(), wanted, create_graph=True, **options)
    assert_equal(first[0], data["grad/pos"])
    second = torch.autograd.grad(first[0].square().sum(), wanted, **options)
    assert_equal(second[0], data["grad/second_pos"])
    for kind, gradients in (("weight", first), ("force_weight", second)):
        for name, gradient in zip(names, gradients[1:], strict=True):
            expected = data.get(f"grad/{kind}.{name}")
            if expected is None:
                continue
            if expected.any():
                assert_equal(gradient.detach(), expected)
            else:
                assert not gradient.any()
