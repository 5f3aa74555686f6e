"""The picture of the first page: turn and predict, in either order."""

import matplotlib.pyplot as plt
import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import natural_cutoffs, neighbor_list
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from picture import COLORS, GRAY
from scipy.spatial.transform import Rotation
from torch import Tensor

OF_ELEMENT = {1: "#b9c0c7", 6: "#5f6b76", 7: COLORS[0], 8: COLORS[5]}
STEP = {"arrowstyle": "-|>,head_width=0.35,head_length=0.6", "color": GRAY, "lw": 1.5}
# From where no atom hides another.
VIEW = Rotation.from_euler("xyz", (25, -35, 10), degrees=True).as_matrix()
# Where a step starts and ends, where its label stands, and how that is aligned.
STEPS = {
    "network": [
        ((0.41, 0.76), (0.59, 0.76), (0.5, 0.8), "center"),
        ((0.41, 0.24), (0.59, 0.24), (0.5, 0.18), "center"),
    ],
    "rotation": [
        ((0.2, 0.55), (0.2, 0.45), (0.22, 0.5), "left"),
        ((0.8, 0.55), (0.8, 0.45), (0.78, 0.5), "right"),
    ],
}


def draw(ax: Axes, atoms: Atoms, vectors: np.ndarray | None = None) -> None:
    """Atoms from the front, the far ones first, with arrows at them."""
    place, depth = atoms.positions[:, :2], atoms.positions[:, 2]
    bonds = neighbor_list("ij", atoms, natural_cutoffs(atoms, 1.2))
    for i, j in zip(*bonds, strict=True):
        ax.plot(*place[[i, j]].T, color=GRAY, lw=3.5, zorder=depth[[i, j]].min())
    size = [1100 * covalent_radii[z] ** 1.2 for z in atoms.numbers]
    for i, z in enumerate(atoms.numbers):
        look = {"color": OF_ELEMENT[z], "edgecolors": "white", "lw": 0.8}
        ax.scatter(*place[i], size[i], zorder=depth[i], **look)
    if vectors is not None:
        units = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.011}
        ax.quiver(*place.T, *vectors[:, :2].T, color=COLORS[1], zorder=9, **units)
    ax.set(xlim=(-3.6, 3.6), ylim=(-2.4, 2.4), aspect="equal")
    ax.axis("off")


def commuting(atoms: Atoms, forces: Tensor, turned: Tensor, R: Tensor) -> Figure:
    """Two ways from a molecule to the forces of the turned one.

    Args:
        atoms: the molecule.
        forces: predicted for it.
        turned: predicted for the molecule turned by ``R``.
        R: a rotation.
    """
    figure, axes = plt.subplots(2, 2, figsize=(7.4, 5))
    figure.subplots_adjust(0, 0, 1, 1, wspace=0, hspace=0.05)
    longest = forces.detach().norm(dim=-1).max().item()
    upright = atoms.positions - atoms.positions.mean(0)
    rows = (upright, forces), (upright @ R.numpy().T, turned)
    for ax, (positions, vectors) in zip(axes, rows, strict=True):
        seen = Atoms(atoms.numbers, positions @ VIEW.T)
        draw(ax[0], seen)
        draw(ax[1], seen, vectors.detach().numpy() @ VIEW.T * 1.1 / longest)
    page = "figure fraction"
    for label, steps in STEPS.items():
        for start, end, place, align in steps:
            axes[0, 0].annotate("", end, start, page, page, arrowprops=STEP)
            figure.text(*place, label, ha=align, va="center")
    figure.text(0.5, 0.49, "$f(Rx) = R\\,f(x)$", ha="center", fontsize=15)
    return figure
