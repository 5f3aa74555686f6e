"""The gated equivariant block keeps scalars and vectors what they are."""

from __future__ import annotations

import torch
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.nn.models import GatedEquivariantBlock
from pyg_equivariant.testing import assert_equivariant


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    draw = {"dtype": torch.float64, "requires_grad": True}
    return torch.randn(4, 5, **draw), torch.randn(4, 3, 3, **draw)


def test_is_its_formula() -> None:
    block = GatedEquivariantBlock((5, 3), (2, 4), "tanh", act_last=True).double()
    x, vec = inputs()
    v, w = (vec @ block.mix.weight.T).split(4, dim=-1)
    out = block.a(torch.cat([x, v.norm(dim=1)], dim=-1))
    scalars, gates = out.split([2, 4], dim=-1)
    expected = scalars.tanh(), gates.unsqueeze(1) * w
    torch.testing.assert_close(block(x, vec), expected, rtol=1e-13, atol=1e-13)


def test_commutes_with_o3() -> None:
    block = GatedEquivariantBlock((5, 3), (2, 4)).double()
    x, vec = (value.detach() for value in inputs())
    kinds = [None, "cartesian"]
    assert_equivariant(block, kinds, kinds, [x, vec])


def test_derivatives_are_right_also_of_zero_vectors() -> None:
    block = GatedEquivariantBlock((5, 3), (2, 4)).double()
    x, vec = inputs()
    assert gradcheck(block, (x, vec), fast_mode=True)
    assert gradgradcheck(block, (x, vec), fast_mode=True)
    zero = torch.zeros_like(vec).requires_grad_()
    scalars, vectors = block(x, zero)
    total = scalars.square().sum() + (vectors + 1).square().sum()
    (first,) = torch.autograd.grad(total, zero, create_graph=True)
    second = torch.autograd.grad(
        first.square().sum(), [x, *block.parameters()], allow_unused=True
    )
    assert first.isfinite().all()
    assert all(g.isfinite().all() for g in second if g is not None)


def test_vectors_start_with_weights_of_xavier() -> None:
    weight = GatedEquivariantBlock((5, 40), (2, 10)).mix.weight
    bound = (6 / (20 + 40)) ** 0.5
    assert 0.9 * bound < float(weight.detach().abs().max()) <= bound


def test_a_network_without_scalars_in_has_one_hidden_channel() -> None:
    block = GatedEquivariantBlock((0, 3), (2, 1))
    scalars, vectors = block(torch.randn(4, 0), torch.randn(4, 3, 3))
    assert (scalars.shape, vectors.shape) == ((4, 2), (4, 3, 1))
