"""Train a potential on a molecule of revised MD17."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyg_equivariant.training.own_data import Divided
from pyg_equivariant.training.readers import Reading, read_rmd17

from ._own import add_potential_flags, fit_divided
from ._parser import new_parser

_TELLS = """Train a potential on a molecule of revised MD17, on one of its published
divisions: 950 structures train, 50 validate, 1,000 test.

The folder --root holds rmd17_NAME.npz beside splits/, as the published archive does
below rmd17/npz_data and rmd17/splits, or files named ...train... and ...test...; PyG
downloads the former where it holds neither."""


def main(arguments: Sequence[str], prog: str | None = None) -> None:
    """Train, test, report."""
    parser = new_parser(prog, _TELLS)
    add = parser.add_argument
    add("--molecule", required=True, help="aspirin, ethanol, ...")
    add("--root", default="data/md17", type=Path, help="folder (default: data/md17)")
    add("--split", type=int, default=1, help="which division, 1 to 5 (default: 1)")
    add_potential_flags(parser)
    flags = parser.parse_args(arguments)
    reading, name = open_rmd17(flags.root, flags.molecule, flags.split)
    assert reading.split is not None
    words = f"{flags.split} of 5"
    fit_divided(flags, Divided(reading.structures, reading.split, name, words))


def open_rmd17(root: Path, molecule: str, split: int) -> tuple[Reading, str]:
    """The molecule as it lies in a folder, or as PyG downloads it; and its name.

    Raises:
        FileNotFoundError: if it is neither there nor can be downloaded.
    """
    name = f"rmd17_{molecule}"
    whole = sorted(root.rglob(f"{name}.npz"))
    halves = sorted(root.rglob(f"{name}_train_{split:02d}.npz"))
    if halves or whole:
        return read_rmd17((halves or whole)[0], split), name
    from torch_geometric.datasets import MD17

    try:
        dataset = MD17(str(root), f"revised {molecule}")
    except Exception as error:  # whatever a failed download raises
        raise FileNotFoundError(
            f"{name}.npz is neither below {root} nor could PyG download it "
            f"({type(error).__name__}: {error}); name the folder of it with --root"
        ) from error
    return read_rmd17(dataset, split), name
