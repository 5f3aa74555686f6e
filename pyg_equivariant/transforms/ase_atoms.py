"""Between the ``Atoms`` of ASE and the ``Data`` of PyG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

if TYPE_CHECKING:
    from ase import Atoms

# Results of a calculator: how ASE names them, their attribute of Data, its shape, and
# theirs in ASE. A stress, 6 numbers in ASE, is a matrix in Data.
RESULTS: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = {
    "energy": ("energy", (1,), ()),
    "forces": ("force", (-1, 3), (-1, 3)),
    "stress": ("stress", (1, 3, 3), (6,)),
    "dipole": ("dipole", (1, 3), (3,)),
}
# Further results that have a row for each atom.
OF_ATOMS = ("forces", "energies", "stresses", "charges", "magmoms")
# Where xx, yy, zz, yz, xz, xy stand in a matrix, and what stands at its places.
VOIGT = (0, 4, 8, 5, 2, 1)
MATRIX = (0, 5, 4, 5, 1, 3, 4, 3, 2)


def from_ase(
    atoms: Atoms,
    dtype: torch.dtype | None = None,
    periodic: bool = True,
    keep: Sequence[str] = (),
) -> Data:
    """A graph without edges from the ``Atoms`` of ASE.

    It has ``z`` and ``pos``; ``cell`` (1, 3, 3) and ``pbc`` (1, 3), zeros and ``False``
    for a molecule, so that molecules and crystals make one batch; ``vel`` if there are
    momenta; and those results that a calculator already holds: ``energy`` ``(1,)``,
    ``force`` ``(|V|, 3)``, ``stress`` ``(1, 3, 3)``, ``dipole`` ``(1, 3)``.
    Units are ASE's. Nothing is calculated.

    Args:
        atoms: atoms of ASE.
        dtype: of floating-point numbers; float64 keeps total energies exactly.
            (default: torch's default dtype)
        periodic: whether to have ``cell`` and ``pbc``. Without them a graph joins no
            batch of others that have them: PyG's collation raises, or leaves those of
            the others out, whichever comes first. ``False`` is refused where atoms are
            periodic. (default: always)
        keep: names of further ``atoms.arrays`` (per atom), ``atoms.info`` (per graph)
            and results of the calculator to keep; one of several of that name is taken
            in this order.

    Raises:
        TypeError: for anything but ``Atoms``.
        ValueError: if ``keep`` names what is not there.

    Example:
        >>> from ase.build import bulk, molecule
        >>> from_ase(bulk("Si"))
        Data(pos=[2, 3], z=[2], cell=[1, 3, 3], pbc=[1, 3])
        >>> from_ase(molecule("H2O"), periodic=False)
        Data(pos=[3, 3], z=[3])
    """
    if not hasattr(atoms, "get_atomic_numbers"):
        raise TypeError(f"expected ase.Atoms, got {type(atoms).__name__}")
    dtype = torch.get_default_dtype() if dtype is None else dtype
    source: Any = atoms

    def number(value: Any) -> Tensor:
        tensor = torch.from_numpy(np.array(value))
        return tensor.to(dtype) if tensor.is_floating_point() else tensor

    data = Data(pos=number(source.positions), z=number(source.numbers).long())
    if not periodic and source.pbc.any():
        raise ValueError(
            f"periodic=False leaves the cell out, but the atoms repeat, pbc="
            f"{source.pbc.tolist()}; keep periodic=True, or set atoms.pbc = False"
        )
    if periodic:
        data.cell = number(source.cell[:]).unsqueeze(0)
        data.pbc = number(source.pbc).unsqueeze(0)
    if "momenta" in source.arrays:
        data.vel = number(source.get_velocities())
    results = getattr(source.calc, "results", {})
    for name, (attribute, shape, _) in RESULTS.items():
        if results.get(name) is not None:
            value = np.asarray(results[name], float)
            if name == "stress" and value.size == 6:
                value = value[list(MATRIX)]
            data[attribute] = number(value).reshape(shape)
    for name in keep:
        if name in source.arrays:
            data[name] = number(source.arrays[name])
        elif name in source.info:
            data[name] = number(source.info[name]).unsqueeze(0)
        elif results.get(name) is not None:
            result = number(results[name])
            data[name] = result if name in OF_ATOMS else result.unsqueeze(0)
        else:
            known = sorted({*source.arrays, *source.info, *results})
            raise ValueError(f"keep names {name!r}, the atoms have {known}")
    return data


def to_ase(data: Data) -> Atoms:
    """The ``Atoms`` of ASE from a graph; the inverse of :func:`from_ase`.

    Args:
        data: with ``z`` and ``pos``, and whatever else :func:`from_ase` sets, results
            in a ``SinglePointCalculator``.

    Raises:
        ValueError: if ``z`` or ``pos`` is missing, or this is a batch of graphs.
        ImportError: if ASE is not installed.

    Example:
        >>> to_ase(Data(z=torch.tensor([1, 1]), pos=torch.eye(3)[:2])).symbols
        Symbols('H2')
    """
    try:
        import ase
        from ase.calculators import singlepoint
    except ImportError as error:
        raise ImportError("to_ase needs ASE: pip install ase") from error
    missing = [name for name in ("z", "pos") if getattr(data, name, None) is None]
    if missing:
        raise ValueError(f"to_ase needs `z` and `pos`, the data lack {missing}")
    if getattr(data, "num_graphs", 1) != 1:
        raise ValueError(
            f"to_ase takes one graph, got a batch of {data.num_graphs}; use "
            f"[to_ase(graph) for graph in batch.to_data_list()]"
        )

    def array(name: str) -> Any:
        value = getattr(data, name, None)
        return None if value is None else value.detach().cpu().numpy()

    cell, pbc = array("cell"), array("pbc")
    atoms: Any = ase.Atoms(
        numbers=array("z"),
        positions=array("pos"),
        cell=None if cell is None else cell.reshape(3, 3),
        pbc=cell is not None if pbc is None else pbc.reshape(3),
    )
    if array("vel") is not None:
        atoms.set_velocities(array("vel"))
    results = {}
    for name, (attribute, _, shape) in RESULTS.items():
        value = array(attribute)
        if value is not None:
            value = value.flat[list(VOIGT)] if name == "stress" else value
            results[name] = value.reshape(shape)[()]
    if results:
        calculator: Any = singlepoint.SinglePointCalculator
        atoms.calc = calculator(atoms, **results)
    return cast("Atoms", atoms)
