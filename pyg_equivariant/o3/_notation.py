"""How irreps are written: ``"1o"``, ``"16x0e + 8x1o"``."""

from __future__ import annotations

import re

_IRREP = re.compile(r"(\d+)\s*([eo])")
_MUL_IRREP = re.compile(r"(?:(\d+)\s*x\s*)?(\d+\s*[eo])")
_PARITY = {"e": 1, "o": -1}


def parse_irrep(text: str) -> tuple[int, int]:
    """Degree and parity.

    Raises:
        ValueError: if the text is no irrep.

    Example:
        >>> parse_irrep("2o")
        (2, -1)
    """
    match = _IRREP.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no irrep; write it as '0e', '1o', '2e', ...")
    return int(match[1]), _PARITY[match[2]]


def parse_block(text: str, whole: str | None = None) -> tuple[int, str]:
    """Multiplicity and irrep of one block; errors quote the ``whole`` it stands in.

    Raises:
        ValueError: naming the block that is none.

    Example:
        >>> parse_block("8x1o"), parse_block("2e")
        ((8, '1o'), (1, '2e'))
    """
    match = _MUL_IRREP.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text.strip()!r} in {text if whole is None else whole!r} is no irrep; "
            "write irreps as '16x0e + 8x1o + 2e'"
        )
    return int(match[1] or 1), match[2]


def parse_blocks(text: str) -> list[tuple[int, str]]:
    """Multiplicities and irreps of a direct sum.

    Raises:
        ValueError: naming the block that is none.

    Example:
        >>> parse_blocks("16x0e + 8x1o")
        [(16, '0e'), (8, '1o')]
    """
    blocks = text.split("+") if text.strip() else []
    return [parse_block(block, text) for block in blocks]
