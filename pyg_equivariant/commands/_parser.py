"""What all commands read their arguments with."""

from __future__ import annotations

import argparse


def new_parser(prog: str | None, tells: str) -> argparse.ArgumentParser:
    """A parser that shows what it tells as it is written."""
    kind = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=prog, description=tells, formatter_class=kind)
