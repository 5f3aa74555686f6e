"""How irreps are written: ``"1o"``, ``"16x0e + 8x1o"``."""

from __future__ import annotations

import re

_IRREP = re.compile(r"(\d+)\s*([eo])")
_MUL_IRREP = re.compile(r"(?:(\d+)\s*x\s*)?(\d+\s*[eo])")


def parse_irrep(text: str) -> tuple[int, int]:
    """Degree and parity of an irrep such as ``"1o"``."""
    match = _IRREP.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no irrep; write it as '0e', '1o', '2e', ...")
    return int(match[1]), 1 if match[2] == "e" else -1


def parse_block(text: str, whole: str) -> tuple[int, str]:
    """Multiplicity and irrep of a block such as ``"8x1o"``; errors quote the whole."""
    match = _MUL_IRREP.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text.strip()!r} in {whole!r} is no irrep; "
            "write irreps as '16x0e + 8x1o + 2e'"
        )
    return int(match[1] or 1), match[2]
