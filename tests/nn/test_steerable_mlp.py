"""Steerable multi-layer perceptrons."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from pyg_equivariant.nn import SteerableMLP
from pyg_equivariant.testing import assert_equivariant, random_irreps


def quiet(*args: Any, **kwargs: Any) -> SteerableMLP:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SteerableMLP(*args, **kwargs).double()


@pytest.mark.parametrize("seed", range(20))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = [random_irreps(generator, max_blocks=3) for _ in range(4)]
    layers, act_last = 1 + seed % 3, seed % 2 == 0
    module = quiet(*irreps, num_layers=layers, act_last=act_last)
    assert module.irreps_out == irreps[3]
    assert_equivariant(module, generator=generator)


def test_golden(golden: Callable[[str], dict[str, Any]]) -> None:
    data = golden("segnn_o3tensorproduct_gate")
    meta = data["meta"]
    module = SteerableMLP(
        meta["irreps_in"],
        meta["irreps_attr"],
        "",
        meta["irreps_out"],
        num_layers=1,
        act_last=True,
        e3nn_constants=True,
    ).double()
    with torch.no_grad():
        module.linears[0].weight.copy_(data["weight/tp.weight"])
        module.linears[0].bias.copy_(data["weight/biases"])
    x = module.irreps_in.from_mul_ir(data["input/x"])
    attr = module.irreps_attr.from_mul_ir(data["input/attr"])
    found = module.irreps_out.to_mul_ir(module(x, attr))
    torch.testing.assert_close(found, data["output/out"], rtol=1e-10, atol=1e-10)


def test_scalars_alone_are_a_plain_mlp() -> None:
    module = SteerableMLP("3x0e", "1x0e", "5x0e", "2x0e", num_layers=3).double()
    x = torch.randn(4, 3, dtype=torch.float64)
    y = x
    for k, linear in enumerate(module.linears):
        sizes = (linear.irreps_in.dim, linear.irreps_out.dim)
        y = y @ linear.weight.view(sizes) + linear.bias
        y = F.silu(y) if k < 2 else y
    torch.testing.assert_close(module(x), y)


def test_layers_are_steered_products_with_gates_between() -> None:
    module = quiet("2x0e+1x1o", "0e+1o", "4x0e+3x1o", "1x1o", num_layers=3)
    assert len(module.linears) == 3
    assert len(module.acts) == 2
    assert str(module.linears[0].irreps_out) == "7x0e+3x1o"
    x, attr = torch.randn(2, 5, dtype=torch.float64), torch.randn(2, 4).double()
    y = x
    for linear, act in zip(module.linears, [*module.acts, None], strict=True):
        y = linear(y, attr)
        y = y if act is None else act(y)
    assert torch.equal(module(x, attr), y)


@pytest.mark.parametrize(("layers", "act_last"), [(1, False), (1, True), (3, True)])
def test_hidden_irreps_in_another_order(layers: int, act_last: bool) -> None:
    irreps = "2x0e+1x1o", "0e+1o"
    first = quiet(*irreps, "4x0e+3x1o", "3x0e+2x1o", layers, act_last)
    other = quiet(*irreps, "3x1o+4x0e", "2x1o+3x0e", layers, act_last)
    size = [p.numel() for p in first.parameters()]
    assert sorted(size) == sorted(p.numel() for p in other.parameters())
    if act_last and layers == 1:
        other.load_state_dict(first.state_dict())
        x, attr = torch.randn(2, 5, dtype=torch.float64), torch.randn(2, 4).double()
        scalars, vectors = first.irreps_out.split(first(x, attr))
        assert torch.equal(other(x, attr), other.irreps_out.join([vectors, scalars]))


@pytest.mark.parametrize(("layers", "act_last"), [(1, False), (1, True), (3, False)])
def test_what_follows_the_first_product(layers: int, act_last: bool) -> None:
    module = quiet("2x0e+1o", "0e+1o", "2x1o+3x0e", "1o+2x0e", layers, act_last)
    x, attr = torch.randn(2, 5, dtype=torch.float64), torch.randn(2, 4).double()
    product = module.first(x, attr, add_bias=False)
    assert not torch.equal(product, module.first(x, attr))
    assert torch.equal(module.after_first(product, attr), module(x, attr))


def test_hooks_on_linear_maps_and_gates_run() -> None:
    module = quiet("2x0e+1o", "0e+1o", "2x1o+3x0e", "1o+2x0e")
    seen = []
    for child in [*module.linears, *module.acts]:
        child.register_forward_hook(lambda child, *_: seen.append(child))
    module(torch.zeros(2, 5, dtype=torch.float64), torch.zeros(2, 4).double())
    assert seen == [module.linears[0], module.acts[0], module.linears[1]]


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    module = quiet("1x0e+1x1o", "1x0e+1x1o", "1x0e+1x1o", "1x0e+1x1o")
    x = module.irreps_in.randn(2, -1, dtype=torch.float64)
    attr = module.irreps_attr.randn(2, -1, dtype=torch.float64)
    x[0], attr[1] = 0, 0
    check_derivatives(module, x, attr)


def test_unreached_outputs_are_named_and_never_nan() -> None:
    with pytest.warns(UserWarning, match="no path leads to 2x2e"):
        module = SteerableMLP("2x0e", "1x0e", "4x0e", "2x0e+2x2e")
    y = module(torch.randn(5, 2))
    assert torch.equal(y[:, 2:], torch.zeros(5, 10))
    assert y.isfinite().all()


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="num_layers=0"):
        SteerableMLP("0e", "0e", "0e", "0e", num_layers=0)


def test_repr() -> None:
    module = SteerableMLP("2x0e+1x1o", "1x0e+1x1o", "8x0e+8x1o", "1x1o")
    assert repr(module) == (
        "SteerableMLP(2x0e+1x1o, attributes 1x0e+1x1o -> 8x0e+8x1o -> 1x1o, "
        "num_layers=2, act_last=False)"
    )
