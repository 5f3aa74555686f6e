"""Perceptrons side by side."""

from __future__ import annotations

import pytest
import torch
from torch.nn import LayerNorm, Linear, ReLU, Sequential

from pyg_equivariant.nn import RadialProfiles


def alone(profiles: RadialProfiles, k: int) -> Sequential:
    """One of them, built of torch's layers."""
    width, size = profiles.hidden_channels, profiles.sizes[k]
    columns = slice(k * width, (k + 1) * width)
    first, hidden = Linear(profiles.edge_dim, width), Linear(width, width)
    last, norms = Linear(width, size), (LayerNorm(width), LayerNorm(width))
    layers = first, norms[0], ReLU(), hidden, norms[1], ReLU(), last
    perceptron = Sequential(*layers).double()
    start = sum(profiles.sizes[:k])
    with torch.no_grad():
        first.weight.copy_(profiles.weight_in[:, columns].T)
        first.bias.copy_(profiles.bias_in[columns])
        hidden.weight.copy_(profiles.weight_hidden[k].T)
        hidden.bias.copy_(profiles.bias_hidden[k])
        last.weight.copy_(profiles.weight_out[:, start : start + size].T)
        last.bias.copy_(profiles.bias_out[start : start + size])
        for i, norm in enumerate(norms):
            norm.weight.copy_(profiles.norm_weight[i, k])
            norm.bias.copy_(profiles.norm_bias[i, k])
    return perceptron


def test_each_is_a_perceptron_of_its_own() -> None:
    profiles = RadialProfiles(3, [4, 1, 6], hidden_channels=5).double()
    assert repr(profiles) == "RadialProfiles(3, [4, 1, 6], hidden_channels=5)"
    with torch.no_grad():
        for parameter in profiles.parameters():
            parameter.add_(torch.randn_like(parameter))
    edge_attr = torch.rand(7, 3, dtype=torch.float64)
    for k, found in enumerate(profiles(edge_attr)):
        torch.testing.assert_close(found, alone(profiles, k)(edge_attr))


def test_starts_as_its_authors_do() -> None:
    torch.manual_seed(0)
    profiles = RadialProfiles(2, [1000]).requires_grad_(False)
    assert profiles.weight_out.abs().max() == pytest.approx((6 / 32) ** 0.5, rel=1e-2)
    assert profiles.weight_in.abs().max() <= 3**0.5
    assert profiles.weight_in.abs().max() > 1
    assert profiles.bias_out.abs().max() == pytest.approx(32**-0.5, rel=1e-1)


def test_sizes_are_positive() -> None:
    with pytest.raises(ValueError, match=r"positive, got 0 and 32"):
        RadialProfiles(0, [3])
