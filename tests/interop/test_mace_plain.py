"""MACE's states with several heads, or what energies do not read."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop import mace_from_reference

State = dict[str, Tensor]
GIVEN: dict[str, Any] = {"hidden_irreps": "4x0e+4x1o", "avg_num_neighbors": 3.0}
READOUT = "readouts.1.linear_{}.weight"


def energies(state: State, **options: Any) -> Tensor:
    z, pos = torch.tensor([1, 8, 1, 8]), torch.linspace(0, 3, 12).double().sin()
    return mace_from_reference(state, **GIVEN, **options)(z, pos.view(4, 3))


def test_every_head_is_read(mace_state: State) -> None:
    """Heads made of two models give the energies of these models."""
    other = {k: 1.3 * v for k, v in mace_state.items() if k.startswith(("read", "sc"))}
    other["atomic_energies_fn.atomic_energies"] = torch.tensor([-2.0, 5.0])
    both = [mace_state, mace_state | other]
    state = dict(mace_state)
    for name in ("atomic_energies_fn.atomic_energies", "scale_shift.scale"):
        state[name] = torch.stack([s[name] for s in both])
    state["scale_shift.shift"] = torch.stack([s["scale_shift.shift"] for s in both])
    name = "readouts.0.linear.weight"
    state[name] = torch.stack([s[name] for s in both], dim=1).flatten()
    first, second = (READOUT.format(k) for k in (1, 2))
    state[first] = torch.cat([s[first].view(4, 5) for s in both], dim=1).flatten()
    columns = torch.randn(2, 5, 2).double()  # of other heads: never read
    for head, s in enumerate(both):
        columns[head, :, head] = s[second] * math.sqrt(2)
    state[second] = columns.flatten()
    for head, s in enumerate(both):
        torch.testing.assert_close(energies(state, head=head), energies(s))
    found = energies(state, head="b", heads=("a", "b"))
    torch.testing.assert_close(found, energies(both[1]))
    with pytest.raises(ValueError, match=r"several heads, 2 of them: .* head=None"):
        energies(state)
    with pytest.raises(ValueError, match=r"\('a', 'b'\): pass which .* got head=2"):
        energies(state, head=2, heads=("a", "b"))
    with pytest.raises(ValueError, match=r"got head='c', this MACE has \('a', 'b'\)"):
        energies(state, head="c", heads=("a", "b"))
    with pytest.raises(ValueError, match="got head=1, but this MACE has one head"):
        energies(mace_state, head=1)


def test_readouts_of_the_last_layer_alone(mace_state: State) -> None:
    zero = mace_state | {"readouts.0.linear.weight": torch.zeros(4).double()}
    alone = {k: v for k, v in mace_state.items() if not k.startswith("readouts.")}
    for k in (1, 2):
        alone[f"readouts.0.linear_{k}.weight"] = mace_state[READOUT.format(k)]
    torch.testing.assert_close(energies(alone), energies(zero))


def test_products_without_species_are_the_same_for_all(mace_state: State) -> None:
    products = {k: v for k, v in mace_state.items() if ".contractions." in k}
    one = mace_state | {k: v[:1] for k, v in products.items()}
    same = mace_state | {k: v[:1].repeat(2, 1, 1) for k, v in products.items()}
    torch.testing.assert_close(energies(one), energies(same))


def test_vectors_of_the_last_layer_are_left_out(mace_state: State) -> None:
    """What ``keep_last_layer_irreps`` keeps changes no energy."""
    more = {"products.1.linear.weight": 32, "interactions.1.skip_tp.weight": 64}
    state = dict(mace_state)
    for name, size in more.items():
        rest = torch.randn(size - state[name].numel()).double()
        state[name] = torch.cat([state[name], rest])
    stem = "products.1.symmetric_contractions.contractions."
    for name in ("weights_max", "weights.0"):
        state[f"{stem}1.{name}"] = torch.randn_like(state[f"{stem}0.{name}"])
    torch.testing.assert_close(energies(state), energies(mace_state))


def test_one_layer_has_a_linear_readout(mace_state: State) -> None:
    kept = {k: v for k, v in mace_state.items() if ".1." not in k}
    kept["products.0.linear.weight"] = mace_state["products.0.linear.weight"][:16]
    given = GIVEN | {"hidden_irreps": "4x0e"}
    model = mace_from_reference(kept, **given)
    (weight,) = model.head.pre.layers[0].weights
    assert torch.equal(weight[:, 0], mace_state["readouts.0.linear.weight"])
