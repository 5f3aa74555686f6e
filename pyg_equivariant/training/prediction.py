"""Predict for structures of any number with a network that is trained."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from pyg_equivariant.nn import Card, ForceField
from pyg_equivariant.nn.models import MolecularModel

from .batches import network_inputs
from .loaders import evaluation_loader
from .potential_task import (
    ENERGY,
    FORCES,
    STRESS,
    sum_references,
    table_of,
    without_references,
)
from .structures import Structures
from .table import StructureTable


def predict(
    model: MolecularModel, structures: Structures, batch_size: int = 32
) -> dict[str, Tensor]:
    """Predict energies, forces and stress, or whatever else a network predicts.

    Energies are summed in float64 with the references of the network, which keeps the
    digits of total energies. Stress comes where a structure is periodic, NaN for
    molecules beside crystals.

    Args:
        model: a network, such as :func:`~pyg_equivariant.training.fit` returns or
            :func:`~pyg_equivariant.nn.load_model` reads; its ``card`` tells what it
            predicts, energies if it has none.
        structures: in the unit of length of the network.
        batch_size: how many at once (default: 32).

    Returns:
        On the CPU, ``"energy"``, ``"forces"`` and perhaps ``"stress"``, or the property
        of the card.

    Raises:
        ValueError: if there are elements that the network was not trained on.

    Example:
        >>> from pyg_equivariant.nn import PaiNN
        >>> from pyg_equivariant.training import Structures
        >>> z, pos, sizes = torch.tensor([8, 1, 1]), torch.eye(3), torch.tensor([3])
        >>> water = Structures(z, pos, sizes)
        >>> found = predict(PaiNN(8, num_layers=1, head="extensive"), water)
        >>> {name: tuple(value.shape) for name, value in found.items()}
        {'energy': (1,), 'forces': (3, 3)}
    """
    card = model.card or Card()
    check_species(structures, card.species)
    cutoff = math.inf if model.cutoff is None else model.cutoff
    table = StructureTable(structures._replace(labels={}), cutoff)
    found: dict[str, list[Tensor]] = {}
    for batch in evaluation_loader(table, batch_size):
        given = network_inputs(batch.to(str(model.mean.device)), model)
        if card.property == ENERGY:
            parts = _potential(model, given)
        else:
            with torch.no_grad():
                parts = {card.property: model(**given)}
        for name, value in parts.items():
            found.setdefault(name, []).append(value.cpu())
    return {name: torch.cat(values) for name, values in found.items()}


def _potential(model: MolecularModel, given: dict[str, Tensor]) -> dict[str, Tensor]:
    periodic = "cell" in given
    with without_references(model):
        energy, forces, stress = ForceField(model, periodic).eval()(**given)
    count = len(energy)
    atomref = table_of(_exact(model)).to(given["z"].device)
    references = sum_references(atomref, given["z"], given["batch"], count)
    found = {ENERGY: energy.squeeze(-1).double() + references, FORCES: forces}
    if stress is not None:
        molecules = ~given["cell"].flatten(1).any(1)
        stress[molecules] = torch.nan
        found[STRESS] = stress
    return found


def _exact(model: MolecularModel) -> list[float] | None:
    """The references with the digits that the network was built with."""
    built, kept = model.arguments.get("atomref"), model.atomref
    if kept is None:
        return None
    if isinstance(built, Tensor) and torch.equal(built.to(kept), kept):
        return built.double().tolist()
    return kept.double().tolist()


def check_species(structures: Structures, known: Iterable[int] | None) -> None:
    """Refuse elements that a network was not trained on.

    Raises:
        ValueError: if there are such; the message lists them and those known.
    """
    if known is None:
        return
    from ase.data import chemical_symbols

    unknown = set(structures.z.unique().tolist()) - set(known)
    if unknown:
        listed, others = (
            ", ".join(chemical_symbols[number] for number in sorted(numbers))
            for numbers in (unknown, known)
        )
        strange = torch.isin(structures.z, torch.tensor(sorted(unknown)))
        first = int(structures.batch()[strange][0])
        raise ValueError(
            f"structure {first} (the first is 0) holds an element that the network was "
            f"not trained on; there are {listed} in all, and it knows {others}"
        )
