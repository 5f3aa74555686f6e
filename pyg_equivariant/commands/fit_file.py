"""Train a network on structures in a file."""

from __future__ import annotations

from collections.abc import Sequence

from pyg_equivariant.training.own_data import divide

from ._own import add_potential_flags, fit_divided
from ._parser import new_parser
from ._reader import add_reader_flags, reader_options

_TELLS = """Train a network on the structures in a file: a potential of their energies,
forces and stress, as far as there are such, in eV and angstrom; or another property.

Without --valid and --test a random tenth of the structures validates, another tests.
Everything of the run is in its folder: settings, checkpoints, logs, report, and
model.pt, the trained network. --resume goes on where a run stopped; with more --epochs
it extends a run that is finished."""


def main(arguments: Sequence[str], prog: str | None = None) -> None:
    """Train, test, report."""
    parser = new_parser(prog, _TELLS)
    add = parser.add_argument
    add("file", help="structures to train on")
    add("--valid", metavar="FILE", help="structures to validate on")
    add("--test", metavar="FILE", help="structures to test on")
    add(
        "--target", help="another label than energy, forces and stress, or energy alone"
    )
    add("--head", help="of the network, for another label: mean, sum, node, dipole ...")
    add("--unit", default="", help="of another label, for reports")
    add_reader_flags(parser)
    add_potential_flags(parser)
    flags = parser.parse_args(arguments)
    options = reader_options(flags)
    seed = flags.seed or 0
    divided = divide(flags.file, flags.valid, flags.test, seed=seed, **options)
    fit_divided(flags, divided, flags.target, flags.head, flags.unit)
