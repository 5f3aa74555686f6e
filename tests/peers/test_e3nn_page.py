"""The page for e3nn's users: both of its networks give the number that it states."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("e3nn")
PAGE = Path(__file__).parents[2] / "docs" / "guide" / "from_e3nn.md"
FENCE = re.compile(r"^```(?:\{code-cell\} )?python\n(.*?)^```", re.S | re.M)


def blocks() -> dict[str, str]:
    """The code of the page by what it begins with, its headings or first lines."""
    found = FENCE.findall(PAGE.read_text("utf-8"))
    return {code.partition("\n")[0]: code for code in found}


def test_both_networks_give_the_same_energy() -> None:
    code = blocks()
    here: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    exec(code["# pyg_equivariant"], here)
    exec(code["from pyg_equivariant import interop"], here)
    exec(code["def numbers(*shape):"], here)
    exec(code["# e3nn"], theirs)
    ours = SimpleNamespace(**here)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # e3nn's constants follow it
    try:
        network = theirs["Network"]()
    finally:
        torch.set_default_dtype(before)
    _, unexpected = network.load_state_dict(ours.weights, strict=False)
    assert not unexpected
    parameters = {key for key, _ in network.named_parameters() if "fc" in key}
    assert parameters <= ours.weights.keys()
    given = ours.species, ours.pos, ours.edge_index
    expected = network(*given).item()
    assert abs(ours.network(*given).item() - expected) < 1e-10 * abs(expected)
    (stated,) = re.findall(
        r"weights and atoms, prints\s+(-?[\d.]+\d)", PAGE.read_text("utf-8")
    )
    assert abs(float(stated) - expected) < 1e-10
