"""Every network has settings for potentials, and they are smooth and extensive."""

from __future__ import annotations

import pytest

from pyg_equivariant.networks import NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_the_preset_makes_a_potential(name: str) -> None:
    network = NETWORKS[name]
    preset = network.potential
    arguments = {**preset.network, **network.smooth, **network.extensive}
    model = network.model(**arguments, cutoff=preset.cutoff)
    assert model.is_smooth
    assert model.is_extensive
    assert preset.weights.keys() == {"energy", "forces", "stress"}
