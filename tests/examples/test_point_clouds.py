"""Shapes that are told apart in any orientation."""

from __future__ import annotations

import sys

import point_clouds
import pytest
import torch


def test_it_prints_both_networks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = "--steps 2 --clouds 4 --test-clouds 10"
    monkeypatch.setattr(sys, "argv", ["point_clouds.py", *flags.split()])
    point_clouds.main()
    rows = capsys.readouterr().out.splitlines()[-2:]
    assert [row.split()[0] for row in rows] == ["PointNet", "Steerable"]
    upright, turned = rows[1].split()[2:4]
    assert upright == turned


def test_only_one_of_them_sees_turned_clouds_alike(generator: torch.Generator) -> None:
    pos, label = point_clouds.clouds(6, generator)
    assert label.shape == (6,)
    other = point_clouds.turned(pos, generator)
    for kind in (point_clouds.PointNet, point_clouds.Steerable):
        network = kind().double()
        with torch.no_grad():
            scores = [point_clouds.classify(network, x.double()) for x in (pos, other)]
        difference = (scores[0] - scores[1]).abs().max() / scores[0].abs().max()
        if kind is point_clouds.Steerable:
            assert difference < 1e-3  # pos is turned in float32
        else:
            assert difference > 1e-2


@pytest.mark.parametrize("shape", point_clouds.SHAPES)
def test_shapes_are_of_one_size(
    shape: point_clouds.Shape, generator: torch.Generator
) -> None:
    pos = shape(500, generator)
    assert pos.shape == (500, 3)
    assert 0.5 < pos.norm(dim=-1).mean() < 1.3
