"""The state of any MACE as that of one with one head and its own readouts."""

from __future__ import annotations

import math
import re

from torch import Tensor

from pyg_equivariant.o3 import Irreps

State = dict[str, Tensor]
_LINEAR = r"readouts\.(\d+)\.linear\.weight"


def plain_state(
    state: State, hidden: Irreps, head: int | None, names: tuple[str, ...]
) -> State:
    """One head chosen, readouts for all layers, and what energies do not read left out.

    Args:
        state: of the authors' model.
        hidden: irreps of an atom.
        head: which of several heads.
        names: of all heads, for messages.

    Raises:
        ValueError: if there are several heads and none is chosen, or none such.
    """
    state, channels = dict(state), hidden.count("0e")
    embedding = state.get("node_embedding.linear.weight")
    if embedding is None or not channels:
        return state
    species = embedding.numel() // channels
    _choose_head(state, channels, head, names)
    if hidden[0].ir.is_scalar():
        _drop_vectors(state, channels, species)
    _fill_readouts(state, channels)
    _spread_products(state, species)
    return state


def _count(state: State, stem: str) -> int:
    """How many of ``stem0``, ``stem1``, ... there are."""
    start = len(stem)
    return len({n[start:].partition(".")[0] for n in state if n.startswith(stem)})


def _choose_head(
    state: State, channels: int, head: int | None, names: tuple[str, ...]
) -> None:
    last = _count(state, "readouts.") - 1
    first = state.get(f"readouts.{last}.linear_1.weight")
    second = state.get(f"readouts.{last}.linear_2.weight")
    linear = state.get(f"readouts.{last}.linear.weight")
    if first is not None and second is not None and first.numel():
        count = channels * second.numel() // first.numel()
    else:
        count = 1 if linear is None else linear.numel() // channels
    if count < 2:
        if head not in (None, 0):
            raise ValueError(f"got head={head}, but this MACE has one head")
        return
    if head is None or not 0 <= head < count:
        known = f" {names}" if len(names) == count else ""
        raise ValueError(
            f"this MACE has several heads, {count} of them{known}: pass which one to "
            f"read, head=0 to {count - 1}, got {head=}"
        )
    for name in [name for name in state if re.fullmatch(_LINEAR, name)]:
        state[name] = state[name].view(-1, count)[:, head]
    if first is not None and second is not None:
        width = second.numel() // count**2
        # every head has its part of the hidden layer
        part = slice(head * width, (head + 1) * width)
        columns = first.view(channels, -1)[:, part].flatten()
        state[f"readouts.{last}.linear_1.weight"] = columns
        row = second.view(-1, count)[part, head] / math.sqrt(count)
        state[f"readouts.{last}.linear_2.weight"] = row
    for name in ("scale_shift.scale", "scale_shift.shift"):
        if name in state and state[name].numel() == count:
            state[name] = state[name].flatten()[head]
    name = "atomic_energies_fn.atomic_energies"
    if name in state and state[name].dim() == 2 and len(state[name]) == count:
        state[name] = state[name][head]


def _drop_vectors(state: State, channels: int, species: int) -> None:
    """What the last layer keeps besides scalars, which no energy reads."""
    last = _count(state, "interactions.") - 1
    stem = f"products.{last}.symmetric_contractions.contractions."
    if last < 1 or not any(name.startswith(f"{stem}1.") for name in state):
        return
    for name in [name for name in state if name.startswith(stem)]:
        if not name.startswith(f"{stem}0."):
            del state[name]
    sizes = {f"products.{last}.linear": 1, f"interactions.{last}.skip_tp": species}
    for name, size in sizes.items():
        weight = f"{name}.weight"
        state[weight] = state[weight][: size * channels**2]


def _fill_readouts(state: State, channels: int) -> None:
    """Zeros for the layers that have none, where the last one alone is read."""
    count, last = _count(state, "readouts."), _count(state, "interactions.") - 1
    if count != 1 or last < 1:
        return
    for name in [name for name in state if name.startswith("readouts.0.")]:
        state[f"readouts.{last}.{name.removeprefix('readouts.0.')}"] = state.pop(name)
    like = state["node_embedding.linear.weight"]
    for layer in range(last):
        state[f"readouts.{layer}.linear.weight"] = like.new_zeros(channels)


def _spread_products(state: State, species: int) -> None:
    """Products without species (``use_agnostic_product``) as the same for all."""
    pattern = r"products\..*\.contractions\.\d+\.weights(_max|\.\d+)"
    for name, value in state.items():
        if re.fullmatch(pattern, name) and value.shape[0] == 1 < species:
            state[name] = value.expand(species, -1, -1)
