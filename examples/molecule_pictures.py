"""What a trained potential knows of a molecule, in four pictures.

    python examples/md17.py --molecule ethanol --folder runs/ethanol
    python examples/molecule_pictures.py runs/ethanol/model.pt ethanol.npz

The energy of a probe atom around the molecule: its local chemical potential, felt by
the probe alone. The embeddings of the elements on their two principal axes. Distances
between atoms in dynamics beside those of the frames that it learned from. The normal
modes of the molecule at rest, by finite differences of forces. Ideas and names are
those of "SchNet - A deep learning architecture for molecules and materials"
(https://arxiv.org/abs/1712.06113).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from ase import Atoms, units
from ase.data import chemical_symbols
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import BFGS
from ase.vibrations import Vibrations
from matplotlib.figure import Figure
from torch import Tensor

from pyg_equivariant.files import whole_file
from pyg_equivariant.graph import radius
from pyg_equivariant.nn import load_model
from pyg_equivariant.nn.models import MolecularModel
from pyg_equivariant.simulation.ase import Calculator
from pyg_equivariant.training.own_data import read
from pyg_equivariant.training.structures import Structures

GRID = 60  # points along an edge of a map
CLOSEST = 0.9  # a probe nearer to an atom than that is not drawn, in angstrom


def parse_flags(arguments: list[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", type=Path, help="file of a trained network, model.pt of a run")
    add("frames", type=Path, help="frames of one molecule, as read for training")
    add("--height", type=float, default=1.5, help="of the map above the molecule, A")
    add("--rest-steps", type=int, default=500, help="to come to rest")
    add("--steps", type=int, default=4000, help="of dynamics, after a tenth as many")
    add("--step", type=float, default=0.5, help="of dynamics, in femtoseconds")
    add("--kelvin", type=float, default=500.0, help="MD17 was made at 500 K")
    add("--seed", type=int, default=0)
    add("--folder", type=Path, default=Path("runs/pictures"))
    return parser.parse_args(arguments)


@torch.no_grad()
def probe_energies(
    model: MolecularModel, z: Tensor, pos: Tensor, element: int, points: Tensor
) -> Tensor:
    """The energy of an atom that feels a molecule, which does not feel it.

    All probes are computed at once: edges lead from the molecule to each of them, none
    back, and none between them.

    Args:
        model: with an extensive head and a cutoff.
        z: atomic numbers of the molecule.
        pos: its positions.
        element: atomic number of the probe.
        points: where it is put, ``(P, 3)``.

    Returns:
        In the unit of the network, above the energy of the probe alone.
    """
    assert model.cutoff is not None
    apart = torch.tensor([[0.0, 0.0, 10 * model.cutoff]]).to(pos)
    points = torch.cat([points, pos.mean(0) + apart])  # the last one feels nothing
    own = model.graph(pos).edge_index
    felt, _ = radius(pos, points, model.cutoff)
    edges = torch.cat([own, felt + torch.tensor([[0], [len(pos)]])], dim=1)
    graph = model.graph(torch.cat([pos, points]), None, edges)
    numbers = torch.cat([z, z.new_full((len(points),), element)])
    energy = model.atomic_energies(numbers, graph)[len(pos) :, 0]
    return energy[:-1] - energy[-1]


def principal_plane(pos: Tensor) -> tuple[Tensor, Tensor]:
    """Center and axes of a molecule, the thinnest last."""
    center = pos.mean(0)
    axes = torch.linalg.svd(pos - center).Vh
    return center, axes


def draw_chemical_potential(
    model: MolecularModel, frame: Structures, height: float
) -> Figure:
    """A map for each element, in a plane above the molecule."""
    pos, z = frame.pos.to(model.mean), frame.z
    center, axes = principal_plane(pos)
    flat = (pos - center) @ axes.T
    reach = float(flat[:, :2].abs().max()) + 2.5
    line = torch.linspace(-reach, reach, GRID).to(pos)
    v, u = torch.meshgrid(line, line, indexing="ij")
    points = torch.stack([u, v, torch.full_like(u, height)], dim=-1).view(-1, 3)
    near = torch.cdist(points, flat).amin(1) < CLOSEST
    species = sorted(set(z.tolist()))
    figure = Figure(figsize=(3.6 * len(species), 3.2), layout="constrained")
    panels = figure.subplots(1, len(species), squeeze=False)[0]
    for axis, element in zip(panels, species, strict=True):
        energy = probe_energies(model, z, pos, element, center + points @ axes)
        energy = torch.where(near, torch.nan, energy).view(GRID, GRID)
        image = axis.imshow(
            energy, origin="lower", extent=2 * [-reach, reach], cmap="viridis"
        )
        figure.colorbar(image, ax=axis, label="eV")
        for x, y, symbol in zip(*flat[:, :2].T.tolist(), z.tolist(), strict=True):
            axis.text(x, y, chemical_symbols[symbol], ha="center", va="center")
        axis.set_title(f"probe {chemical_symbols[element]}, {height:g} Å above")
    return figure


def draw_embeddings(model: MolecularModel, species: list[int]) -> Figure:
    """The vectors of the elements on the two axes along which they differ most."""
    table = next(
        (m for m in model.modules() if isinstance(m, torch.nn.Embedding)), None
    )
    if table is None:
        raise ValueError(f"{type(model).__name__} has no table of embeddings to draw")
    vectors = table(torch.tensor(species)).detach().double()
    vectors = vectors - vectors.mean(0)
    _, size, axes = torch.linalg.svd(vectors, full_matrices=False)
    places = vectors @ axes[:2].T
    share = size[:2].square() / size.square().sum()
    figure = Figure(figsize=(3.6, 3.2), layout="constrained")
    axis = figure.subplots()
    for element, (x, y) in zip(species, places.tolist(), strict=True):
        axis.plot(x, y, "o", color="tab:blue")
        axis.annotate(
            chemical_symbols[element], (x, y), (5, 5), textcoords="offset points"
        )
    axis.set_xlabel(f"first axis, {100 * share[0]:.0f} %")
    axis.set_ylabel(f"second axis, {100 * share[1]:.0f} %")
    return figure


def distances(frames: np.ndarray) -> np.ndarray:
    """Between all atoms of each of the frames ``(T, N, 3)``."""
    i, j = np.triu_indices(frames.shape[1], 1)
    return np.linalg.norm(frames[:, i] - frames[:, j], axis=-1).ravel()


def simulate(atoms: Atoms, flags: argparse.Namespace) -> np.ndarray:
    """Positions along a trajectory with a thermostat."""
    random = np.random.default_rng(flags.seed)
    MaxwellBoltzmannDistribution(atoms, temperature_K=flags.kelvin, rng=random)
    dynamics = Langevin(
        atoms,
        flags.step * units.fs,
        temperature_K=flags.kelvin,
        friction=0.01 / units.fs,
        rng=random,
    )
    dynamics.run(flags.steps // 10)
    frames: list[np.ndarray] = []
    dynamics.attach(lambda: frames.append(atoms.positions.copy()), interval=5)
    dynamics.run(flags.steps)
    return np.array(frames)


def draw_distances(ours: np.ndarray, theirs: np.ndarray) -> Figure:
    """How often two atoms are so far apart."""
    figure = Figure(figsize=(5.0, 3.2), layout="constrained")
    axis = figure.subplots()
    edges = np.linspace(0.7, max(ours.max(), theirs.max()), 200)
    for values, label in ((theirs, "reference"), (ours, "dynamics of the network")):
        share, _ = np.histogram(values, edges, density=True)
        axis.plot((edges[1:] + edges[:-1]) / 2, share, label=label)
    overlap = sum(
        np.minimum(*(np.histogram(v, edges, density=True)[0] for v in (ours, theirs)))
    ) * (edges[1] - edges[0])
    axis.set(xlabel="distance, Å", ylabel="density", title=f"overlap {overlap:.3f}")
    axis.legend()
    return figure


def normal_modes(atoms: Atoms, steps: int) -> np.ndarray:
    """Wave numbers at rest in 1/cm; imaginary ones as negative."""
    BFGS(atoms, logfile=None).run(fmax=1e-4, steps=steps)
    with TemporaryDirectory() as folder:
        vibrations = Vibrations(atoms, name=str(Path(folder) / "modes"), delta=0.005)
        vibrations.run()
        found = vibrations.get_frequencies()
    return np.sort(found.real - found.imag)


def draw_modes(modes: np.ndarray, width: float = 10.0) -> Figure:
    """The density of normal modes, and the modes."""
    figure = Figure(figsize=(5.0, 3.2), layout="constrained")
    axis = figure.subplots()
    line = np.linspace(min(0.0, modes.min()), modes.max() + 100, 1000)
    density = np.exp(-(((line[:, None] - modes) / width) ** 2) / 2).sum(1)
    axis.plot(line, density)
    axis.plot(modes, np.zeros_like(modes), "|", color="black")
    axis.set(xlabel="wave number, 1/cm", ylabel="modes", yticks=[])
    return figure


def main(arguments: list[str]) -> None:
    """Draw all four."""
    flags = parse_flags(arguments)
    model = load_model(flags.model)
    structures = read(flags.frames)[0].structures
    frame = structures.select(torch.tensor([0]))
    if not bool((structures.sizes == len(frame.z)).all()):
        raise ValueError(f"{flags.frames} holds frames of several molecules")
    atoms = Atoms(frame.z.numpy(), frame.pos.numpy())
    atoms.calc = Calculator(model, dtype=torch.float64)
    modes = normal_modes(atoms, flags.rest_steps)
    rest = frame._replace(pos=torch.tensor(atoms.positions))
    theirs = distances(structures.pos.view(-1, len(frame.z), 3).numpy())
    pictures = {
        "chemical_potential": draw_chemical_potential(model, rest, flags.height),
        "embeddings": draw_embeddings(model, sorted(set(frame.z.tolist()))),
        "normal_modes": draw_modes(modes),
        "distances": draw_distances(distances(simulate(atoms, flags)), theirs),
    }
    print("normal modes, 1/cm:", " ".join(f"{mode:.0f}" for mode in modes))
    flags.folder.mkdir(parents=True, exist_ok=True)
    for name, figure in pictures.items():
        with whole_file(flags.folder / f"{name}.svg") as partial:
            figure.savefig(partial, format="svg")
        print(f"written to {flags.folder / name}.svg")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
