"""Weights that were saved once can be loaded for good, and mean the same.

``checkpoints.json`` holds, for a small network of each kind, names and shapes of what a
checkpoint holds, and what the network predicted with the parameters of ``fill``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import models

SAVED = json.loads(Path(__file__).with_name("checkpoints.json").read_text("utf-8"))


def fill(model: torch.nn.Module) -> None:
    """Numbers that depend on the order of the parameters alone."""
    start = 0
    with torch.no_grad():
        for parameter in model.parameters():
            k = torch.arange(start, start + parameter.numel(), dtype=torch.float64)
            parameter.copy_((0.3 * torch.sin(1.7 * k + 0.4)).view(parameter.shape))
            start += parameter.numel()


def predict(name: str, model: Any) -> Tensor:
    """For four atoms, or four particles with velocities."""
    rows = [[0.0, 0.1, 0.2], [0.9, 0.0, -0.1], [-0.3, 0.8, 0.4], [1.1, 1.2, 0.5]]
    pos = torch.tensor(rows, dtype=torch.float64)
    k = torch.arange(12.0, dtype=torch.float64)
    if name == "EGNN":
        given = {"vel": k.cos().view(4, 3), "edge_attr": k.sin().view(12, 1)}
        return model(k.sin().view(4, 3), pos, **given)
    return model(torch.tensor([8, 1, 1, 6]), pos)


@pytest.mark.parametrize("name", list(SAVED))
def test_names_shapes_and_meaning_stay(name: str) -> None:
    saved = SAVED[name]
    model = getattr(models, name)(**saved["arguments"]).double()
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert shapes == saved["shapes"]
    fill(model)
    out = predict(name, model).flatten()
    expected = torch.tensor(saved["output"], dtype=torch.float64)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-13)
