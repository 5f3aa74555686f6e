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
from pyg_equivariant.interop._allegro_forms import (
    AllegroReader,
    CurrentReader,
    PublishedReader,
    find_reader,
)
from pyg_equivariant.interop._placement import Placement
from pyg_equivariant.nn import Allegro, AllegroConv, ForceField
from pyg_equivariant.o3 import Irreps

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


def _seen(case: Case) -> dict[str, Tensor]:
    """What arises at the directed edges, by the names of both files."""
    data, model = case.data, case.model
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda _, __, out: found.update({name: out})

    model.track.two_body.register_forward_hook(keep("two_body"))
    for k, (latent, conv) in enumerate(
        zip(model.track.latents, model.convs, strict=True)
    ):
        latent.register_forward_hook(keep(f"latent_{k}"))
        join = conv.join

        def seen(
            v: Tensor, a: Tensor, edges: Tensor, join: Any = join, k: int = k
        ) -> Tensor:
            out = join(v, a, edges)
            found.update({f"v_{k}": v, f"environment_{k}": a, f"tp_{k}": out})
            return out

        conv.join = seen
    edges = data["input/edge_index_directed"]
    model(data["input/z"], data["input/pos"], data["input/batch"], edges)
    return found


def _strided(x: Tensor, irreps: Irreps) -> Tensor:
    """The authors' layout, ``(edges, channels, components)``."""
    blocks = irreps.split(x)
    return torch.cat(blocks, dim=1).transpose(1, 2)


@pytest.mark.parametrize("name", FILES)
def test_golden_steps(name: str, reference: Any, assert_equal: Check) -> None:
    case = Case(*reference(name))
    data, found, convs = case.data, _seen(case), case.model.convs
    edges = data["input/edge_index_directed"]
    for k, conv in enumerate(convs):
        environment = _strided(found[f"environment_{k}"], conv.tp.irreps_out)
        if case.reader.published:  # at every edge
            environment = environment[edges[1]]
        assert_equal(environment, data[f"output/environment_{k}"])
        tp = _strided(found[f"tp_{k}"], conv.product.irreps_out)
        assert_equal(tp, data[f"output/tp_{k}"])
    if case.reader.published:
        assert_equal(found["two_body"], data["output/latent_mlp_0"])
        for k in range(1, len(convs)):
            assert_equal(found[f"latent_{k - 1}"], data[f"output/latent_mlp_{k}"])
            linear = _strided(found[f"v_{k}"], convs[k].irreps_in)
            assert_equal(linear, data[f"output/linear_{k - 1}"])
        return
    assert_equal(found["two_body"], data["output/scalar_embedding"])
    embedded = _strided(found["v_0"], convs[0].irreps_in)
    assert_equal(embedded, data["output/tensor_embedding"])
    channels = case.model.hidden_channels
    for k in range(len(convs)):
        latent, expected = found[f"latent_{k}"], data[f"output/latent_{k}"]
        assert_equal(latent[:, :channels], expected[:, :channels])


def _small(published: bool = False, l_max: int = 2) -> tuple[State, dict[str, Any]]:
    """A state as the authors' code would have it, and its settings."""
    settings: dict[str, Any] = {"r_max": 3.0, "l_max": l_max, "species": (1, 8)}
    settings |= {"avg_num_neighbors": 4.0}
    model = Allegro(
        *(4, 2, l_max, 3, 4, 3.0),
        two_body_channels=(5,),
        latent_channels=(5,),
        readout_channels=(3,),
        published=published,
        species=(1, 8),
    )
    stub: Any = AllegroReader.__new__(PublishedReader if published else CurrentReader)
    stub.root, stub.num_layers = "model.", 3
    stub.tensors, stub.channels = 2, 4
    ends = [0, 2] if not published else [0, 1]
    if published:
        stub._steps = [
            [f"model.allegro.latents.{k}._forward._weight_{n}" for n in ends]
            for k in range(3)
        ] + [[f"model.allegro.final_latent._forward._weight_{n}" for n in ends]]
        stub._weights = [
            [f"model.allegro.env_embed_mlps.{k}._forward._weight_0"] for k in range(3)
        ]
        stub._ends = [f"model.edge_eng._module._forward._weight_{n}" for n in ends]
    else:
        stub._two_body = [
            f"model.scalar_embed_mlp.mlp_module.mlp.{n}.weight" for n in ends
        ]
        stub._latents = [
            [f"model.allegro.latents.{k}.mlp.{n}.weight" for n in ends]
            for k in range(3)
        ]
        stub._ends = [f"model.edge_readout.mlp_module.mlp.{n}.weight" for n in ends]
    state: State = {}
    parameters = dict(model.named_parameters())
    for own, entry in stub.names(model).items():
        theirs = entry if isinstance(entry, str) else entry[0]
        value = torch.randn_like(parameters[own])
        if ".tps." in theirs:
            value = value.T.contiguous()
        state[theirs] = value
    frequency = torch.arange(1.0, 5.0)
    if published:
        stem = "model.radial_basis.basis."
        basis: Any = model.edges.basis
        state[f"{stem}_mean"] = basis.mean
        state[f"{stem}_inv_std"] = basis.inverse_std
        state[f"{stem}basis.bessel_weights"] = frequency * math.pi
        state["model.allegro.per_layer_cutoffs"] = torch.full((4,), 3.0)
        state["model.allegro.env_sum_normalizations"] = torch.full((3,), 0.5)
    else:
        stem = "model.radial_chemical_embed.bessel_encode."
        state[f"{stem}bessel_weights"] = frequency.unsqueeze(0)
        state["model.edge_norm._rmax_recip"] = torch.tensor(1 / 3.0)
    return state, settings


@pytest.mark.parametrize("published", [False, True])
def test_frequencies_are_trained_further_where_they_were_trained(
    published: bool,
) -> None:
    state, settings = _small(published)
    model = allegro_from_reference(state, **settings)
    assert not any("frequency" in name for name, _ in model.named_parameters())
    (name,) = (name for name in state if name.endswith("bessel_weights"))
    state[name] = state[name] * 1.01
    model = allegro_from_reference(state, **settings)
    assert any("frequency" in name for name, _ in model.named_parameters())
    kept = allegro_from_reference(state, **settings, bessel_trainable=False)
    z, pos = torch.tensor([8, 1, 1]), torch.rand(3, 3)
    torch.testing.assert_close(kept(z, pos), model(z, pos))


@pytest.mark.parametrize("published", [False, True])
def test_older_couplings_turn_the_weights_of_their_paths(published: bool) -> None:
    state, settings = _small(published)
    new, old = (
        allegro_from_reference(state, **settings, e3nn_version=version)
        for version in ("0.5.9", "0.4.4")
    )
    turned = 0
    for a, b in zip(new.convs, old.convs, strict=True):
        assert isinstance(a, AllegroConv)
        assert isinstance(b, AllegroConv)
        product = a.product.product
        ours, theirs = (
            (c.weight if c.mix is None else c.mix.weight).reshape(
                len(product.paths), -1
            )
            for c in (a, b)
        )
        for n, path in enumerate(product.paths):
            flips = sorted(block.ir.l for block in product.blocks(path)) == [1, 2, 2]
            assert torch.equal(theirs[n], -ours[n] if flips else ours[n])
            turned += flips
    assert turned > 0


def test_units_of_the_published_network() -> None:
    state, settings = _small(True)
    z, pos = torch.tensor([8, 1, 1]), torch.rand(3, 3)
    bare = allegro_from_reference(state, **settings)
    scales, shifts = torch.tensor([1.5, 0.5]), torch.tensor([-3.0, -40.0])
    state |= {"model.per_species_rescale.scales": scales}
    state |= {"model.per_species_rescale.shifts": shifts}
    state["scale_by"] = torch.tensor(2.5)
    model = allegro_from_reference(state, **settings)
    atomic = bare.atomic_energies(z, bare.graph(pos)).squeeze(-1).float()
    types = torch.tensor([1, 0, 0])
    expected = 2.5 * (atomic * scales[types] + shifts[types]).sum()
    torch.testing.assert_close(model(z, pos).squeeze(), expected)


@pytest.mark.parametrize(
    ("published", "change", "error", "match"),
    [
        (False, {"species": (1, 6, 8)}, ValueError, "knows 2 types, got 3 species"),
        (True, {"species": (1,)}, ValueError, "knows 2 types, got 1 species"),
        (False, {"num_layers": 2}, ValueError, "got num_layers=2, .* num_layers=3"),
        (True, {"num_layers": 2}, ValueError, "got num_layers=2, .* num_layers=3"),
        (False, {"l_max": 1}, ValueError, "another shape: .*tps"),
        (False, {"l_max": 3}, ValueError, "no multiple of 4 degrees"),
        (False, {"parity": False}, ValueError, r"another shape: .*tps"),
        (False, {"parity": "so3"}, ValueError, "True or False, got 'so3'"),
        (True, {"parity": "o3"}, ValueError, "one of o3_full, .*, got 'o3'"),
        (False, {"r_max": 4.0}, ValueError, r"got r_max=4\.0, .* r_max=3\.0"),
        (True, {"r_max": 4.0}, ValueError, r"got r_max=4\.0, .* r_max=3\.0"),
        (
            True,
            {"avg_num_neighbors": 5.0},
            ValueError,
            r"got avg_num_neighbors=5\.0, .* avg_num_neighbors=4\.0",
        ),
        (True, {"avg_num_neighbors": (4.0, 5.0)}, ValueError, "one avg_num_neighbors"),
        (False, {"avg_num_neighbors": {"H": 3.0}}, TypeError, "in their order"),
        (False, {"version": "0.3.0"}, ValueError, "a network between the two"),
        (False, {"version": "0.2.0"}, ValueError, r"those of allegro 0\.4 or later"),
        (True, {"version": "0.8.3"}, ValueError, r"those of allegro 0\.2"),
    ],
)
def test_what_contradicts_the_weights_is_named(
    published: bool, change: dict[str, Any], error: type[Exception], match: str
) -> None:
    state, settings = _small(published)
    assert allegro_from_reference(state, **settings).cutoff == 3.0
    with pytest.raises(error, match=match):
        allegro_from_reference(state, **{**settings, **change})


def test_what_is_missing_or_has_no_place_is_named() -> None:
    state, settings = _small()
    state["model.pair_potential.atomic_numbers"] = torch.ones(2)
    with pytest.raises(ValueError, match=r"without a place: model\.pair_potential"):
        allegro_from_reference(state, **settings)
    del state["model.pair_potential.atomic_numbers"]
    state["model.allegro.tps.0.w3j"] = torch.ones(4)
    allegro_from_reference(state, **settings)
    del state["model.tensor_embed.env_embed_linear.mlp.0.weight"]
    with pytest.raises(ValueError, match=r"env_embed_linear.* is missing"):
        allegro_from_reference(state, **settings)
    with pytest.raises(ValueError, match="no state_dict of the authors' Allegro"):
        allegro_from_reference({"weight": torch.ones(3)}, **settings)
    state, settings = _small()
    state["model.edge_norm._rmax_recip"] = torch.ones(4)
    with pytest.raises(ValueError, match="cutoffs of 4 pairs of types"):
        allegro_from_reference(state, **settings)
