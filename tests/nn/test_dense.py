"""The dense map is torch's, whatever multiplies."""

from __future__ import annotations

import copy

import torch

from pyg_equivariant.nn.dense import Dense


def test_same_numbers_and_state_as_torch() -> None:
    torch.manual_seed(0)
    theirs = torch.nn.Linear(128, 65)
    ours = Dense(128, 65)
    ours.load_state_dict(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == ["weight", "bias"]
    results = []
    for module in (ours, theirs):
        x = torch.linspace(-1, 1, 3 * 200 * 128).sin().view(3, 200, 128)
        x.requires_grad_()
        out = module(x)
        inputs = [x, *module.parameters()]
        first = torch.autograd.grad(out.sin().sum(), inputs, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), inputs)
        results.append([out, *first, *second])
    for found, expected in zip(*results, strict=True):
        scale = float(expected.detach().abs().max())
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * scale)


def test_features_of_edges_are_targets_then_sources_then_the_rest() -> None:
    module = Dense(3 + 4 + 1 + 2, 5).double()
    draw = {"dtype": torch.float64}
    source, target = torch.randn(6, 4, **draw), torch.randn(7, 3, **draw)
    length, attr = torch.randn(9, 1, **draw), torch.randn(9, 2, **draw)
    edge_index = torch.stack([torch.randint(6, (9,)), torch.randint(7, (9,))])
    j, i = edge_index
    found = module.on_edges((source, target), edge_index, length, None, attr)
    expected = module(torch.cat([target[i], source[j], length, attr], dim=-1))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


def test_hooks_copies_and_a_single_sample() -> None:
    module = Dense(4, 3, bias=False)
    x = torch.ones(4)
    assert torch.equal(copy.deepcopy(module)(x), module(x))
    assert module(x).shape == (3,)
    handle = module.register_forward_hook(lambda _, __, out: 0 * out)
    assert module(x).abs().max() == 0
    handle.remove()
    assert module(x).abs().max() > 0
