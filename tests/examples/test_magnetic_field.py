"""A field that is a pseudovector, and what a mirror says."""

from __future__ import annotations

import re
import sys

import magnetic_field
import pytest
import torch

from pyg_equivariant import o3


def test_it_prints_three_errors_of_both(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = "--steps 40 --systems 16"
    monkeypatch.setattr(sys, "argv", ["magnetic_field.py", *flags.split()])
    magnetic_field.main()
    rows = capsys.readouterr().out.splitlines()[-2:]
    axial, polar = (
        [float(number) for number in re.findall(r"\d+\.\d+", row)] for row in rows
    )
    assert axial[0] == pytest.approx(axial[1], abs=2e-3)
    assert axial[0] == pytest.approx(axial[2], abs=2e-3)
    assert polar[0] == pytest.approx(polar[1], abs=2e-3)
    assert axial[2] < 0.7 * polar[2]


def test_physics_is_the_same_in_a_mirror(generator: torch.Generator) -> None:
    """What the forces are computed from, moved, gives the moved forces."""
    given = magnetic_field.ions(5, generator)
    R = o3.rand_matrix(improper=True, generator=generator)
    moved = given.moved(R)
    # The magnetic part does no work, whichever way it is seen
    lorentz = given.charge * torch.linalg.cross(given.vel, given.field)
    seen = moved.charge * torch.linalg.cross(moved.vel, moved.field)
    torch.testing.assert_close(seen, lorentz @ R.T, atol=1e-5, rtol=0)
    other = given.force - lorentz
    torch.testing.assert_close(moved.force - seen, other @ R.T, atol=1e-5, rtol=0)
    # Charges repel each other: no net force on a system
    total = (other * 1.0).view(5, magnetic_field.IONS, 3).sum(1)
    torch.testing.assert_close(total, torch.zeros(5, 3), atol=1e-5, rtol=0)


def test_only_an_axial_field_is_right_in_a_mirror(generator: torch.Generator) -> None:
    given = magnetic_field.ions(3, generator)
    R = o3.rand_matrix(improper=True, generator=generator)
    for field in ("1e", "1o"):
        network = magnetic_field.Forces(field)
        with torch.no_grad():
            found, expected = network(given.moved(R)), network(given) @ R.T
        difference = (found - expected).abs().max() / expected.abs().max()
        assert (difference < 1e-3) == (field == "1e")
