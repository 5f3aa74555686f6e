"""Gated activation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import Gate
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant, random_irreps


def random_gate(seed: int) -> Gate:
    """Scalars, gates and gated irreps of both parities, cut into random blocks."""
    generator = torch.Generator().manual_seed(seed)
    scalars = random_irreps(generator, lmax=0)
    gated = random_irreps(generator, max_blocks=3)
    total = gated.num_irreps
    split = int(torch.randint(total + 1, (), generator=generator))
    gates = Irreps([(split, "0o"), (total - split, "0e"), (0, "0o")])
    acts = {1: "silu", -1: "tanh"}
    return Gate(
        scalars,
        [acts[ir.p] for _, ir in scalars],
        gates,
        ["tanh", "sigmoid", "abs"],
        gated,
    )


def randn(irreps: Irreps, *size: int) -> Tensor:
    return irreps.randn(*size, -1, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(25))
def test_equivariance(seed: int) -> None:
    assert_equivariant(random_gate(seed))


def by_hand(gate: Gate, x: Tensor) -> Tensor:
    """The formula, copy by copy, from the definition of ``irreps_in``."""
    parts = [gate.irreps_scalars, gate.irreps_gates, gate.irreps_gated]
    copies = [
        (part, ir) for part in range(3) for mul, ir in parts[part] for _ in range(mul)
    ]
    # The k-th copy of an irrep in the input is the k-th in scalars + gates + gated.
    found: list[list[Tensor]] = [[], [], []]
    taken: dict[Any, int] = {}
    where = dict(
        zip([ir for _, ir in gate.irreps_in], gate.irreps_in.slices(), strict=True)
    )
    for part, ir in copies:
        k = taken.get(ir, 0)
        taken[ir] = k + 1
        block = x[..., where[ir]].unflatten(-1, (ir.dim, -1))
        found[part].append(block[..., k])
    scalars, gates = (
        torch.cat(found[part], dim=-1) if found[part] else x[..., :0] for part in (0, 1)
    )
    scalars, gates = gate.act_scalars(scalars), gate.act_gates(gates)
    gated = [v * gates[..., k : k + 1] for k, v in enumerate(found[2])]
    out, start = [scalars], 0
    for mul, _ in gate.irreps_out[len(gate.irreps_scalars) :]:
        out.append(torch.stack(gated[start : start + mul], dim=-1).flatten(-2))
        start += mul
    return torch.cat(out, dim=-1)


@pytest.mark.parametrize("seed", range(25))
def test_it_is_the_formula_copy_by_copy(seed: int) -> None:
    gate = random_gate(seed)
    x = randn(gate.irreps_in, 4)
    torch.testing.assert_close(gate(x), by_hand(gate, x), rtol=1e-12, atol=1e-12)
    total = gate.irreps_scalars.num_irreps + gate.irreps_gated.num_irreps
    assert gate.irreps_out.num_irreps == total
    assert gate(x).shape == (4, gate.irreps_out.dim)


def test_golden(golden: Callable[[str], dict[str, Any]]) -> None:
    data = golden("gate_e3nn")
    meta = data["meta"]
    gate = Gate(
        meta["scalars"],
        meta["act"].split(", "),
        meta["gates"],
        [meta["act_gates"]],
        meta["gated"],
        e3nn_constants=True,
    )
    assert str(gate.irreps_in) == meta["irreps_in"]
    assert str(gate.irreps_out) == meta["irreps_out"]
    out = gate(gate.irreps_in.from_mul_ir(data["input/x"]))
    found = gate.irreps_out.to_mul_ir(out)
    torch.testing.assert_close(found, data["output/out"], rtol=1e-10, atol=1e-10)


def test_derivatives(check_derivatives: Callable[..., None]) -> None:
    gate = Gate(
        "2x0e+1x0o", ["silu", "tanh"], "2x0e+1x0o", ["sigmoid", "tanh"], "1x1o+2x2e"
    )
    x = randn(gate.irreps_in, 2)
    x[0] = 0
    check_derivatives(gate, x)


def test_odd_gates_change_the_parity_of_what_they_gate() -> None:
    gate = Gate("", [], "2x0o+1x0e", ["tanh", "sigmoid"], "3x1o")
    assert str(gate.irreps_out) == "2x1e+1x1o"
    gate = Gate("2x0o", ["abs"], "", [], "")
    assert str(gate.irreps_out) == "2x0e"


def test_a_gate_for_given_output() -> None:
    gate = Gate.from_irreps("4x0e+2x0o+3x1o+1x1o+2x2e")
    assert str(gate.irreps_out) == "4x0e+2x0o+3x1o+1x1o+2x2e"
    assert str(gate.irreps_in) == "2x0o+10x0e+4x1o+2x2e"
    assert str(Gate.from_irreps("4x0e").irreps_in) == "4x0e"
    assert str(Gate.from_irreps("4x1o").irreps_in) == "4x0e+4x1o"
    assert str(Gate.from_irreps("0x2e+4x0e+0x1o").irreps_out) == "0x2e+4x0e+0x1o"
    assert str(Gate.from_irreps("").irreps_out) == ""
    with pytest.raises(ValueError, match="act_odd='abs' makes 0o scalars even"):
        Gate.from_irreps("1o+2x0o", act_odd="abs")


UNSORTED = ["4x1o+8x0e+2x0o+3x0e", "2x1o+3x0e+0x2e+1x1o+2x0e", "2x2e+1x1o", "1o+0e"]


@pytest.mark.parametrize("seed", range(15))
def test_equivariance_of_gates_for_irreps_in_any_order(seed: int) -> None:
    irreps = random_irreps(torch.Generator().manual_seed(seed), max_blocks=6)
    gate = Gate.from_irreps(irreps)
    assert gate.irreps_out == irreps
    assert_equivariant(gate)


@pytest.mark.parametrize("irreps", UNSORTED)
def test_another_order_only_moves_blocks(irreps: str) -> None:
    gate = Gate.from_irreps(irreps)
    blocks = list(Irreps(irreps))
    scalars_first = sorted(range(len(blocks)), key=lambda k: blocks[k].ir.l > 0)
    sorted_gate = Gate.from_irreps([blocks[k] for k in scalars_first])
    assert str(gate.irreps_out) == str(Irreps(irreps))
    assert gate.irreps_in == sorted_gate.irreps_in
    x = randn(gate.irreps_in, 4)
    bias = torch.randn(gate.irreps_in.count("0e"), dtype=torch.float64)
    for given in (None, bias):
        expected = sorted_gate.irreps_out.split(sorted_gate(x, given))
        outputs = gate.irreps_out.split(gate(x, given))
        for k, block in zip(scalars_first, expected, strict=True):
            assert torch.equal(outputs[k], block)


@pytest.mark.parametrize(
    "gate",
    [
        Gate.from_irreps("3x0e+2x1o+1x2e"),
        Gate.from_irreps("2x1o+3x0e+2x1o+1x0e"),
        Gate.from_irreps("2x1o+3x0e+2x0o"),
        Gate.from_irreps("2x0e+2x1o", act="relu"),
        Gate("2x0e+1x0e", ["silu"] * 2, "1x0e+2x0e", ["sigmoid"] * 2, "1x1o+2x1o"),
        Gate("2x0e+1x0e", ["silu"] * 2, "2x0e+1x0e", ["sigmoid"] * 2, "3x1o"),
        Gate("2x0e", ["silu"], "4x0e", ["sigmoid"], "2x0o+1x1o+1x0e"),
    ],
    ids=str,
)
def test_the_bias_is_added_to_the_even_scalars(gate: Gate) -> None:
    x = randn(gate.irreps_in, 4)
    bias = torch.randn(gate.irreps_in.count("0e"), dtype=torch.float64)
    shifted = x.clone()
    start = 0
    blocks = zip(gate.irreps_in, gate.irreps_in.slices(), strict=True)
    for (mul, ir), part in blocks:
        if ir.is_scalar():
            shifted[:, part] += bias[start : start + mul]
            start += mul
    expected = gate(shifted)
    torch.testing.assert_close(gate(x, bias), expected, rtol=1e-12, atol=1e-12)
    if gate._order is None:
        torch.testing.assert_close(expected, by_hand(gate, shifted))
    with pytest.raises(ValueError, match=f"bias.*{len(bias)}"):
        gate(x, torch.zeros(len(bias) + 1, dtype=torch.float64))


def test_scalars_that_are_gated_do_not_meet_the_kernel() -> None:
    """They lie among those that are activated: odd ones before them."""
    for gated in ("2x0o", "1x1o+2x0e"):
        total = Irreps(gated).num_irreps
        gate = Gate("4x0e", ["silu"], [(total, "0e")], ["sigmoid"], gated)
        x = randn(gate.irreps_in, 3)
        torch.testing.assert_close(gate(x), by_hand(gate, x))


@pytest.mark.parametrize("irreps", ["4x0e+2x1o", *UNSORTED])
def test_compiling_with_a_bias(irreps: str) -> None:
    gate = Gate.from_irreps(irreps)
    bias = torch.randn(gate.irreps_in.count("0e"), dtype=torch.float64)
    torch.compiler.reset()
    compiled = torch.compile(gate, fullgraph=True, dynamic=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for batch in (23, 29, 31):
            x = randn(gate.irreps_in, batch)
            torch.testing.assert_close(compiled(x, bias), gate(x, bias))


def test_transforms_of_functions_see_through_a_gate() -> None:
    gate = Gate.from_irreps("2x1o+3x0e")
    x = randn(gate.irreps_in, 4, 2)
    bias = torch.randn(gate.irreps_in.count("0e"), dtype=torch.float64)
    found = torch.func.vmap(gate, in_dims=(0, None))(x, bias)
    torch.testing.assert_close(found, gate(x, bias))


def test_second_moments_are_one() -> None:
    gate = Gate.from_irreps("1x0e+1x1o")
    z = torch.randn(100_000, gate.irreps_in.dim, dtype=torch.float64)
    moments = gate(z).square().mean(0)
    torch.testing.assert_close(moments, torch.ones_like(moments), rtol=0, atol=0.03)
    plain = Gate.from_irreps("1x0e", normalize_act=False)
    torch.testing.assert_close(plain(z[:, :1]), torch.nn.functional.silu(z[:, :1]))


def test_nothing_to_do() -> None:
    gate = Gate("", [], "", [], "")
    assert gate(torch.zeros(5, 0)).shape == (5, 0)
    gate = Gate("0x0e", ["silu"], "0x0e", ["sigmoid"], "0x1o")
    assert gate(torch.zeros(5, 0)).shape == (5, 0)
    gate = Gate("3x0e", [None], "", [], "")
    x = torch.randn(2, 3)
    assert torch.equal(gate(x), x)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("1o", [None], "", [], ""), "irreps_scalars are scalars .* got 1x1o"),
        (("", [], "1o", [None], "1o"), "irreps_gates are scalars"),
        (("", [], "2x0e", [None], "3x1o"), "got 2 in irreps_gates=2x0e for 3"),
        (("2x0e", [], "", [], ""), "one activation"),
        (("2x0o", ["silu"], "", [], ""), "neither even nor odd"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Gate(*arguments)


def test_e3nn_constants_only_where_they_are_known() -> None:
    with pytest.raises(ValueError, match="e3nn"):
        Gate("2x0e", [torch.nn.functional.gelu], "", [], "", e3nn_constants=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Gate("2x0e", ["relu"], "", [], "", e3nn_constants=True)


def test_repr() -> None:
    gate = Gate("16x0e", ["silu"], "8x0e", ["sigmoid"], "8x1o")
    assert repr(gate) == "Gate(24x0e+8x1o -> 16x0e+8x1o)"
