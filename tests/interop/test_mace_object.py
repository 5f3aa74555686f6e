"""MACE's model objects: stand-ins with the names of their classes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Module

from pyg_equivariant.interop import mace_from_reference

State = dict[str, Tensor]
BLOCKS = "RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"


def stand_in(kind: str, **values: Any) -> Any:
    """A module of a class of that name."""
    module = type(kind, (Module,), {})()
    for name, value in values.items():
        setattr(module, name, value)
    return module


def authors(state: State, **changes: Any) -> Any:
    """A model that looks like the authors'."""
    blocks = changes.pop("blocks", BLOCKS)
    neighbors = changes.pop("neighbors", [3.0, 3.0])
    contraction = changes.pop("contraction", {"contractions": torch.nn.ModuleList()})
    product = stand_in("SymmetricContraction", **contraction)
    act = stand_in("normalize2mom", f=changes.pop("gate", torch.nn.functional.silu))
    values = {
        "interactions": torch.nn.ModuleList(
            stand_in(block, avg_num_neighbors=n)
            for block, n in zip(blocks, neighbors, strict=True)
        ),
        "products": torch.nn.ModuleList(
            [
                stand_in(
                    "EquivariantProductBasisBlock",
                    linear=stand_in("Linear", irreps_out="4x0e+4x1o"),
                    symmetric_contractions=product,
                )
            ]
        ),
        "readouts": torch.nn.ModuleList(
            [stand_in("Readout", non_linearity=stand_in("Activation", acts=[act]))]
        ),
    }
    model = stand_in(changes.pop("kind", "ScaleShiftMACE"), **values | changes)
    model.state_dict = lambda: state
    return model


def test_an_object_tells_what_its_state_does_not(mace_state: State) -> None:
    model = mace_from_reference(authors(mace_state, heads=["only"], apply_cutoff=False))
    assert str(model.irreps_hidden) == "4x0e+4x1o"
    assert [conv.avg_num_neighbors for conv in model.convs] == [3.0, 3.0]
    assert model.envelope == "weights"
    plain = authors(mace_state, kind="MACE")
    told = {"hidden_irreps": "4x0e + 4x1o", "avg_num_neighbors": 3.0}
    assert mace_from_reference(plain, **told).envelope == "features"
    told |= {"heads": ["a"], "apply_cutoff": False, "avg_num_neighbors": 5.0}
    for name, value in (told | {"hidden_irreps": "4x0e"}).items():
        with pytest.raises(ValueError, match=f"got {name}=.*, but this MACE has"):
            mace_from_reference(plain, **{name: value})


CHANGES: dict[str, dict[str, Any]] = {
    "got a EnergyDipolesMACE: of MACE's models only": {"kind": "EnergyDipolesMACE"},
    "got a RecursiveScriptModule": {"kind": "RecursiveScriptModule"},
    "RealAgnosticResidualNonLinearInteractionBlock cannot be read": {
        "blocks": (BLOCKS[0], "RealAgnosticResidualNonLinearInteractionBlock")
    },
    "use_so3=True": {"use_so3": True},
    "mace_cueq_to_e3nn": {"contraction": {}},
    "gate=tanh cannot be read": {"gate": torch.tanh},
    "gate=None cannot be read": {"gate": None},
    "several avg_num_neighbors": {"neighbors": [3.0, 4.0]},
    "got interaction_first=RealAgnosticResidual": {"blocks": BLOCKS[::-1]},
}


@pytest.mark.parametrize("message", CHANGES)
def test_what_is_not_known_is_refused_by_name(message: str, mace_state: State) -> None:
    with pytest.raises(ValueError, match=message):
        mace_from_reference(authors(mace_state, **CHANGES[message]))
