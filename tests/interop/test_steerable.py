from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop import features_from_e3nn
from pyg_equivariant.interop.steerable import (
    steerable_linear_from_reference,
    steerable_mlp_from_reference,
)

Check = Callable[[Tensor, Tensor], None]
BLOCK = {"tp.weight": torch.zeros(14), "biases": torch.zeros(2)}
IRREPS = "4x0e+3x1o", "2x0e", "0e+1o"


@pytest.mark.parametrize(
    ("name", "convert"),
    [
        ("segnn_o3tensorproduct", steerable_linear_from_reference),
        ("segnn_o3tensorproduct_gate", steerable_mlp_from_reference),
    ],
)
def test_golden_files(
    name: str, convert: Any, reference: Any, assert_equal: Check
) -> None:
    weights, data = reference(name)
    meta = data["meta"]
    before = {key: value.clone() for key, value in weights.items()}
    irreps = meta["irreps_in"], meta["irreps_out"], meta["irreps_attr"]
    module = convert(weights, *irreps)
    assert all(torch.equal(value, before[key]) for key, value in weights.items())
    assert not module.training
    x = features_from_e3nn(irreps[0], data["input/x"])
    attr = features_from_e3nn(irreps[2], data["input/attr"])
    expected = features_from_e3nn(irreps[1], data["output/out"])
    assert_equal(module(x, attr), expected)


def test_without_an_attribute() -> None:
    weights = {"tp.weight": torch.randn(6), "biases": torch.randn(2)}
    module = steerable_linear_from_reference(weights, "3x0e", "2x0e")
    x = torch.randn(5, 3)
    expected = x @ weights["tp.weight"].view(3, 2) + weights["biases"]
    torch.testing.assert_close(module(x), expected)
    gated = steerable_mlp_from_reference(weights, "3x0e", "2x0e")
    torch.testing.assert_close(gated(x), torch.nn.functional.silu(expected))


def test_weights_of_e3nn_before_normalization_by_element() -> None:
    module = steerable_linear_from_reference(
        BLOCK | {"tp.weight": torch.ones(14)}, *IRREPS, path_normalization="path"
    )
    # two paths lead to 2x0e: from 4x0e and from 3x1o, with 4 and 3 terms
    expected = [(7 / (2 * 4)) ** 0.5] * 8 + [(7 / (2 * 3)) ** 0.5] * 6
    torch.testing.assert_close(module.weight, torch.tensor(expected))
    with pytest.raises(ValueError, match="is 'element' or 'path', got 'none'"):
        steerable_linear_from_reference(BLOCK, *IRREPS, path_normalization="none")
    cross = "1x1o", "1x1e", "1x1o"
    with pytest.raises(ValueError, match=r"couples 1o . 1o -> 1e with other signs"):
        steerable_linear_from_reference(BLOCK, *cross, path_normalization="path")


def test_constants_of_e3nn_are_no_weights() -> None:
    more = {"tp.output_mask": torch.ones(2), "gate.mul.weight": torch.zeros(0)}
    more |= {"tp._compiled_main_left_right._w3j_1_1_0": torch.zeros(3, 3, 1)}
    steerable_linear_from_reference(BLOCK | more, *IRREPS)
    for name in ("tp.bias", "gate.weight", "tp.weights", "output_mask"):
        with pytest.raises(ValueError, match=f"without a place: {name}"):
            steerable_linear_from_reference(BLOCK | {name: torch.ones(2)}, *IRREPS)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"tp.weight": torch.zeros(13)}, r"shape \(13,\), expected \(14,\)"),
        ({"tp.weight": torch.zeros(2, 7)}, "tp.weight' of .* has 1 dimensions"),
        ({"biases": torch.zeros(3)}, r"biases: shape \(3,\), expected \(2,\)"),
        ({"biases": None}, "missing: biases"),
        ({"tp.weight": None}, "'tp.weight' is missing"),
    ],
)
def test_what_does_not_fit_is_named(
    changes: dict[str, Tensor | None], match: str
) -> None:
    weights = {k: v for k, v in (BLOCK | changes).items() if v is not None}
    with pytest.raises(ValueError, match=match):
        steerable_linear_from_reference(weights, *IRREPS)


def test_biases_that_break_reflections() -> None:
    weights = {"tp.weight": torch.ones(2), "biases": torch.tensor([1.0, 0.0])}
    irreps = "1x0e+1x0o", "1x0e+1x0o", "1x0e"
    module = steerable_linear_from_reference(weights, *irreps)
    assert torch.equal(module.bias, torch.ones(1))
    weights["biases"][1] = 0.1
    with pytest.raises(ValueError, match="adds numbers to 0o outputs"):
        steerable_linear_from_reference(weights, *irreps)


@pytest.mark.parametrize(
    ("irreps", "match"),
    [
        ("2x0e+1x2e+1x1o", "confuses irreps that are not sorted"),
        ("2x1o", "wants one block of 0e and then l > 0"),
        ("2x0e+2x0e", "wants one block of 0e"),
        ("2x0o+2x1o", "wants one block of 0e"),
    ],
)
def test_gates_that_are_not_equivariant(irreps: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        steerable_mlp_from_reference(BLOCK, "4x0e+3x1o", irreps, "0e+1o+2e")
