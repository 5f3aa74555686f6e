"""Commands: ``python -m pyg_equivariant kernels`` shows, clears and builds kernels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.kernels import (
    can_compile,
    clear_kernels,
    count_kernels,
    kernel_report,
)
from pyg_equivariant.networks import NETWORKS, find_network
from pyg_equivariant.nn.models import MolecularModel

_ATOMS = torch.tensor([6, 6, 8, 7, 1, 1, 1, 1, 1, 1])
_MOLECULES = 100  # enough that no operation is left to torch for being small


def build(name: str, dtype: torch.dtype) -> int:
    """Build all that a network needs, for training and for forces.

    Args:
        name: of a network, or of a checkpoint that training wrote.
        dtype: of its numbers.

    Returns:
        The number of kernels that this machine then has.

    Raises:
        ValueError: if there is no such network, if the file is no such checkpoint, or
            if nothing can be compiled here.
    """
    if not can_compile():
        raise ValueError(f"kernels cannot be compiled here:\n{kernel_report()}")
    model = _network(name) if name in NETWORKS else _read_checkpoint(Path(name))
    _use(model.to(dtype))
    return count_kernels()


def _network(name: str, **arguments: Any) -> MolecularModel:
    make: Callable[..., MolecularModel] = find_network(name).model
    return make(**arguments)


def _read_checkpoint(path: Path) -> MolecularModel:
    if not path.is_file():
        known = ", ".join(NETWORKS)
        raise ValueError(f"{path} is no file, and none of the networks: {known}")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        settings = found["hyper_parameters"]["settings"]
        name, arguments = settings["model"], settings["network"]
    except Exception as error:
        raise ValueError(
            f"{path} is no checkpoint that training wrote ({type(error).__name__}); "
            "for a network of your own, run one step of it where there is a compiler"
        ) from None
    return _network(name, **arguments, head=settings["head"])


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m pyg_equivariant")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    kernels = commands.add_parser(
        "kernels",
        help="show, clear or build compiled kernels",
        description="Show the compiler, its options, and the kernels that are kept.",
        epilog="PYG_EQUIVARIANT_CACHE names the folder where kernels are kept, "
        "PYG_EQUIVARIANT_COMPILE_TIMEOUT the seconds that a compilation may take; "
        "PYG_EQUIVARIANT_PLAIN=1 does without kernels.",
    )
    kernels.add_argument("--clear", action="store_true", help="delete those kept")
    kernels.add_argument(
        "--build",
        metavar="MODEL",
        nargs="+",
        default=[],
        help="build ahead all that checkpoints of training, or networks by name, need; "
        "machines of this kind then need no compiler",
    )
    kernels.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    flags = parser.parse_args(arguments)
    if flags.clear:
        print(f"cleared {clear_kernels() / 1e6:.1f} MB")
    for name in flags.build:
        try:
            count = build(name, getattr(torch, flags.dtype))
        except ValueError as error:
            sys.exit(f"error: {error}")
        print(f"built {name} in {flags.dtype}: {count} kernels are kept")
    print(kernel_report())


if __name__ == "__main__":
    main()
