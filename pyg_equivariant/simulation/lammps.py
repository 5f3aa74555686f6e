"""Networks in LAMMPS, by its package ML-IAP."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_equivariant.files import whole_file
from pyg_equivariant.nn.models import load_model, save_model

from ._elements import SYMBOLS
from .ensemble import Model, opened
from .potential import Potential


class LAMMPSPotential:
    """A network as LAMMPS' ``pair_style mliap unified`` asks for it.

    LAMMPS gives pairs of atoms, among them ghosts: images, and atoms of other
    processes. A layer hands features of neighbors on, so that an atom feels others as
    many cutoffs away as the network has hops (``hops``). Ghosts that far away must
    be there, and their own neighbors known: their features are then computed where they
    are needed, and processes exchange forces alone. That takes two things of an input,
    which :attr:`commands` writes out: ghost neighbors, the ``1`` at the end of
    ``pair_style mliap unified FILE 1``, and ``comm_modify cutoff``.

    It is pickled as the bytes of a model file and does not need LAMMPS to be made.

    Args:
        potential: of energies that are sums over atoms, with a cutoff.
        species: atomic numbers, in any order (default: those that it was trained on).

    Attributes:
        hops: how many cutoffs away an atom is felt.
        element_types: symbols of the species.

    Raises:
        ValueError: if energies do not add up, or species are not known.
    """

    interface: Any = None
    ndescriptors = 1
    nparams = 1

    def __init__(
        self, potential: Potential, species: Sequence[int] | None = None
    ) -> None:
        if not potential.model.is_extensive:
            raise ValueError(
                "LAMMPS cuts a system into parts, but energies of this "
                f"{type(potential.model).__name__} do not add up; build it with "
                "head='extensive', a cutoff, and norm=None where it has norms"
            )
        given = potential.species if species is None else tuple(species)
        if not given:
            raise ValueError(
                "the species are not known; give species=(1, 6, 8), or a network whose "
                "card has them"
            )
        self._set(potential, sorted(set(given)))

    def _set(self, potential: Potential, species: Sequence[int]) -> None:
        assert potential.cutoff is not None
        self.potential = potential
        self.species = list(species)
        self.hops = potential.model.num_hops
        self.element_types = [SYMBOLS[z] for z in species]
        self.rcutfac = potential.cutoff / 2  # LAMMPS adds up two radii

    def commands(self, path: str, skin: float = 2.0) -> str:
        """The lines of a LAMMPS input that use the file at ``path``.

        Args:
            path: of the file.
            skin: that of LAMMPS' command ``neighbor`` (default: 2.0, as in LAMMPS with
                units metal).
        """
        ghosts = self.hops > 1
        reach = self.hops * 2 * self.rcutfac + skin
        lines = ["units metal", "newton on"]
        lines += [f"comm_modify cutoff {reach:g}"] * ghosts
        lines += [f"pair_style mliap unified {path} {int(ghosts)}"]
        return "\n".join([*lines, f"pair_coeff * * {' '.join(self.element_types)}"])

    def compute_forces(self, data: Any) -> None:
        """Energies and forces of the pairs that LAMMPS holds; it calls this."""
        if "kokkos" in type(data).__module__.lower():
            raise NotImplementedError(
                "this potential runs in pair_style mliap, not in mliap/kk: start "
                "LAMMPS without -sf kk"
            )
        elements = np.asarray(data.elems)
        if (elements < 0).any():
            raise ValueError("pair_coeff maps a type to NULL, expected an element")
        local, pairs = int(data.nlocal), int(data.npairs)
        z = torch.tensor(self.species)[torch.from_numpy(elements).long()]
        j, i, vectors = _pairs(data) if pairs else _no_pairs()
        self._check_ghosts(i, j, local)
        used = _within_hops(i, j, local, self.hops)
        device = self.potential.device
        given = (z, torch.stack([j[used], i[used]]), vectors[used])
        z, edge_index, edge_vec = (x.to(device) for x in given)
        out = self.potential.derive(z, edge_index, edge_vec, owned=local)
        assert out.energies is not None
        energies = out.energies[:local].cpu().numpy()
        data.energy = float(energies.sum())
        if local:
            listed = np.asarray(data.iatoms)[: data.nlistatoms]
            data.eatoms = np.ascontiguousarray(energies[listed])
        if pairs:
            forces = torch.zeros_like(vectors)
            forces[used] = out.by_edge.to(forces)
            data.update_pair_forces(forces.numpy())

    def _check_ghosts(self, i: Tensor, j: Tensor, local: int) -> None:
        """Refuse pairs that lack what ghosts see, where the network needs it."""
        if self.hops == 1 or not bool((j >= local).any()):
            return
        if not bool((i >= local).any()):
            raise ValueError(
                f"this network feels {self.hops} cutoffs far, but LAMMPS gave no "
                "neighbors of ghosts; end with 1: pair_style mliap unified FILE 1, and "
                f"set comm_modify cutoff {self.hops * 2 * self.rcutfac:g} plus the skin"
            )

    def compute_descriptors(self, data: Any) -> None:
        """Nothing: forces come with energies."""

    def compute_gradients(self, data: Any) -> None:
        """Nothing: forces come with energies."""

    def __getstate__(self) -> dict[str, Any]:
        """The bytes of a model file, and what it is used with."""
        potential = self.potential
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.pt"
            save_model(potential.model, path)
            content = path.read_bytes()
        units = {"unit": potential.unit_name, "length_unit": potential.length_name}
        return {
            "file": content,
            "species": self.species,
            "device": str(potential.device),
            **units,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.pt"
            path.write_bytes(state["file"])
            model = load_model(path)
        names = ("device", "unit", "length_unit")
        potential = Potential(model, **{name: state[name] for name in names})
        self._set(potential, state["species"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.potential}, species={self.species})"


def _pairs(data: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbor, atom, and the vector from the atom to it, of every pair."""
    j, i = (torch.from_numpy(np.array(x)).long() for x in (data.pair_j, data.pair_i))
    return j, i, torch.from_numpy(np.array(data.rij, dtype=np.float64))


def _no_pairs() -> tuple[Tensor, Tensor, Tensor]:
    none = torch.zeros(0, dtype=torch.long)
    return none, none, torch.zeros(0, 3, dtype=torch.float64)


def _within_hops(i: Tensor, j: Tensor, local: int, hops: int) -> Tensor:
    """Numbers of the pairs that the first ``local`` atoms feel."""
    size = int(max(i.max(), j.max())) + 1 if len(i) else 0
    reached = torch.arange(max(size, local)) < local
    for _ in range(hops - 1):
        reached = reached.index_fill(0, j[reached[i]], True)
    return reached[i].nonzero().flatten()


def export_lammps(
    model: Model,
    path: str | os.PathLike[str],
    species: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> str:
    """Write a network for LAMMPS' ``pair_style mliap unified``.

    LAMMPS has to be built with the packages ML-IAP and PYTHON, and with
    ``MLIAP_ENABLE_PYTHON``. It reads the file by ``pickle``; as with any pickle, take
    only those of people whom you trust.

    Args:
        model: a network, or the path of a model file or of a checkpoint.
        path: of the file that LAMMPS reads, such as ``"model.mliap"``.
        species: atomic numbers (default: those that it was trained on).
        device: where LAMMPS computes (default: ``"cpu"``).
        dtype: what the network computes in (default: as it is).

    Returns:
        The lines of a LAMMPS input that use the file.

    Raises:
        ValueError: if energies do not add up, species are not known, or LAMMPS would
            read the file in another way.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from pyg_equivariant.nn.models import PaiNN
        >>> model = PaiNN(16, num_layers=2, cutoff=4.0, head="extensive")
        >>> with TemporaryDirectory() as folder:
        ...     lines = export_lammps(model, f"{folder}/model.mliap", species=(29,))
        >>> print(lines.replace(folder, "."))
        units metal
        newton on
        comm_modify cutoff 10
        pair_style mliap unified ./model.mliap 1
        pair_coeff * * Cu
    """
    if str(path).endswith((".pt", ".pth")):
        raise ValueError(
            f"LAMMPS reads {path} as a file of torch because of its ending; choose "
            "another, such as .mliap"
        )
    (network,) = opened(model)
    if not isinstance(network, Potential):
        network = Potential(network, device, dtype)
    potential = LAMMPSPotential(network, species)
    with whole_file(Path(path)) as partial:
        partial.write_bytes(pickle.dumps(potential))
    return potential.commands(str(path))
