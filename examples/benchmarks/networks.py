"""Our networks beside those that people use, on batches of molecules.

    python examples/benchmarks/networks.py --root ROOT --egnn-repo A --segnn-repo B

Energies, a training step on energies (forward and backward to all parameters), and one
on energies and forces (forces by autograd with ``create_graph``, then backward of
both), without the optimizer, which is the same for both sides. Weights are converted
by ``pyg_equivariant.interop`` or copied. First energies are compared to 1e-5 of the
largest, and forces to 5e-5: derivatives through seven layers lose that much in float32
on either side.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import torch
from molecules import molecules
from peers import EGNN_CODE, PEERS, SEGNN_CODE, Side, cases
from timing import head, in_turns, parser, rows, rule, same, start
from torch import Tensor

from pyg_equivariant.networks import NETWORKS


def forward(side: Side, pos: Tensor) -> Tensor:
    with torch.no_grad():
        return side.energy(pos)


def train(side: Side, pos: Tensor) -> Tensor:
    loss = side.energy(pos).square().mean()
    loss.backward()
    side.module.zero_grad()
    return loss.detach()


def energy_and_forces(side: Side, pos: Tensor) -> tuple[Tensor, Tensor]:
    pos = pos.detach().requires_grad_()
    energy = side.energy(pos)
    (gradient,) = torch.autograd.grad(energy.sum(), pos, create_graph=True)
    return energy, -gradient


def train_forces(side: Side, pos: Tensor) -> Tensor:
    energy, forces = energy_and_forces(side, pos)
    loss = energy.square().mean() + forces.square().mean()
    loss.backward()
    side.module.zero_grad()
    return loss.detach()


STEPS: dict[str, Callable[[Side, Tensor], Tensor]] = {
    "forward": forward,
    "training step": train,
    "energy + force training step": train_forces,
}


def main(argv: list[str] | None = None) -> None:
    options_of = parser(__doc__)
    options_of.add_argument("--molecules", type=int, nargs="+", default=[32])
    options_of.add_argument(
        "--root", help="of torch_geometric.datasets.QM9 (default: random molecules)"
    )
    options_of.add_argument("--egnn-repo", help=f"a clone of {EGNN_CODE}")
    options_of.add_argument("--segnn-repo", help=f"a clone of {SEGNN_CODE}")
    names = [name for name in NETWORKS if name in PEERS]
    options_of.add_argument("--networks", nargs="+", default=names, choices=names)
    options = options_of.parse_args(argv)
    if options.quick:
        options.molecules, options.seconds = [2], 0.0
    start(options, "torch_geometric", "schnetpack", "e3nn")
    for count in options.molecules:
        m = molecules(count, options.root)
        print(f"{m} within 5 angstrom")
        head()
        for case in cases(m, options):
            sides = {"ours": case.ours, case.peer: case.theirs}
            found = [energy_and_forces(side, m.pos) for side in sides.values()]
            energies, forces = zip(*found, strict=True)
            same(f"energies of {case.name}", energies[:1], energies[1:])
            same(f"forces of {case.name}", forces[:1], forces[1:], 5e-5)
            del found, energies, forces
            for what, step in STEPS.items():
                functions = {
                    name: partial(step, side, m.pos) for name, side in sides.items()
                }
                rows(f"{case.name}, {what}", in_turns(functions, options.seconds))
        rule()


if __name__ == "__main__":
    main(sys.argv[1:])
