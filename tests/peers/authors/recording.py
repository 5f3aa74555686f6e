"""A model of its authors on random molecules: its weights, energies and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Inputs = dict[str, Tensor]


def molecules(species: tuple[int, ...], cutoff: float, seed: int) -> Inputs:
    """Two of them, the last atom of each alone, and their edges in random order."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (8, 6)
    batch = torch.arange(2).repeat_interleave(torch.tensor(sizes))
    pos = 1.5 * torch.randn(sum(sizes), 3, generator=generator, dtype=torch.float64)
    for last in (sizes[0] - 1, sum(sizes) - 1):
        pos[last] += 50.0
    near = torch.cdist(pos, pos) < cutoff
    near &= (batch[:, None] == batch) & ~torch.eye(len(pos), dtype=torch.bool)
    edge_index = near.nonzero().T
    edge_index = edge_index[:, torch.randperm(edge_index.shape[1], generator=generator)]
    types = torch.randint(len(species), (len(pos),), generator=generator)
    types[: len(species)] = torch.arange(len(species))
    z = torch.tensor(species)[types]
    given = {"z": z, "types": types, "pos": pos, "batch": batch}
    return given | {"edge_index": edge_index.contiguous()}


@dataclass
class Recorded:
    """What one file is made of.

    Args:
        module: the authors' model, in float64, with the weights to record.
        energy: of every molecule and of every atom, both ``(n,)``, given the inputs.
        species: atomic numbers of its types.
        cutoff: of its edges, which are (source, target).
        reader: our function that reads its weights.
        settings: the arguments of that function.
        seed: of the molecules.
    """

    module: torch.nn.Module
    energy: Callable[[Inputs], tuple[Tensor, Tensor]]
    species: tuple[int, ...]
    cutoff: float
    reader: str
    settings: dict[str, Any]
    versions: dict[str, str]
    seed: int = 0

    def write(self, path: Path) -> None:
        """Energies, forces, their derivatives, and those along ``direction``.

        A direction is one tensor for each parameter. Derivatives along it hold those
        by all parameters in one number, whatever their names and their order are.
        """
        given = molecules(self.species, self.cutoff, self.seed)
        pos = given["pos"].requires_grad_()
        weights = dict(self.module.named_parameters())
        directions = {k: torch.randn_like(v) for k, v in weights.items()}
        state = {k: v.clone() for k, v in self.module.state_dict().items()}
        energy, atomic = self.energy(given)
        leaves = [pos, *weights.values()]
        first = gradients(energy.sum(), leaves)
        second = gradients(first[0].square().sum(), leaves)
        arrays = {f"input/{k}": v for k, v in given.items()}
        arrays |= {f"weight/{k}": v for k, v in state.items()}
        arrays |= {f"direction/{k}": v for k, v in directions.items()}
        arrays |= {"output/energy": energy, "output/atomic_energy": atomic}
        arrays |= {"output/forces": -first[0], "grad/second_pos": second[0]}
        arrays["grad/direction"] = along(first[1:], directions.values())
        arrays["grad/force_direction"] = along(second[1:], directions.values())
        names = ("species", "cutoff", "reader", "settings", "versions")
        meta = {name: getattr(self, name) for name in names}
        plain = {k: v.detach().contiguous().numpy() for k, v in arrays.items()}
        np.savez(path, meta=np.array(repr(meta)), **plain)


def gradients(value: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    """By all of them, zeros where there is none."""
    options: dict[str, Any] = {"create_graph": True, "allow_unused": True}
    found = torch.autograd.grad(value, leaves, **options)
    pairs = zip(found, leaves, strict=True)
    return tuple(torch.zeros_like(x) if g is None else g for g, x in pairs)


def along(gradients: Any, directions: Any) -> Tensor:
    return sum((a * b).sum() for a, b in zip(gradients, directions, strict=True))
