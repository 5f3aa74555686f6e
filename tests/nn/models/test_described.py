"""A network keeps the arguments it was built with."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from pyg_equivariant.nn import PaiNN


def test_all_arguments_are_kept_by_name_defaults_included() -> None:
    atomref = torch.ones(10)
    model = PaiNN(16, cutoff=4.0, atomref=atomref)
    atomref.zero_()
    expected = {"hidden_channels": 16, "num_layers": 3, "cutoff": 4.0, "head": "sum"}
    assert expected.items() <= model.arguments.items()
    assert model.arguments["atomref"].tolist() == [1.0] * 10
    assert model.card is None


def test_copies_keep_them() -> None:
    model = PaiNN(8, cutoff=4.0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.arguments == model.arguments


def test_wrong_arguments_are_the_constructors_to_refuse() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'width'"):
        PaiNN(width=3)  # type: ignore[call-arg]
