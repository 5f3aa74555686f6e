"""Commands: ``python -m pyg_equivariant`` fits, tests, predicts, shows kernels."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

_PROG = "python -m pyg_equivariant"
_HELP = f"""usage: {_PROG} COMMAND ...

  fit        train a network: on QM9, rMD17, or a file of your own
  test       errors of a trained network on structures with labels
  predict    energies and forces, or another property, of structures in a file
  kernels    show, clear or build compiled kernels

{_PROG} COMMAND --help tells more."""


def _fit() -> Callable[[Sequence[str], str], None]:
    from pyg_equivariant.commands.fit import main

    return main


def _test() -> Callable[[Sequence[str], str], None]:
    from pyg_equivariant.commands.test import main

    return main


def _predict() -> Callable[[Sequence[str], str], None]:
    from pyg_equivariant.commands.predict import main

    return main


def _kernels() -> Callable[[Sequence[str], str], None]:
    from pyg_equivariant.commands.kernels import main

    return main


_COMMANDS = {"fit": _fit, "test": _test, "predict": _predict, "kernels": _kernels}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(_HELP)
        return
    name, *rest = words
    if name not in _COMMANDS:
        sys.exit(f"error: got command {name!r}, expected one of {', '.join(_COMMANDS)}")
    try:
        _COMMANDS[name]()(rest, f"{_PROG} {name}")
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
