"""Normalization of each graph over its nodes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import EquivariantInstanceNorm
from pyg_equivariant.testing import assert_equivariant, random_irreps


def filled(*args, **kwargs) -> EquivariantInstanceNorm:
    module = EquivariantInstanceNorm(*args, **kwargs).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def one_graph(module: EquivariantInstanceNorm, x: Tensor) -> Tensor:
    """The formula for one graph, channel by channel."""
    out = torch.empty_like(x)
    weights, biases = iter(module.weight), iter(module.bias)
    slices = module.irreps_in.slices()
    for (mul, ir), part in zip(module.irreps_in, slices, strict=True):
        block = x[:, part].reshape(len(x), ir.dim, mul)
        result = torch.empty_like(block)
        for u in range(mul):
            channel = block[:, :, u]
            if ir.is_scalar():
                channel = channel - channel.mean()
            power = channel.square().sum(1).mean() / ir.dim
            result[:, :, u] = channel / (power + module.eps).sqrt() * next(weights)
            if ir.is_scalar():
                result[:, :, u] += next(biases)
        out[:, part] = result.flatten(1)
    return out


@pytest.mark.parametrize("seed", range(25))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    module = filled(random_irreps(generator), affine=seed % 2 == 0)
    x = module.irreps_in.randn(7, -1, dtype=torch.float64)
    batch = torch.tensor([2, 0, 0, 2, 2, 0, 4])
    assert_equivariant(module, [module.irreps_in, None], inputs=[x, batch])


def test_every_graph_is_normalized_by_itself() -> None:
    module = filled("2x0e+2x1o+1x0o+1x2e+1x0e", eps=0.01)
    x = module.irreps_in.randn(9, -1, dtype=torch.float64)
    batch = torch.tensor([1, 0, 0, 3, 1, 1, 0, 3, 1])  # unsorted, graph 2 is empty
    y = module(x, batch)
    for graph in (0, 1, 3):
        nodes = batch == graph
        torch.testing.assert_close(y[nodes], one_graph(module, x[nodes]))
    torch.testing.assert_close(module(x, batch, batch_size=5), y)
    torch.testing.assert_close(module(x), one_graph(module, x))


def test_nodes_can_be_renumbered(generator: torch.Generator) -> None:
    module = filled("2x0e+2x1o")
    x, batch = torch.randn(9, 8, dtype=torch.float64), torch.arange(9) % 3
    order = torch.randperm(9, generator=generator)
    torch.testing.assert_close(module(x, batch)[order], module(x[order], batch[order]))


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    module = filled("2x0e+1x1o")
    x = module.irreps_in.randn(4, -1, dtype=torch.float64)
    x[0] = 0

    class TwoGraphs(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = module

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x, torch.tensor([0, 0, 1, 1]))

    check_derivatives(TwoGraphs(), x)
    check_derivatives(module, torch.zeros_like(x))


def test_thousands_of_nodes_in_half_precision() -> None:
    module = EquivariantInstanceNorm("2x0e").bfloat16()
    x = 3 + torch.randn(2000, 2)
    y = module(x.bfloat16()).float()
    expected = EquivariantInstanceNorm("2x0e")(x)
    torch.testing.assert_close(y, expected, rtol=0.03, atol=0.03)


def test_no_nodes_and_no_irreps() -> None:
    module = EquivariantInstanceNorm("2x0e+1x1o")
    assert module(torch.zeros(0, 5)).shape == (0, 5)
    assert module(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long)).shape == (0, 5)
    assert EquivariantInstanceNorm("")(torch.zeros(3, 0)).shape == (3, 0)
    one = EquivariantInstanceNorm("2x0e")(torch.randn(1, 2))
    assert torch.equal(one, torch.zeros(1, 2))


def test_shapes_that_do_not_fit_are_refused() -> None:
    module = EquivariantInstanceNorm("2x0e")
    with pytest.raises(ValueError, match=r"\(4, 3, 2\) and None"):
        module(torch.zeros(4, 3, 2))
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(3,\)"):
        module(torch.zeros(4, 2), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"eps.*got 0"):
        EquivariantInstanceNorm("1o", eps=0)


def test_repr() -> None:
    assert repr(EquivariantInstanceNorm("8x0e+4x1o")) == (
        "EquivariantInstanceNorm(8x0e+4x1o, eps=1e-05, affine=True)"
    )
