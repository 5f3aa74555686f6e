"""Cormorant with the weights of its authors' code."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from pyg_equivariant.interop import cormorant_from_reference
from pyg_equivariant.interop.cormorant import _signs_of_squares, cormorant_names
from pyg_equivariant.nn import Cormorant, ForceField
from pyg_equivariant.nn.conv import CormorantConv

Check = Callable[[Tensor, Tensor], None]
State = dict[str, Tensor]
CHARGES = (1, 6, 7, 8, 9, 15, 16, 17)
OPTIONS = ("cutoff_type", "hard_cut_rad", "soft_cut_rad", "soft_cut_width")
OPTIONS += ("charge_power", "charge_scale")


def species_of(data: dict[str, Any]) -> tuple[int, ...]:
    """The atomic numbers of the columns of one-hot vectors."""
    meta, z = data["meta"], data["input/z"]
    column = data["input/x"][:, :: meta["charge_power"] + 1].argmax(1)
    known = dict(zip(column.tolist(), z.tolist(), strict=True))
    spare = iter(n for n in CHARGES if n not in known.values())
    return tuple(known.get(k) or next(spare) for k in range(meta["num_species"]))


class Case:
    """A reference, and our model with its weights."""

    def __init__(self, weights: State, data: dict[str, Any]) -> None:
        self.data, self.weights = data, weights
        settings = {name: data["meta"][name] for name in OPTIONS}
        species = species_of(data)
        self.model = cormorant_from_reference(weights, species=species, **settings)
        self.pos = data["input/pos"].clone().requires_grad_()
        edges = data["input/edge_index"]
        self.is_pair = edges[0] != edges[1]
        self.nodes = edges[0, ~self.is_pair]
        given = data["input/batch"], edges[:, self.is_pair]
        self.graph = self.model.graph(self.pos, *given)
        self.edges = self.model.edges.embed(self.graph)

    def start(self) -> Tensor:
        species = self.model.species
        assert species is not None
        return self.model.input(species(self.data["input/z"]), self.edges)

    def levels(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        return self.model.levels(self.start(), self.edges)


@pytest.fixture
def case(reference: Any) -> Case:
    return Case(*reference("cormorant_qm9"))


def test_golden_predictions(case: Case, assert_equal: Check) -> None:
    data = case.data
    given = data["input/z"], data["input/pos"], data["input/batch"]
    assert_equal(case.model(*given).flatten(), data["output/out"])
    found = case.model.predict(data["input/z"], case.graph)
    assert_equal(found.flatten(), data["output/out"])


def test_golden_input(case: Case, assert_equal: Check) -> None:
    data = case.data
    assert case.model.species is not None
    assert_equal(case.model.species(data["input/z"]), data["input/x"])
    parts = case.start().unflatten(-1, (2, -1)).mT
    assert_equal(parts.unsqueeze(2), data["output/atom_in"])


def test_golden_features_of_every_level_and_degree(
    case: Case, assert_equal: Check
) -> None:
    """Theirs are V_l i^l times ours."""
    for k, (x, _, _) in enumerate(case.levels()):
        conv = case.model.convs[k]
        assert isinstance(conv, CormorantConv)
        for l, block in enumerate(conv.irreps_out.split(x)):
            f = torch.complex(*block.chunk(2, dim=-1)) * 1j**l
            v = torch.view_as_complex(case.data[f"input/V.{l}"])
            found = torch.view_as_real(torch.einsum("ab,nbc->nca", v, f))
            assert_equal(found, case.data[f"output/atom_{k}.{l}"])


def test_golden_scalars_of_edges(case: Case, assert_equal: Check) -> None:
    """Theirs are (-i)^l times ours."""
    for k, (_, pairs, own) in enumerate(case.levels()):
        conv = case.model.convs[k]
        assert isinstance(conv, CormorantConv)
        every = pairs.new_empty(len(case.is_pair), pairs.shape[1])
        every[case.is_pair], every[~case.is_pair] = pairs, own[case.nodes]
        degrees = every.unflatten(-1, (len(conv.irreps_sh), 2, -1)).unbind(1)
        for l, block in enumerate(degrees):
            g = torch.complex(*block.unbind(1)) * (-1j) ** l
            assert_equal(torch.view_as_real(g), case.data[f"output/edge_{k}.{l}"])


def test_golden_invariants(case: Case, assert_equal: Check) -> None:
    levels = [x for x, _, _ in case.levels()]
    found = torch.cat(case.model.invariants(levels), dim=-1)
    expected = case.data["output/scalars"].flatten(1)
    assert_equal(found * _signs_of_squares(case.model), expected)


def test_golden_coefficients(case: Case) -> None:
    """All of their phases are powers of i, for which ours have no need."""
    for degrees, kappa in case.data["meta"]["kappa"].items():
        l1, l2, l = map(int, degrees.split(","))
        expected = (2 * l + 1) ** 0.5 * 1j ** (l - l1 - l2)
        assert abs(complex(*kappa) - expected) < 1e-10


def test_derivatives_are_those_of_differences(case: Case) -> None:
    """The authors' are not a number. Along positions and along each weight."""
    data, model = case.data, case.model
    given = data["input/z"], data["input/batch"]

    def total(pos: Tensor, weights: State) -> Tensor:
        table = sources(model).items()
        owned = {own: made(weights[name]) for own, (name, made) in table}
        out = functional_call(model, owned, (given[0], pos, given[1]))
        return (out * torch.tensor([[1.0], [-0.5]]).to(out)).sum()

    leaves = {name: w.clone().requires_grad_() for name, w in case.weights.items()}
    pos = data["input/pos"].clone().requires_grad_()
    inputs = [pos, *leaves.values()]
    gradients = torch.autograd.grad(total(pos, leaves), inputs)
    step = 1e-7  # few of the many kinks of the perceptrons are as near
    for k, gradient in enumerate(gradients):
        assert gradient.isfinite().all()
        way = torch.randn_like(gradient)
        ends = []
        for sign in (step, -step):
            moved = [x.detach() for x in inputs]
            moved[k] = moved[k] + sign * way
            ends.append(total(moved[0], dict(zip(leaves, moved[1:], strict=True))))
        difference = (ends[0] - ends[1]) / (2 * step)
        expected = (gradient * way).sum()
        torch.testing.assert_close(difference, expected, rtol=1e-4, atol=1e-6)


def sources(model: Cormorant) -> dict[str, tuple[str, Callable[[Tensor], Tensor]]]:
    """Of each parameter of ours the reference's name, and how ours follows from it."""
    found = {}
    for pattern, entry in cormorant_names(model).items():
        name, change = (entry, None) if isinstance(entry, str) else entry
        regular = re.compile(
            re.escape(pattern).replace(r"\{\}", r"(\d+)") + r"(\.\w+)?"
        )
        for own, _ in model.named_parameters():
            if match := regular.fullmatch(own):
                *numbers, tail = match.groups()
                given = [int(n) for n in numbers]
                made = partial(change, *given) if change else (lambda value: value)
                found[own] = name.format(*numbers) + (tail or ""), made
    assert found.keys() == dict(model.named_parameters()).keys()
    return found


@pytest.mark.filterwarnings("ignore:energies of this")
def test_forces_are_finite_where_the_authors_have_none(case: Case) -> None:
    data = case.data
    pos = data["input/pos"].clone()
    pos[1] = pos[0]
    found = ForceField(case.model)(data["input/z"], pos, data["input/batch"])
    assert found.forces.isfinite().all()


def _random_state(model: Cormorant) -> State:
    """What the authors' code would hold."""
    state = {}
    for own, (name, _) in sources(model).items():
        shape = tuple(model.get_parameter(own).shape)
        if "mask_layer" in name or name.endswith((".scales", ".phases")):
            shape = (1, 1, 1, *shape)
        state[name] = torch.randn(shape)
    return state


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_channels": (2, 3, 4), "lmax": (3, 1), "lmax_sh": (1, 2)},
        {"lmax": 0, "lmax_sh": 0, "num_frequencies": 2, "max_power": 1},
        {"num_input_layers": 0, "linear_output": True, "mask": ("soft", "hard")},
        {"num_input_layers": 3, "charge_power": 0, "mask": ("learn_rad",)},
    ],
)
def test_sizes_are_told_by_the_weights(options: dict[str, Any]) -> None:
    settings = {"hidden_channels": 2, "num_layers": 2, "lmax": 2, "lmax_sh": 2}
    model = Cormorant(**{**settings, **options})
    state = _random_state(model)
    found = cormorant_from_reference(
        state,
        species=(1, 6, 7, 8, 9),
        charge_power=options.get("charge_power", 2),
        cutoff_type=options.get("mask", ("learn",)),
    )
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    assert {name: value.shape for name, value in found.state_dict().items()} == shapes
    with pytest.raises(ValueError, match="names without a place: spare"):
        cormorant_from_reference(
            state | {"spare": torch.zeros(1)},
            species=(1, 6, 7, 8, 9),
            charge_power=options.get("charge_power", 2),
            cutoff_type=options.get("mask", ("learn",)),
        )
