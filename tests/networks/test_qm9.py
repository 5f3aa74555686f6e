"""Presets choose as the papers do."""

from __future__ import annotations

import pytest

from pyg_equivariant.networks import NETWORKS


@pytest.mark.parametrize(
    ("name", "target", "extensive", "head"),
    [
        ("painn", "mu", False, "dipole_magnitude"),
        ("schnet", "r2", False, "spatial_extent"),
        ("schnet", "gap", False, "mean"),
        ("egnn", "gap", False, "sum"),
        ("segnn", "mu", False, "mean"),
        ("segnn", "U0", True, "sum"),
    ],
)
def test_the_head_that_makes_a_property(
    name: str, target: str, extensive: bool, head: str
) -> None:
    preset = NETWORKS[name].qm9
    assert preset is not None
    assert preset.head(target, extensive) == head


def test_egnn_learns_orbital_energies_twice_as_fast() -> None:
    preset = NETWORKS["egnn"].qm9
    assert preset is not None
    rates = {preset.lr_of[target] for target in ("homo", "lumo", "gap")}
    assert rates == {2 * preset.lr}
