"""The graph that joins all atoms closer than a cutoff, periodic images included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from ._cell_list import Pairs, cell_list
from ._lattice import Lattice, lattice
from ._points import Points, check_flow, check_search, number_of_graphs, points
from ._pyg import has_pyg_lib, pyg_list
from ._search import search
from ._vesin import has_vesin, suits_vesin, vesin_list
from ._wrap import wrap

BACKENDS = ("torch", "vesin", "pyg")
# Graphs of this many atoms on average are worth a call of vesin for each.
MANY_ATOMS = 100
MANY_ATOMS_PERIODIC = 10


def _choose(atoms: Points, box: Lattice) -> str:
    """The fastest of the backends that are installed; torch.func sees through torch."""
    if any(map(is_functorch_wrapped_tensor, (atoms.pos, box.frame))):
        return "torch"
    if not box.periodic and has_pyg_lib():
        return "pyg"
    many = MANY_ATOMS_PERIODIC if box.periodic else MANY_ATOMS
    worth = len(box.pbc) == 1 or len(atoms.pos) >= many * len(box.pbc)
    on_cpu = atoms.pos.device.type == "cpu"
    return "vesin" if worth and on_cpu and has_vesin() else "torch"


def _candidates(
    atoms: Points, box: Lattice, cutoff: float, backend: str
) -> Iterable[Pairs]:
    if backend == "pyg" and box.periodic:
        raise ValueError(
            "backend='pyg' knows no periodic images; choose 'torch' or 'vesin'"
        )
    if backend == "torch" or len(atoms.pos) == 0:
        return cell_list(atoms, atoms, box, cutoff)
    if backend == "pyg":
        return pyg_list(atoms, cutoff)
    if has_vesin() and not suits_vesin(atoms, box, cutoff):
        return cell_list(atoms, atoms, box, cutoff)
    return vesin_list(atoms, box, cutoff)


@torch.no_grad()
def radius_graph(
    pos: Tensor,
    cutoff: float,
    batch: Tensor | None = None,
    cell: Tensor | None = None,
    pbc: Tensor | Sequence[bool] | bool | None = None,
    max_num_neighbors: int | None = None,
    loop: bool = False,
    flow: str = "source_to_target",
    backend: str | None = None,
) -> tuple[Tensor, Tensor | None]:
    r"""Joins every atom to all atoms, and periodic images, closer than ``cutoff``.

    .. math::
        \mathcal{E} = \{ (j, i, \mathbf{s}) :
        |\vec{r}_j - \vec{r}_i + \mathbf{s}\mathbf{A}| < r_\text{cut} \}

    The inequality is strict, as in ASE and PyG, and decided in float64. Nothing is
    left out unless ``max_num_neighbors`` says so: a pair has as many edges as it has
    images within reach, in cells of any shape, be they smaller than the cutoff, and
    atoms may lie outside of their cell, as far as float64 tells positions apart. Edges
    are sorted by target, source and shift, and are the same on every backend. Gradients
    go through :func:`edge_vectors`, which computes in the precision of the positions:
    move atoms that are far outside into their cells before the network sees them.

    Args:
        pos: positions.
        cutoff: the distance below which atoms are joined.
        batch: the graph of each atom, in any order. (default: a single graph)
        cell: lattice vectors as rows, one cell for all graphs or one for each.
        pbc: along which lattice vectors each graph, or all graphs, repeat. (default:
            all three if there is a cell)
        max_num_neighbors: keep at most so many edges into each atom, the nearest,
            and warn if others are dropped. (default: None, keep all)
        loop: join each atom to itself, too; periodic images are no loops and always
            there.
        flow: ``"target_to_source"`` turns all edges around, so that they leave the
            atom whose neighbors were looked for.
        backend: ``"torch"``; ``"vesin"`` (on the CPU; in boxes that are mostly empty,
            which it does not stand, ``"torch"`` takes its place) or ``"pyg"`` (not
            periodic), which need packages of their own. (default: the fastest that is
            installed)

    Shapes:
        - **input:** pos :math:`(|V|, 3)`, batch :math:`(|V|)`, cell :math:`(3, 3)` or
          :math:`(B, 3, 3)`, pbc :math:`(3)` or :math:`(B, 3)`
        - **output:** edge_index (source, target) :math:`(2, |E|)`; edge_shift, how
          many lattice vectors are added to ``edge_index[0]``, :math:`(|E|, 3)`, or
          None where nothing is periodic

    Raises:
        ValueError: positions, cutoff or cell are none, or a periodic graph is too far
            out or too large for float64.
        ImportError: the backend asked for is not installed.

    Example:
        >>> import torch
        >>> pos = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
        >>> radius_graph(pos, cutoff=1.5)
        (tensor([[1, 0],
                [0, 1]]), None)
        >>> edge_index, edge_shift = radius_graph(pos[:1], 1.5, cell=torch.eye(3))
        >>> edge_index.shape, edge_shift[:2].tolist()
        (torch.Size([2, 18]), [[-1, -1, 0], [-1, 0, -1]])
    """
    check_search(cutoff, max_num_neighbors)
    check_flow(flow)
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"backend must be None or one of {BACKENDS}, got {backend!r}")
    atoms = points(pos, batch)
    box = lattice(cell, pbc, number_of_graphs(atoms), atoms.pos)
    atoms = wrap(atoms, box, cutoff)
    found = _candidates(atoms, box, cutoff, backend or _choose(atoms, box))
    edge_index, edge_shift = search(
        atoms, atoms, box, cutoff, found, most=max_num_neighbors, loop=loop
    )
    if flow == "target_to_source":
        return edge_index.flip(0), None if edge_shift is None else -edge_shift
    return edge_index, edge_shift
