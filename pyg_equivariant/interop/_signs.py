"""Signs of Clebsch-Gordan coefficients in older versions of e3nn."""

from __future__ import annotations

_LARGEST = 11  # degree to which the table is complete
_FLIPPED = {(5, 5, 5), (5, 6, 10), (5, 7, 11)}
_FLIPPED |= {(6, 6, 9), (6, 7, 10), (6, 8, 11)}
_FLIPPED |= {(7, 7, 9), (7, 8, 10), (7, 9, 11)}
_FLIPPED |= {(8, 8, 9), (8, 9, 10), (8, 10, 11)}
_FLIPPED |= {(9, 9, 9), (9, 10, 10), (9, 11, 11)}


def sign_before_e3nn_05(l1: int, l2: int, l3: int) -> int:
    """1, or -1 where e3nn 0.4.4 and earlier have the negative of a coupling.

    MACE still pins that version, for the sake of its trained weights.

    Raises:
        ValueError: for degrees beyond the table.
    """
    a, b, c = sorted((l1, l2, l3))
    if (a + b + c) % 2 == 0:
        return 1
    if c > _LARGEST:
        raise ValueError(
            f"the signs of e3nn 0.4.4 are known to degree {_LARGEST}, got "
            f"({l1}, {l2}, {l3})"
        )
    if a == 1:
        return -1 if b == c >= 2 else 1
    if a == 3:
        return -1 if c == b + 2 and b >= 4 else 1
    if a == 4:
        return -1 if c == b + 1 and b >= 4 else 1
    if a == 5 and b == c:
        return -1
    return -1 if (a, b, c) in _FLIPPED else 1
