"""What a formula such as ``"ij=-ji"`` says of the indices of a tensor."""

from __future__ import annotations

MOST_INDICES = 6

SignedPermutation = tuple[int, tuple[int, ...]]


def index_symmetry(formula: str) -> tuple[int, tuple[SignedPermutation, ...]]:
    """The number of indices, and all signed permutations that leave a tensor alone.

    Raises:
        TypeError: if the formula is no string.
        ValueError: if it cannot be read.

    Example:
        >>> index_symmetry("ij=-ji")
        (2, ((-1, (1, 0)), (1, (0, 1))))
    """
    if not isinstance(formula, str):
        raise TypeError(
            f"a formula is a string such as 'ij=ji', got {type(formula).__name__}"
        )
    terms = [term.strip() for term in formula.split("=")]
    first = terms[0]
    distinct = len(set(first)) == len(first)
    if not (first.isalpha() and distinct and len(first) <= MOST_INDICES):
        raise ValueError(
            f"a formula begins with up to {MOST_INDICES} different letters, one for "
            f"every index, as in 'ij=ji'; got {formula!r}"
        )
    given = []
    for term in terms:
        letters = term.removeprefix("-").strip()
        if sorted(letters) != sorted(first):
            raise ValueError(
                f"every term of a formula has the letters {first!r} in some order, "
                f"with or without a minus; got {term!r} in {formula!r}"
            )
        sign = -1 if term.startswith("-") else 1
        given.append((sign, tuple(first.index(letter) for letter in letters)))
    return len(first), _closure(given)


def _closure(given: list[SignedPermutation]) -> tuple[SignedPermutation, ...]:
    """All products of signed permutations."""
    group, new = set(given), list(given)
    while new:
        sign, permutation = new.pop()
        for other_sign, other in given:
            product = (sign * other_sign, tuple(permutation[i] for i in other))
            if product not in group:
                group.add(product)
                new.append(product)
    return tuple(sorted(group))
