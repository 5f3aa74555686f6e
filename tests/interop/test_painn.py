from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop.painn import painn_from_schnetpack
from pyg_equivariant.nn.radial import BesselBasis, GaussianBasis

Check = Callable[[Tensor, Tensor], None]


@pytest.fixture
def weights(reference: Any) -> dict[str, Tensor]:
    return dict(reference("painn_schnetpack")[0])


def _random(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: torch.randn(s, dtype=torch.float64) for name, s in shapes.items()}


def _potential(weights: dict[str, Tensor], widths: list[int]) -> dict[str, Tensor]:
    """A potential with an output network of these widths."""
    out = {f"representation.{name}": value for name, value in weights.items()}
    for k, (a, b) in enumerate(pairwise(widths)):
        name = f"output_modules.0.outnet.{k}"
        out |= _random({f"{name}.weight": (b, a), f"{name}.bias": (b,)})
    return out


def test_golden_file(reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference("painn_schnetpack")
    meta = data["meta"]
    before = {name: value.clone() for name, value in state_dict.items()}
    model = painn_from_schnetpack(
        state_dict,
        epsilon=meta["epsilon"],
        n_atom_basis=meta["F"],
        n_interactions=meta["layers"],
    )
    assert all(torch.equal(value, before[name]) for name, value in state_dict.items())
    assert model.cutoff == meta["cutoff"]
    assert isinstance(model.edges.basis, BesselBasis)
    pos, edge_index = data["input/pos"].requires_grad_(), data["input/edge_index"]
    features = model(data["input/z"], pos, data["input/batch"], edge_index)
    assert_equal(features.x, data["output/scalar"])
    assert_equal(features.vec, data["output/vector"])
    scalar, vector = data["input/cotangent_scalar"], data["input/cotangent_vector"]
    total = (features.x * scalar).sum() + (features.vec * vector).sum()
    assert_equal(torch.autograd.grad(total, pos)[0], data["grad/pos"])


def test_golden_layer(reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference("painn_schnetpack")
    conv = painn_from_schnetpack(state_dict).convs[0]
    edges = data["input/edge_index"], data["input/edge_dir"], data["input/filter"]
    x, vec = conv.interact(data["input/x"], data["input/vec"], *edges)
    assert_equal(x, data["output/interaction_x"])
    assert_equal(vec, data["output/interaction_vec"])
    x, vec = conv.update_nodes(
        data["output/interaction_x"], data["output/interaction_vec"]
    )
    assert_equal(x, data["output/mixing_x"])
    assert_equal(vec, data["output/mixing_vec"])


@pytest.mark.parametrize("aggregation_mode", ["sum", "avg", None])
@pytest.mark.parametrize("widths", [[8, 4, 1], [8, 1], [8, 5, 7, 1]])
def test_a_potential_is_its_representation_and_an_output_network(
    aggregation_mode: str | None,
    widths: list[int],
    weights: dict[str, Tensor],
    small_graph: dict[str, Tensor],
    assert_equal: Check,
) -> None:
    whole = _potential(weights, widths)
    offsets = _random({"atomref": (100,), "mean": (1,)})
    whole |= {f"postprocessors.0.{name}": value for name, value in offsets.items()}
    model = painn_from_schnetpack(whole, aggregation_mode=aggregation_mode)
    y = painn_from_schnetpack(weights)(**small_graph).x
    for k in range(len(widths) - 1):
        y = torch.nn.functional.silu(y) if k else y
        name = f"output_modules.0.outnet.{k}"
        y = y @ whole[f"{name}.weight"].T + whole[f"{name}.bias"]
    y = y + offsets["mean"] + offsets["atomref"][small_graph["z"]].unsqueeze(-1)
    if aggregation_mode is not None:
        parts = [y[small_graph["batch"] == b] for b in range(2)]
        reduce = torch.sum if aggregation_mode == "sum" else torch.mean
        y = torch.stack([reduce(part, dim=0) for part in parts])
    assert_equal(model(**small_graph), y)


def test_a_potential_without_an_output_network(
    weights: dict[str, Tensor], small_graph: dict[str, Tensor]
) -> None:
    whole = _potential(weights, [8])
    ours, alone = painn_from_schnetpack(whole), painn_from_schnetpack(weights)
    assert ours.head is None
    assert torch.equal(ours(**small_graph).x, alone(**small_graph).x)


def test_gaussians_with_centers_and_widths_of_their_own(
    weights: dict[str, Tensor],
) -> None:
    del weights["radial_basis.freqs"]
    weights |= {"radial_basis.offsets": torch.tensor([0.3, 1.1, 2.0, 4.0] + [5.0] * 6)}
    weights |= {"radial_basis.widths": torch.linspace(0.1, 1.0, 10)}
    basis = painn_from_schnetpack(weights).edges.basis
    assert isinstance(basis, GaussianBasis)
    length = torch.tensor([0.0, 1.7], dtype=torch.float64)
    offsets, widths = weights["radial_basis.offsets"], weights["radial_basis.widths"]
    expected = torch.exp(-0.5 * ((length[:, None] - offsets) / widths) ** 2)
    torch.testing.assert_close(basis(length), expected, rtol=1e-12, atol=0)


def test_shared_filters(weights: dict[str, Tensor], reference: Any) -> None:
    weights["filter_net.weight"] = weights["filter_net.weight"][:24]
    weights["filter_net.bias"] = weights["filter_net.bias"][:24]
    model = painn_from_schnetpack(weights, shared_filters=True)
    assert model.shared_filters
    assert model.convs[0].filter is model.convs[1].filter
    assert torch.equal(model.convs[1].filter.bias, weights["filter_net.bias"])
    with pytest.raises(ValueError, match="got shared_filters=False"):
        painn_from_schnetpack(weights, shared_filters=False)


def test_frequencies_are_those_of_the_buffer(weights: dict[str, Tensor]) -> None:
    exact = torch.arange(1, 11, dtype=torch.float64) * math.pi / 5
    difference = (weights["radial_basis.freqs"] - exact).abs().max()
    assert 1e-10 < difference < 1e-6  # rounded to single precision once
    model = painn_from_schnetpack(weights)
    frequency = model.edges.basis.frequency / model.cutoff
    torch.testing.assert_close(
        frequency, weights["radial_basis.freqs"], rtol=1e-15, atol=0
    )
    assert torch.equal(model.float().double().edges.basis.frequency / 5, frequency)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("electronic_embeddings.0.weight", torch.zeros(2), "electronic_embeddings.0"),
        (
            "mixing.1.mu_channel_mix.bias",
            torch.zeros(16),
            "mixing.1.mu_channel_mix.bias",
        ),
        ("mixing.1.mu_channel_mix.weight", None, "missing: mixing.1.mu_channel_mix"),
        ("filter_net.weight", None, "'filter_net.weight' is missing"),
        ("filter_net.weight", torch.zeros(40, 10), r"expected \(24, 10\)"),
        ("radial_basis.freqs", None, "expected the buffers radial_basis.freqs"),
        ("radial_basis.offsets", torch.zeros(10), r"got \['freqs', 'offsets'\]"),
        ("cutoff_fn.cutoff", None, "'cutoff_fn.cutoff' is missing"),
        ("cutoff_fn.eps", torch.zeros(1), "place: cutoff_fn.eps"),
    ],
)
def test_what_does_not_fit_is_named(
    weights: dict[str, Tensor], name: str, value: Tensor | None, match: str
) -> None:
    changed = weights | {name: value}
    if value is None:
        del changed[name]
    with pytest.raises(ValueError, match=match):
        painn_from_schnetpack(changed)


def test_other_outputs_are_refused(weights: dict[str, Tensor]) -> None:
    whole = _potential(weights, [8, 4, 1])
    more = {"output_modules.1.outnet.0.weight": torch.zeros(1, 8)}
    with pytest.raises(ValueError, match=r"place: output_modules\.1\.outnet"):
        painn_from_schnetpack(whole | more)
    with pytest.raises(ValueError, match="aggregation_mode is 'sum', 'avg' or None"):
        painn_from_schnetpack(whole, aggregation_mode="max")
    with pytest.raises(ValueError, match=r"place: postprocessors\.0\.scale"):
        painn_from_schnetpack(whole | {"postprocessors.0.scale": torch.ones(1)})
