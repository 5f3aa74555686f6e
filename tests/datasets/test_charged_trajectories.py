"""Whole trajectories are those of the data set."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pyg_equivariant.datasets import ChargedNBody, charged_trajectories


def test_trajectories_are_those_of_the_data_set(tmp_path: Path) -> None:
    found = charged_trajectories("val", 2, frames=(0, 2, 1))
    graphs = ChargedNBody(str(tmp_path), "val", num_samples=2, frames=(0, 1))
    for k, graph in enumerate(graphs):
        pos, vel = (torch.from_numpy(values[k]).float() for values in found[1:])
        assert torch.equal(pos[0], graph.pos)
        assert torch.equal(pos[2], graph.y)
        assert torch.equal(vel[0], graph.vel)
        assert torch.equal(
            torch.from_numpy(found.charge[k]).float(), graph.charge[:, 0]
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "valid"}, "got split='valid', expected one of"),
        ({"num_samples": 2001}, "expected 1 to 2000"),
        ({"frames": (3, 49)}, r"got frames=\(3, 49\), expected some from 0 to 48"),
        ({"frames": ()}, "expected some from 0 to 48"),
        ({"num_particles": 1}, "expected at least 2"),
    ],
)
def test_bad_arguments_are_named(arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        charged_trajectories(**arguments)
