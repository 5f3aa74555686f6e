"""NequIP with the weights of its authors' code, in both forms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from pyg_equivariant.interop import nequip_from_reference
from pyg_equivariant.interop._nequip_forms import find_reader
from pyg_equivariant.interop._nequip_reader import NequIPReader
from pyg_equivariant.interop._placement import Placement
from pyg_equivariant.interop.nequip import _turn_signs
from pyg_equivariant.nn import ForceField, NequIP
from pyg_equivariant.o3 import Irreps

Check = Callable[[Tensor, Tensor], None]
State = dict[str, Tensor]
FILES = ("nequip_model", "nequip_v06_model")


def settings_of(data: dict[str, Any]) -> dict[str, Any]:
    """Hyper-parameters of a file, as the converter takes them."""
    meta, types = data["meta"], data["input/types"]
    numbers = dict(zip(types.tolist(), data["input/z"].tolist(), strict=True))
    names = meta["type_names"]
    spare = iter(n for n in range(100, 118) if n not in numbers.values())
    return {
        "species": [numbers.get(t, next(spare)) for t in range(len(names))],
        "r_max": meta["r_max"],
        "l_max": meta["l_max"],
        "parity": meta["parity"],
        "num_features": meta["num_features"],
        "num_layers": meta["num_layers"],
        "avg_num_neighbors": meta["avg_num_neighbors"],
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
        self.model: Any = nequip_from_reference(weights, **self.settings)
        source = Placement(weights, "the reference")
        self.reader: NequIPReader = find_reader(source, self.settings["species"])

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
                factor = 1.0 if self.reader.published else math.pi
                owned["edges.basis.frequency"] = value.flatten() * factor
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
        if f"output/atomic_energy{end}" in data:
            graph = model.graph(*given[1:], edges)
            atomic = model.atomic_energies(given[0], graph)
            assert_equal(atomic, data[f"output/atomic_energy{end}"])


def test_golden_derivatives(case: Case, assert_equal: Check) -> None:
    data = case.data
    names = [name for name in case.weights if f"grad/weight.{name}" in data]
    leaves = {name: case.weights[name].clone().requires_grad_() for name in names}
    pos = data["input/pos"].clone().requires_grad_()
    energy = case.energy(pos, **leaves)
    wanted = [pos, *leaves.values()]
    first = torch.autograd.grad(energy.sum(), wanted, create_graph=True)
    assert_equal(first[0], data["grad/pos"])
    for name, gradient in zip(names, first[1:], strict=True):
        assert_equal(gradient.detach(), data[f"grad/weight.{name}"])
    second = torch.autograd.grad(first[0].square().sum(), wanted)
    assert_equal(second[0], data["grad/second_pos"])
    for name, gradient in zip(names, second[1:], strict=True):
        if f"grad/force_weight.{name}" in data:
            assert_equal(gradient, data[f"grad/force_weight.{name}"])


def _steps(case: Case) -> Iterator[tuple[str, Tensor, Irreps]]:
    data, model = case.data, case.model
    which = "edge_index_directed" if case.reader.published else "edge_index"
    seen: list[Tensor] = []
    for act in model.acts:
        act.register_forward_hook(lambda _, __, out: seen.append(out))
    case.energy(data["input/pos"], which)
    for k, (act, out) in enumerate(zip(model.acts, seen, strict=True)):
        yield f"output/layer{k}_convnet", out, act.irreps_out


def test_golden_layers(case: Case, assert_equal: Check) -> None:
    expected = case.data["meta"]["layer_irreps_out"]
    for k, (name, out, irreps) in enumerate(_steps(case)):
        assert irreps.remove_zero_multiplicities() == Irreps(expected[k])
        assert_equal(irreps.to_mul_ir(out), case.data[name])


def test_golden_edges(case: Case, assert_equal: Check) -> None:
    data, model = case.data, case.model
    which = "edge_index_directed" if case.reader.published else "edge_index"
    edges = model.edges(data["input/pos"], edge_index=data[f"input/{which}"])
    assert_equal(edges.edge_sh, data["output/edge_sh"])
    assert_equal(edges.edge_attr, data["output/edge_embedding"])


def _small(published: bool = False, **options: Any) -> tuple[State, dict[str, Any]]:
    """A state as the authors' code would have it, and its settings."""
    settings: dict[str, Any] = {"r_max": 3.0, "l_max": 1, "species": (1, 8)}
    settings |= {"avg_num_neighbors": 4.0}
    model = NequIP(
        *(3, 1, 3, 4, 3.0),
        radial_channels=(5,),
        species=(1, 8),
        published=published,
        **options,
    )
    state: State = {}
    for k, conv in enumerate(model.convs):
        stem = f"layer{k}_convnet.conv."
        state[f"{stem}linear_1.weight"] = conv.mix_in.weight
        state[f"{stem}linear_2.weight"] = conv.mix_out.weight
        for n, weight in enumerate(conv.radial.weights):
            name = f"fc.layer{n}" if published else f"edge_mlp.mlp.{2 * n}"
            state[f"{stem}{name}.weight"] = weight
        if conv.self_connection is not None:
            state[f"{stem}sc.weight"] = conv.self_connection.weight.flatten()
    frequency = model.edges.basis.frequency
    if published:
        state["chemical_embedding.linear.weight"] = torch.randn(6)
        state["conv_to_output_hidden.linear.weight"] = torch.randn(3)
        state["output_hidden_to_scalar.linear.weight"] = torch.randn(1)
        state["radial_basis.basis.bessel_weights"] = frequency
    else:
        state["type_embed.embed_module.weight"] = torch.randn(2, 3)
        state["bessel_encode.bessel_weights"] = frequency.view(1, -1) / math.pi
        state["per_atom_energy_readout.mlp_module.mlp.0.weight"] = torch.randn(3, 1)
    return {f"model.{k}": v.detach().clone() for k, v in state.items()}, settings


@pytest.mark.parametrize("published", [False, True])
def test_frequencies_are_trained_further_where_they_were_trained(
    published: bool,
) -> None:
    state, settings = _small(published)
    model = nequip_from_reference(state, **settings)
    assert "edges.basis.frequency" not in dict(model.named_parameters())
    (name,) = (name for name in state if name.endswith("bessel_weights"))
    state[name] = state[name] * 1.01
    model = nequip_from_reference(state, **settings)
    assert dict(model.named_parameters())["edges.basis.frequency"].requires_grad
    kept = nequip_from_reference(state, **settings, bessel_trainable=False)
    z, pos = torch.tensor([8, 1, 1]), torch.rand(3, 3)
    torch.testing.assert_close(kept(z, pos), model(z, pos))


def test_units_of_the_published_network() -> None:
    state, settings = _small(True)
    z, pos = torch.tensor([8, 1, 1]), torch.rand(3, 3)
    bare = nequip_from_reference(state, **settings)
    scales, shifts = torch.tensor([1.5, 0.5]), torch.tensor([-3.0, -40.0])
    state |= {"model.per_species_rescale.scales": scales}
    state |= {"model.per_species_rescale.shifts": shifts}
    state["scale_by"] = torch.tensor(2.5)
    model = nequip_from_reference(state, **settings)
    atomic = bare.atomic_energies(z, bare.graph(pos)).squeeze(-1).float()
    types = torch.tensor([1, 0, 0])
    expected = 2.5 * (atomic * scales[types] + shifts[types]).sum()
    torch.testing.assert_close(model(z, pos).squeeze(), expected)
    del state["model.per_species_rescale.scales"]
    del state["model.per_species_rescale.shifts"]
    model = nequip_from_reference(state, **settings)
    torch.testing.assert_close(model(z, pos), 2.5 * bare(z, pos))


def test_empty_units_are_none() -> None:
    state, settings = _small()
    z, pos = torch.tensor([8, 1, 1]), torch.rand(3, 3)
    bare = nequip_from_reference(state, **settings)
    stem = "model.per_type_energy_scale_shift."
    state |= {f"{stem}scales": torch.ones(0), f"{stem}shifts": torch.ones(0)}
    model = nequip_from_reference(state, **settings)
    torch.testing.assert_close(model(z, pos), bare(z, pos))


def test_older_couplings_turn_the_weights_of_their_paths() -> None:
    state, settings = _small()
    new = nequip_from_reference(state, **settings)
    old = nequip_from_reference(state, **settings, e3nn_version="0.4.4")
    assert all(map(torch.equal, new.parameters(), old.parameters()))  # up to degree 1
    model = NequIP(3, 2, 3, 4, 3.0, species=(1, 8), e3nn_constants=True)
    before = [conv.radial.weights[-1].detach().clone() for conv in model.convs]
    _turn_signs(model)
    for conv, weight in zip(model.convs, before, strict=True):
        product = conv.tp.product
        turned = conv.radial.weights[-1] != weight
        for path, part in zip(product.paths, product.weight_slices, strict=True):
            degrees = sorted(block.ir.l for block in product.blocks(path))
            assert turned[:, part].all() == (degrees == [1, 2, 2])
            assert turned[:, part].any() == (degrees == [1, 2, 2])


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"species": (1, 6, 8)}, ValueError, "knows 2 types, got 3 species"),
        ({"species": (1,)}, ValueError, "knows 2 types, got 1 species"),
        ({"num_layers": 2}, ValueError, "got num_layers=2, .* has num_layers=3"),
        ({"l_max": 2}, ValueError, r"another shape: .*edge_mlp"),
        ({"parity": False}, ValueError, "another shape: .*"),
        ({"num_features": 4}, ValueError, r"another shape: .*linear_1"),
        ({"r_max": 4.0}, ValueError, r"got r_max=4\.0, .* has r_max=3\.0"),
        ({"version": "0.12.1"}, ValueError, r"0\.12\.1 orders irreps by parity before"),
        (
            {"version": "0.6.1"},
            ValueError,
            r"names .* are those of nequip 0\.16 or later",
        ),
        ({"version": "new"}, ValueError, r"expected a version such as '0\.16'"),
        ({"avg_num_neighbors": {"H": 3.0}}, TypeError, "one for each type"),
    ],
)
def test_what_contradicts_the_weights_is_named(
    change: dict[str, Any], error: type[Exception], match: str
) -> None:
    state, settings = _small()
    state["model.edge_norm._rmax_recip"] = torch.tensor([1 / 3.0])
    assert nequip_from_reference(state, **settings).cutoff == 3.0
    with pytest.raises(error, match=match):
        nequip_from_reference(state, **{**settings, **change})


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("type_embed.embed_module", "'type_embed.embed_module.weight' is missing"),
        ("layer1_convnet.conv.sc", r"missing: model\.layer1_convnet\.conv\.sc\.weight"),
        ("per_atom_energy_readout.mlp_module.mlp.0", r"mlp\.0\.weight' is missing"),
        ("layer0_convnet.conv.edge_mlp.mlp.0", "another shape|missing"),
    ],
)
def test_what_is_missing_is_named(name: str, match: str) -> None:
    state, settings = _small()
    del state[f"model.{name}.weight"]
    with pytest.raises(ValueError, match=match):
        nequip_from_reference(state, **settings)


def test_what_has_no_place_is_named() -> None:
    state, settings = _small()
    state["model.pair_potential.atomic_numbers"] = torch.ones(2)
    with pytest.raises(ValueError, match=r"without a place: model\.pair_potential"):
        nequip_from_reference(state, **settings)
    del state["model.pair_potential.atomic_numbers"]
    state["model.layer0_convnet.conv.tp.tp.output_mask"] = torch.ones(4)
    state["model.layer0_convnet.conv.tp.tp.weight"] = torch.ones(0)
    nequip_from_reference(state, **settings)


def test_an_unknown_species_is_named() -> None:
    state, settings = _small()
    model = nequip_from_reference(state, **settings)
    with pytest.raises(ValueError, match=r"knows the species \[1, 8\], got \[6\]"):
        model(torch.tensor([6, 1]), torch.rand(2, 3))
