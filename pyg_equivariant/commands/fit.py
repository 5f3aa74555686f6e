"""Train a network: on QM9, on rMD17, or on a file of structures."""

from __future__ import annotations

from collections.abc import Sequence

from pyg_equivariant.training.console import keep_quiet

from . import fit_file, fit_qm9, fit_rmd17

_HELP = """usage: {prog} FILE [--valid FILE] [--test FILE] ...
       {prog} rmd17 --molecule NAME [--root FOLDER] ...
       {prog} qm9 --model NAME --target NAME [--root FOLDER] ...

A FILE of structures makes a potential where it has energies, forces or stress; it may
be extended xyz or anything that ASE reads, .npz of MD17, or .pt of PyG.
The other two are data sets. Each has a --help of its own: {prog} FILE --help"""


def main(arguments: Sequence[str], prog: str) -> None:
    """Run the command."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_HELP.format(prog=prog))
        return
    keep_quiet()
    kind, *rest = arguments
    if kind == "qm9":
        fit_qm9.main(rest, f"{prog} qm9")
    elif kind == "rmd17":
        fit_rmd17.main(rest, f"{prog} rmd17")
    else:
        fit_file.main(arguments, prog)
