"""What fitting structures of one's own takes, wherever they come from."""

from __future__ import annotations

import argparse
from functools import partial

from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.training.choices import choose_settings
from pyg_equivariant.training.flags import add_flags, chosen, train
from pyg_equivariant.training.own_data import Divided, open_data
from pyg_equivariant.training.potential_task import POTENTIAL


def add_potential_flags(parser: argparse.ArgumentParser) -> None:
    """The network, its first weights, and the weights of the losses."""
    add = parser.add_argument
    add("--model", help=f"{', '.join(NETWORKS)} (default: painn, or that of --init)")
    add("--init", metavar="MODEL", help="begin with the weights of a model file")
    add("--cutoff", type=float, help="how far atoms see, in angstrom (default: 5)")
    for name in POTENTIAL:
        each = " per atom" if name == "energy" else ""
        add(f"--{name}-weight", type=float, help=f"of the {name}{each} in the loss")
    add_flags(parser, "by default those that suit a thousand structures")


def fit_divided(
    flags: argparse.Namespace,
    divided: Divided,
    target: str | None = None,
    head: str | None = None,
    unit: str = "",
) -> None:
    """Train, test, report."""
    weights = {name: getattr(flags, f"{name}_weight") for name in POTENTIAL}
    weights = {name: value for name, value in weights.items() if value is not None}
    picked = chosen(flags) | {"cutoff": flags.cutoff, "head": head}
    settings = choose_settings(
        divided.structures.select(divided.split.train),
        flags.model,
        target,
        divided.division,
        flags.init,
        picked.pop("network"),
        weights,
        **picked,
    )
    train(flags, settings, partial(open_data, divided, unit=unit), divided.name)
