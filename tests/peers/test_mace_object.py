"""The authors' MACE read as an object, where their package is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pyg_equivariant.graph import radius_graph
from pyg_equivariant.interop import mace_from_reference

pytest.importorskip("mace")


@pytest.fixture(scope="module", autouse=True)
def _float64() -> Iterator[None]:
    """Their modules follow torch's default dtype."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(dtype)


@pytest.fixture(scope="module")
def writer() -> Iterator[Any]:
    """The command that builds their models."""
    folder = str(Path(__file__).parent / "authors")
    sys.path.insert(0, folder)
    try:
        import write_mace

        yield write_mace
    finally:
        sys.path.remove(folder)


CASES = [("mpa_0_medium", torch.float32, 1e-6)]  # of rounded couplings
for _name in ("mpa_0_reduced", "heads", "weights", "by_layer", "one_layer", "plain"):
    CASES.append((_name, torch.float64, 1e-10))


@pytest.mark.parametrize(("name", "dtype", "tolerance"), CASES)
def test_an_object_tells_all_but_its_head(
    name: str, dtype: torch.dtype, tolerance: float, writer: Any
) -> None:
    given = {"r_max": 5.0, "max_ell": 2, "species": writer.SHORT, "heads": None}
    given |= writer.SETTINGS[name]
    theirs = writer.make(given, 0).to(dtype)
    model = mace_from_reference(theirs, head=given.get("head"))
    assert {p.dtype for p in model.parameters()} == {dtype}
    exact = (theirs.double(), model.double())
    z = torch.tensor([8, 1, 6, 1, 8])
    pos = 1.5 * torch.randn(5, 3)
    edge_index, _ = radius_graph(pos, given["r_max"])
    x = {"z": z, "pos": pos, "batch": torch.zeros_like(z), "edge_index": edge_index}
    heads = given["heads"] or ["only"]
    expected, _ = writer.energy(exact[0], x, heads.index(given.get("head", heads[0])))
    found = exact[1](z, pos, edge_index=edge_index).flatten()
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


def test_what_cannot_be_read_is_named(writer: Any) -> None:
    from e3nn import o3

    given = {"r_max": 5.0, "max_ell": 1, "species": writer.SHORT, "heads": None}
    given |= {"hidden": "4x0e+4x1o"}
    wrong = {
        "RealAgnosticResidualNonLinearInteractionBlock": {"later": "ResidualNonLinear"},
        "use_so3=True": {"use_so3": True, "hidden": "4x0e+4x1e"},
        "gate=tanh": {"gate": torch.nn.functional.tanh},
        "edge_irreps": {"edge_irreps": o3.Irreps("2x0e+2x1o")},
        "Chebyshev": {"radial_type": "chebyshev"},
    }
    for message, settings in wrong.items():
        with pytest.raises(ValueError, match=message):
            mace_from_reference(writer.make(given | settings, 0))
