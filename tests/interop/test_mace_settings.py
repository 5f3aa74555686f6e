"""What the state of a MACE tells, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop import mace_from_reference
from pyg_equivariant.o3 import clebsch_gordan

State = dict[str, Tensor]
GIVEN: dict[str, Any] = {"hidden_irreps": "4x0e+4x1o", "avg_num_neighbors": 3.0}
DENSITY = "interactions.{}.density_fn.layer0.weight"


def test_densities_are_told_by_layer(mace_state: State) -> None:
    for layers, block in (([0, 1], "Density"), ([1], ""), ([0], "Density")):
        found = {DENSITY.format(t): torch.randn(6, 1).double() for t in layers}
        name = f"RealAgnostic{block}InteractionBlock"
        model = mace_from_reference(mace_state | found, **GIVEN, interaction_first=name)
        assert [conv.density for conv in model.convs] == [t in layers for t in (0, 1)]
        for t in layers:
            (weight,) = model.convs[t].rho.weights
            assert torch.equal(weight, found[DENSITY.format(t)])


def test_neighbors_matter_without_densities_alone(mace_state: State) -> None:
    dense = {DENSITY.format(t): torch.randn(6, 1).double() for t in (0, 1)}
    mace_from_reference(mace_state | dense, hidden_irreps="4x0e+4x1o")
    dense.pop(DENSITY.format(1))
    for more in ({}, dense):
        with pytest.raises(TypeError, match="avg_num_neighbors is missing"):
            mace_from_reference(mace_state | more, hidden_irreps="4x0e+4x1o")
    with pytest.raises(TypeError, match="hidden_irreps is missing"):
        mace_from_reference(mace_state, avg_num_neighbors=3.0)


def test_degrees_are_told_by_layer(mace_state: State) -> None:
    stem = "products.1.symmetric_contractions.contractions.0.weights"
    mace_state[f"{stem}_max"] = mace_state.pop(f"{stem}.0")
    model = mace_from_reference(mace_state, **GIVEN, correlation=(2, 1))
    assert [conv.correlation for conv in model.convs] == [2, 1]
    with pytest.raises(ValueError, match=r"got correlation=2, .* correlation=\(2, 1\)"):
        mace_from_reference(mace_state, **GIVEN, correlation=[2, 2])


def test_the_envelope_may_multiply_weights(mace_state: State) -> None:
    model = mace_from_reference(mace_state, **GIVEN, apply_cutoff=False)
    assert model.envelope == "weights"
    assert mace_from_reference(mace_state, **GIVEN).envelope == "features"


REFUSED = {
    "interactions.0.linear_res.weight": "non-linear interaction",
    "interactions.0.linear_down.weight": "attention",
    "interactions.0.conv_tp_weights.net.0.weight": "biases or layer norms",
    "interactions.0.density_fn.net.0.weight": "biases or layer norms",
    "products.0.symmetric_contractions.weight": "cuEquivariance",
    "radial_embedding.bessel_fn.n": "Chebyshev",
    "readouts.1.linear_mid.bias": "readouts with biases",
    "interactions.0.linear_up.lora_A.weight": "LoRA",
    "joint_embedding.x": "charge, spin",
    "embedding_readout.linear.weight": "charge, spin",
    "les.x": "long-range",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_refused_by_name(name: str, mace_state: State) -> None:
    with pytest.raises(ValueError, match=f"{name}: a MACE with .*{REFUSED[name]}"):
        mace_from_reference(mace_state | {name: torch.ones(1)}, **GIVEN)


@pytest.mark.parametrize("degrees", [(1, 1, 2), (1, 2, 2), (2, 1, 2)])
def test_signs_of_another_version_are_refused(
    degrees: tuple[int, int, int], mace_state: State
) -> None:
    name = "interactions.1.conv_tp._compiled_main_left_right._w3j_{}_{}_{}"
    C = clebsch_gordan(*degrees, dtype=torch.float64)
    pinned = C if sum(degrees) % 2 == 0 else -C  # of these degrees, in e3nn 0.4.4
    name = name.format(*degrees)
    mace_from_reference(mace_state | {name: pinned}, **GIVEN)
    with pytest.raises(ValueError, match=f"{name} has another sign than in e3nn 0.4.4"):
        mace_from_reference(mace_state | {name: -pinned}, **GIVEN)


def test_other_irreps_on_edges_are_refused(mace_state: State) -> None:
    mace_state["interactions.1.linear_up.weight"] = torch.ones(16)
    with pytest.raises(ValueError, match=r"1\.linear_up.*edge_irreps cannot be read"):
        mace_from_reference(mace_state, **GIVEN)
