"""Show, clear and build ahead compiled kernels."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from pyg_equivariant.kernels import (
    can_compile,
    clear_kernels,
    count_kernels,
    kernel_report,
)
from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import load_model
from pyg_equivariant.nn.models import MolecularModel

_ATOMS = torch.tensor([6, 6, 8, 7, 1, 1, 1, 1, 1, 1])
_MOLECULES = 100  # enough that no operation is left to torch for being small


def build(name: str, dtype: torch.dtype) -> int:
    """Build all that a network needs, for training and for forces.

    Args:
        name: of a network, or of a model file or checkpoint.
        dtype: of its numbers.

    Returns:
        The number of kernels that this machine then has.

    Raises:
        ValueError: if there is no such network, if the file holds none, or
            if nothing can be compiled here.
    """
    if not can_compile():
        raise ValueError(f"kernels cannot be compiled here:\n{kernel_report()}")
    _use(_network(name).to(dtype))
    return count_kernels()


def _network(name: str) -> MolecularModel:
    if name in NETWORKS:
        make: Callable[..., MolecularModel] = NETWORKS[name].model
        return make()
    if not Path(name).is_file():
        known = ", ".join(NETWORKS)
        raise ValueError(f"{name} is no file, and none of the networks: {known}")
    try:
        model: MolecularModel = load_model(name)
    except ValueError as error:
        raise ValueError(
            f"{error}; for a network of your own, run one step of it where there is a "
            "compiler"
        ) from None
    return model


def _use(model: MolecularModel) -> None:
    """All that is ever asked of a network: values, training, forces, both."""
    generator = torch.Generator().manual_seed(0)
    size = _MOLECULES, len(_ATOMS), 3
    dtype = next(model.parameters()).dtype
    pos = 1.5 * torch.randn(size, generator=generator, dtype=dtype).flatten(0, 1)
    z = _ATOMS.repeat(_MOLECULES)
    batch = torch.arange(_MOLECULES).repeat_interleave(len(_ATOMS))

    def energy(pos: Tensor) -> Tensor:
        out: Tensor = model(z, pos, batch)
        return out.square().sum()

    with torch.no_grad():
        energy(pos)
    energy(pos).backward()
    pos.requires_grad_()
    for create_graph in (False, True):
        (forces,) = torch.autograd.grad(energy(pos), pos, create_graph=create_graph)
    forces.square().sum().backward()
    model.requires_grad_(False)
    torch.autograd.grad(energy(pos), pos)


def main(arguments: Sequence[str], prog: str) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Show the compiler, its options, and the kernels that are kept.",
        epilog="PYG_EQUIVARIANT_CACHE names the folder where kernels are kept, "
        "PYG_EQUIVARIANT_COMPILE_TIMEOUT the seconds that a compilation may take; "
        "PYG_EQUIVARIANT_PLAIN=1 does without kernels.",
    )
    parser.add_argument("--clear", action="store_true", help="delete those kept")
    parser.add_argument(
        "--build",
        metavar="MODEL",
        nargs="+",
        default=[],
        help="build ahead all that networks, by name or in files, need; machines of "
        "this kind then need no compiler",
    )
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    flags = parser.parse_args(arguments)
    if flags.clear:
        print(f"cleared {clear_kernels() / 1e6:.1f} MB")
    for name in flags.build:
        count = build(name, getattr(torch, flags.dtype))
        print(f"built {name} in {flags.dtype}: {count} kernels are kept")
    print(kernel_report())
