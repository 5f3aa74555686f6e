"""Write what the authors' packages compute, for tests/peers/test_authors.py.

    PYTHON tests/peers/authors PACKAGE FOLDER

PYTHON is that of an environment with the package; this one need not be in it.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    packages = sorted(path.stem.removeprefix("write_") for path in HERE.glob("write_*"))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("package", choices=packages)
    parser.add_argument("folder", type=Path, help="made if it is not there")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, model in import_module(f"write_{options.package}").models():
        path = options.folder / f"{options.package}_{name}.npz"
        model.write(path)
        print(path)


if __name__ == "__main__":
    main()
