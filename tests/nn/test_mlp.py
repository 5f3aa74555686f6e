from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from pyg_equivariant.nn.activation import SecondMomentActivation, ShiftedSoftplus
from pyg_equivariant.nn.mlp import MLP, RadialMLP

both = pytest.mark.parametrize("make", [MLP, RadialMLP])


def test_repr() -> None:
    assert repr(MLP([4, 8, 2], "ssp", act_last=True)) == (
        "MLP([4, 8, 2], act=shifted_softplus, act_last=True)"
    )
    assert repr(RadialMLP([4, 8, 2])) == "RadialMLP([4, 8, 2], act=silu)"


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("act_last", [True, False])
def test_mlp_is_the_formula(act_last: bool, bias: bool) -> None:
    mlp = MLP([4, 8, 6, 2], torch.tanh, act_last, bias).double()
    assert (mlp.in_channels, mlp.out_channels) == (4, 2)
    parameters = list(mlp.parameters())
    assert [tuple(p.shape) for p in parameters] == (
        [(8, 4), (8,), (6, 8), (6,), (2, 6), (2,)] if bias else [(8, 4), (6, 8), (2, 6)]
    )
    x = y = torch.randn(5, 4, dtype=torch.float64)
    layers = list(zip(parameters[::2], parameters[1::2], strict=True)) if bias else []
    layers = layers or [(w, torch.zeros(())) for w in parameters]
    for k, (w, b) in enumerate(layers):
        y = torch.einsum("oi,ni->no", w, y) + b
        if k < 2 or act_last:
            y = torch.tanh(y)
    torch.testing.assert_close(mlp(x), y)


def test_initializations_of_an_mlp() -> None:
    torch.manual_seed(0)
    default = MLP([20, 30, 10])
    torch.manual_seed(0)
    reference = [torch.nn.Linear(20, 30), torch.nn.Linear(30, 10)]
    # one draw at construction, one by reset_parameters, as torch's own layers
    for linear in reference:
        linear.reset_parameters()
    for ours, theirs in zip(default.linears, reference, strict=True):
        assert torch.equal(ours.weight, theirs.weight)
        assert torch.equal(ours.bias, theirs.bias)

    xavier = MLP([20, 30, 10], init="xavier")
    for linear in xavier.linears:
        bound = (6 / sum(linear.weight.shape)) ** 0.5
        assert 0.9 * bound < linear.weight.abs().max() <= bound
        assert not linear.bias.any()


def test_radial_mlp_is_the_formula() -> None:
    mlp = RadialMLP([4, 16, 6]).double()
    w1, w2 = mlp.weights
    x = torch.randn(5, 4, dtype=torch.float64)
    expected = F.silu(x @ w1 / 2) * 1.676532470331092 @ w2 / 4
    torch.testing.assert_close(mlp(x), expected)
    estimated = RadialMLP([4, 16, 6], SecondMomentActivation("silu", "e3nn")).double()
    estimated.load_state_dict(mlp.state_dict())
    ratio = 1.6791767923989418 / 1.676532470331092
    torch.testing.assert_close(estimated(x), expected * ratio)


def test_radial_mlp_keeps_the_variance(generator: torch.Generator) -> None:
    mlp = RadialMLP([200, 300, 300, 200])
    y = mlp(torch.randn(500, 200, generator=generator))
    assert 0.9 < y.square().mean() < 1.1


def test_radial_mlp_vanishes_with_its_input() -> None:
    for act in ("silu", "ssp", "tanh"):
        assert not RadialMLP([4, 8, 8, 3], act)(torch.zeros(2, 4)).any()


def test_radial_mlp_is_that_of_e3nn() -> None:
    e3nn_nn = pytest.importorskip("e3nn.nn")
    theirs = e3nn_nn.FullyConnectedNet([5, 16, 16, 7], F.silu).double()
    ours = RadialMLP([5, 16, 16, 7], SecondMomentActivation(F.silu, "e3nn")).double()
    weights = dict(theirs.named_parameters()).values()
    with torch.no_grad():
        for mine, weight in zip(ours.weights, weights, strict=True):
            mine.copy_(weight)
    x = torch.randn(9, 5, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


@both
def test_derivatives(make: Any, check_derivatives: Callable[..., None]) -> None:
    check_derivatives(make([3, 4, 2]).double(), torch.randn(2, 3, dtype=torch.float64))


@both
def test_a_plain_module(make: Any) -> None:
    mlp = make([4, 8, 2], "ssp")
    x = torch.randn(5, 4)
    for other in (copy.deepcopy(mlp), pickle.loads(pickle.dumps(mlp))):
        assert torch.equal(other(x), mlp(x))
    other = make([4, 8, 2], "ssp")
    assert not torch.equal(other(x), mlp(x))
    other.load_state_dict(mlp.state_dict())
    assert torch.equal(other(x), mlp(x))
    other.reset_parameters()
    assert not torch.equal(other(x), mlp(x))
    torch.testing.assert_close(mlp.double()(x.double()).float(), make_float(mlp)(x))


def make_float(mlp: torch.nn.Module) -> torch.nn.Module:
    return copy.deepcopy(mlp).float()


@both
def test_autocast_computes_in_half_precision(make: Any) -> None:
    mlp, x = make([4, 8, 2]), torch.randn(5, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = mlp(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), mlp(x), rtol=5e-2, atol=5e-2)


@both
@pytest.mark.parametrize("shape", [(4,), (0, 4), (2, 3, 4)])
def test_shapes(make: Any, shape: tuple[int, ...]) -> None:
    assert make([4, 8, 2])(torch.randn(shape)).shape == (*shape[:-1], 2)
    assert make([4, 2])(torch.randn(shape)).shape == (*shape[:-1], 2)


@both
def test_compiles_without_graph_breaks(make: Any) -> None:
    torch._dynamo.reset()
    mlp = make([4, 8, 2])
    compiled = torch.compile(mlp, fullgraph=True, dynamic=True, backend="aot_eager")
    for n in (3, 5):
        x = torch.randn(n, 4)
        torch.testing.assert_close(compiled(x), mlp(x))


def test_an_activation_module_is_a_submodule() -> None:
    prelu = torch.nn.PReLU()
    assert any(p is prelu.weight for p in MLP([2, 3, 1], prelu).parameters())
    assert repr(MLP([2, 3], ShiftedSoftplus())) == "MLP([2, 3], act=ShiftedSoftplus())"


def test_a_radial_mlp_without_outputs() -> None:
    assert RadialMLP([4, 8, 0])(torch.randn(5, 4)).shape == (5, 0)


@both
def test_sizes_are_those_of_the_input_and_the_output(make: Any) -> None:
    for channels in ([1, 1, 1], [4, 3, 2], [2, 5]):
        mlp = make(channels)
        assert [mlp.in_channels, mlp.out_channels] == [channels[0], channels[-1]]
        assert mlp(torch.ones(7, channels[0])).shape == (7, channels[-1])


@both
def test_errors_say_what_came(make: Any) -> None:
    for channels in ([4], [], [4, 0, 2], [-1, 2], [4, 2, -1]):
        with pytest.raises(ValueError, match="channels="):
            make(channels)
    with pytest.raises(TypeError, match="channels are ints"):
        make([4, 2.0])
    with pytest.raises(ValueError, match="act='swish'"):
        make([4, 2], "swish")


def test_errors_of_an_mlp() -> None:
    with pytest.raises(ValueError, match="init='orthogonal'"):
        MLP([4, 2], init="orthogonal")
    with pytest.raises(ValueError, match="channels="):
        MLP([4, 2, 0])
