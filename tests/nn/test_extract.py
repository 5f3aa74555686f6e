"""Blocks by their places."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import Extract, ExtractIr


def test_blocks_are_taken_as_they_are() -> None:
    module = Extract("2x0e+1x1o+3x0e", ["1x1o+2x0e", "3x0e", ""], [(1, 0), (2,), ()])
    x = torch.arange(8.0).expand(2, 8)
    first, second, third = module(x)
    assert first.tolist() == [[2, 3, 4, 0, 1]] * 2
    assert second.tolist() == [[5, 6, 7]] * 2
    assert third.shape == (2, 0)


def test_derivatives_go_back_to_their_places() -> None:
    module = Extract("1x0e+1x1o", ["1x1o"], [(1,)])
    x = torch.randn(4, requires_grad=True)
    module(x)[0].sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1]


def test_bad_instructions() -> None:
    with pytest.raises(ValueError, match=r"the blocks \(0,\) of 2x0e are not 1x0e"):
        Extract("2x0e", ["1x0e"], [(0,)])
    with pytest.raises(ValueError, match=r"the blocks \(1,\) of 2x0e are not 2x0e"):
        Extract("2x0e", ["2x0e"], [(1,)])
    with pytest.raises(ValueError, match="one for each"):
        Extract("2x0e", ["2x0e"], [])


def test_all_blocks_of_an_irrep() -> None:
    module = ExtractIr("1x0e+1x1o+2x0e", "0e")
    assert module(torch.arange(6.0)).tolist() == [0, 4, 5]
    assert str(module.irreps_out) == "1x0e+2x0e"
    assert ExtractIr("1x0e", "1o")(torch.zeros(2, 1)).shape == (2, 0)
