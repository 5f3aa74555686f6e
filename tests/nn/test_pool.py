"""Sums, means and maxima over the atoms of each graph."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn.pool import pool

BATCH = torch.tensor([2, 0, 0, 3, 0])  # in any order; graph 1 has no node


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 3, 2)])
@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
def test_joins_the_nodes_of_each_graph(shape: tuple[int, ...], reduce: str) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    join = "amax" if reduce == "max" else reduce
    found = pool(x, BATCH, 4, reduce)
    assert found.shape == (4, *shape[1:])
    for graph in (0, 2, 3):
        expected = getattr(x[graph == BATCH], join)(0)
        torch.testing.assert_close(found[graph], expected, rtol=0, atol=1e-15)
    assert not found[1].any()
    whole = pool(x, None, 1, reduce)
    torch.testing.assert_close(whole[0], getattr(x, join)(0), rtol=0, atol=1e-15)


@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
def test_no_nodes_give_zero(reduce: str) -> None:
    x = torch.zeros(0, 3)
    assert torch.equal(pool(x, None, 1, reduce), torch.zeros(1, 3))
    assert pool(x, BATCH[:0], 0, reduce).shape == (0, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_many_nodes_of_half_precision(dtype: torch.dtype) -> None:
    x = torch.full((5000, 2), 20.0, dtype=dtype)
    batch = torch.zeros(5000, dtype=torch.long)
    for given in (batch, None):
        assert pool(x, given, 1, "mean").tolist() == [[20.0, 20.0]]
        assert pool(x, given, 1, "sum").tolist() == [[1e5, 1e5]]


def test_nodes_that_share_a_maximum_share_its_derivative() -> None:
    x = torch.tensor([3.0, 1.0, 3.0, 2.0, -5.0], requires_grad=True)
    batch = torch.tensor([0, 0, 0, 1, 2])
    found = pool(x, batch, 3, "max")
    assert found.tolist() == [3.0, 2.0, -5.0]
    (gradient,) = torch.autograd.grad(found.square().sum(), x, create_graph=True)
    assert gradient.tolist() == [3.0, 0.0, 3.0, 4.0, -10.0]
    (second,) = torch.autograd.grad(gradient.sum(), x)
    assert second.tolist() == [1.0, 0.0, 1.0, 2.0, 2.0]
