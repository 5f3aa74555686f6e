"""Equivariant linear maps."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import Linear
from pyg_equivariant.o3 import Irreps, rand_matrix, rotate
from pyg_equivariant.testing import assert_equivariant, random_irreps


def quiet(*args: Any, **kwargs: Any) -> Linear:
    """A float64 map; random irreps need not reach one another."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Linear(*args, **kwargs).double()


@pytest.mark.parametrize("seed", range(25))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps_in, more = random_irreps(generator), random_irreps(generator)
    module = quiet(irreps_in, more + irreps_in)
    if module.bias is not None:
        torch.nn.init.normal_(module.bias)
    assert_equivariant(module, generator=generator)


def test_there_are_no_other_equivariant_maps(generator: torch.Generator) -> None:
    irreps_in, irreps_out = Irreps("2x0e+1x1o+1x0o+2x1e"), Irreps("1o+3x0e+2x1e+2e")
    conditions = []
    for sign in (1, -1, 1):
        R = sign * rand_matrix(generator=generator, dtype=torch.float64)
        D_in, D_out = (
            rotate(
                irreps, torch.eye(irreps.dim, dtype=torch.float64), R
            ).mT.contiguous()
            for irreps in (irreps_in, irreps_out)
        )
        left = torch.kron(D_out, torch.eye(irreps_in.dim, dtype=torch.float64))
        one = torch.eye(irreps_out.dim, dtype=torch.float64)
        right = torch.kron(one, D_in.T.contiguous())
        conditions.append(left - right)
    rank = torch.linalg.matrix_rank(torch.cat(conditions), tol=1e-8)
    module = quiet(irreps_in, irreps_out, bias=False)
    assert irreps_in.dim * irreps_out.dim - rank == module.weight.numel() == 11


def test_golden(golden: Callable[[str], dict[str, Any]]) -> None:
    data = golden("linear_e3nn")
    meta = data["meta"]
    module = quiet(meta["irreps_in"], meta["irreps_out"])
    module.load_state_dict(
        {
            "weight": data["weight/weight"],
            "bias": data["weight/bias"],
            "convention": module.convention,
        }
    )
    out = module(module.irreps_in.from_mul_ir(data["input/x"]))
    found = module.irreps_out.to_mul_ir(out)
    torch.testing.assert_close(found, data["output/out"], rtol=1e-10, atol=1e-10)


def test_variance_is_kept() -> None:
    module = quiet("7x0e+5x1o+3x0e", "4000x0e+4000x1o")
    x = module.irreps_in.randn(-1, dtype=torch.float64)
    y = module(x).detach()
    scalars, vectors = x[[0, 1, 2, 3, 4, 5, 6, 22, 23, 24]], x[7:22].view(3, 5)
    expected = scalars.square().mean()
    assert math.isclose(y[:4000].square().mean(), expected, rel_tol=0.1)
    expected = vectors.square().mean()
    assert math.isclose(y[4000:].square().mean(), expected, rel_tol=0.1)


def test_scalars_alone_are_a_plain_linear_layer() -> None:
    module = quiet("6x0e", "4x0e")
    torch.nn.init.normal_(module.bias)
    x = torch.randn(5, 6, dtype=torch.float64)
    expected = x @ module.weight.view(6, 4) / math.sqrt(6) + module.bias
    torch.testing.assert_close(module(x), expected)


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    module = quiet("2x0e+2x1o+1x0e", "3x0e+1x1o")
    x = module.irreps_in.randn(3, -1, dtype=torch.float64)
    x[0] = 0
    check_derivatives(module, x)


def test_unreached_outputs_are_zero_and_named() -> None:
    with pytest.warns(UserWarning, match=r"Linear: no path leads to 2x1o\+3x0e") as log:
        module = Linear("4x1e+0x1o", "2x1o+5x1e+3x0e+0x2e")
    assert log[0].filename == __file__
    y = module(torch.randn(7, 12))
    assert torch.equal(y[:, :6], torch.zeros(7, 6))
    assert torch.equal(y[:, 21:], torch.zeros(7, 3))
    assert y.isfinite().all()
    with torch.no_grad():
        module.bias.fill_(2.0)
    assert torch.equal(module(torch.randn(7, 12))[:, 21:], torch.full((7, 3), 2.0))


def test_warnings_come_only_where_something_is_unreached() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Linear("4x0e+2x1o", "3x0e+2x1o+0x3e")
        Linear("", "")


@pytest.mark.parametrize("irreps", ["", "0x1o", "0x0e+0x2e"])
def test_empty_irreps(irreps: str) -> None:
    assert Linear(irreps, irreps)(torch.zeros(5, 0)).shape == (5, 0)
    x = torch.randn(5, 2)
    module = Linear("2x0e", Irreps("3x0e") + irreps)
    assert torch.equal(Linear("2x0e" + "+0x1o", irreps)(x), torch.zeros(5, 0))
    assert module(x).shape == (5, 3)


def test_bias_is_for_scalars_and_can_be_left_out() -> None:
    module = Linear("2x0e+2x0o+1o", "3x0e+2x0o+1o+1x0e")
    assert module.bias.shape == (4,)
    assert torch.equal(module.bias, torch.zeros(4))
    assert Linear("2x0e", "3x0e", bias=False).bias is None
    assert Linear("1o", "1o").bias is None


def test_gradient_of_a_used_bias_only_counts_samples() -> None:
    module = quiet("2x0e+1o", "3x0e+2x1o")
    module(torch.zeros(5, 5, dtype=torch.float64)).sum().backward()
    expected: Tensor = torch.full((3,), 5.0, dtype=torch.float64)
    assert torch.equal(module.bias.grad, expected)


def test_repr() -> None:
    assert repr(Linear("4x0e+2x1o", "8x0e+3x1o")) == (
        "Linear(4x0e+2x1o -> 8x0e+3x1o, 46 parameters)"
    )
