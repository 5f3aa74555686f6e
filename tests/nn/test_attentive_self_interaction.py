"""Weights made of inner products."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import AttentiveSelfInteraction
from pyg_equivariant.testing import assert_equivariant

IRREPS = "3x0e+2x1o+1x0e+2x2e"


def test_commutes_with_rotations_and_reflections() -> None:
    module = AttentiveSelfInteraction(IRREPS, "2x0e+4x1o").double()
    assert repr(module) == f"AttentiveSelfInteraction({module.irreps_in} -> 2x0e+4x1o)"
    x = module.irreps_in.randn(5, -1).double()
    assert_equivariant(module, [IRREPS], ["2x0e+4x1o"], [x])


def test_outputs_are_weighted_means_of_the_inputs() -> None:
    module = AttentiveSelfInteraction(IRREPS, "50x0e+1x1o").double()
    x = module.irreps_in.randn(5, -1).double()
    scalars = torch.cat([x[:, :3], x[:, 9:10]], dim=-1)
    out = module(x)[:, :50]
    assert (out <= scalars.amax(1, keepdim=True)).all()
    assert (out >= scalars.amin(1, keepdim=True)).all()
    same = scalars[:, :1].expand(-1, 4)
    x[:, :3], x[:, 9:10] = same[:, :3], same[:, :1]
    torch.testing.assert_close(module(x)[:, :50], same[:, :1].expand(-1, 50))


def test_what_no_input_reaches_is_zero() -> None:
    with pytest.warns(UserWarning, match="no path leads to 2x3o"):
        module = AttentiveSelfInteraction(IRREPS, "1x0e+2x3o")
    assert not module(module.irreps_in.randn(5, -1))[:, 1:].any()
