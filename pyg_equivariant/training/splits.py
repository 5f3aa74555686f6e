"""Which structures are for training, which for validation, which for testing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

Size = int | float | None


class Split(NamedTuple):
    """Which structures are for what, by their place in the data set."""

    train: Tensor
    val: Tensor
    test: Tensor


def split_random(
    count: int,
    train: Size = None,
    val: Size = 0.1,
    test: Size = 0.1,
    seed: int = 0,
) -> Split:
    """Divide at random; one seed is one division, on every machine.

    Args:
        count: how many structures there are.
        train: how many of them to train on, or which part of them if it is below 1;
            ``None`` takes what the others leave.
        val: the same for validation.
        test: the same for testing. Only one of the three may be ``None``.
        seed: number of the division.

    Raises:
        ValueError: if these are more than there are, or none is left to train on.

    Example:
        >>> split_random(10, train=6, val=2)
        Split(train=tensor([4, 6, 2, 7, 3, 5]), val=tensor([9, 0]), test=tensor([8]))
    """
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    sizes = _sizes(count, train, val, test)
    return Split(*order[: sum(sizes)].split(sizes))


def split_by_time(
    lengths: int | Sequence[int],
    train: Size = None,
    val: Size = 0.1,
    test: Size = 0.1,
    gap: int = 0,
) -> Split:
    """Divide trajectories: the beginning trains, what comes later tests.

    Frames that follow each other are nearly the same. Divided at random, each frame of
    the test has a neighbor in training, and the error says little of other times.

    Args:
        lengths: frames of the trajectory, or of each of several, which lie one behind
            the other; each is divided.
        train: frames to train on, or their part, of each trajectory; ``None`` takes
            what the others leave.
        val: the same for validation.
        test: the same for testing.
        gap: frames to leave out between two parts.

    Raises:
        ValueError: if these are more than there are, or none is left to train on.

    Example:
        >>> split_by_time(10, val=2, test=2, gap=1)
        Split(train=tensor([0, 1, 2, 3]), val=tensor([5, 6]), test=tensor([8, 9]))
    """
    parts: list[list[Tensor]] = [[], [], []]
    start = 0
    each = [lengths] if isinstance(lengths, int) else lengths
    for length in [length for length in each if length] or [0]:
        sizes = _sizes(length - 2 * gap, train, val, test)
        begin = start
        for part, size in zip(parts, sizes, strict=True):
            part.append(torch.arange(begin, begin + size))
            begin += size + gap
        start += length
    return Split(*map(torch.cat, parts))


def split_as_given(
    count: int, train: Tensor, val: Tensor | None = None, test: Tensor | None = None
) -> Split:
    """Divide by places, such as those of :func:`read_indices`.

    Args:
        count: how many structures there are.
        train: places of those to train on.
        val: places of those to validate on; none by default.
        test: places of those to test on; by default all that neither trains nor
            validates.

    Raises:
        ValueError: if a place is none of the data set, is named twice, or none trains.

    Example:
        >>> split_as_given(4, torch.tensor([2, 0]), torch.tensor([1]))
        Split(train=tensor([2, 0]), val=tensor([1]), test=tensor([3]))
    """
    train = torch.as_tensor(train, dtype=torch.long)
    val = torch.as_tensor([] if val is None else val, dtype=torch.long)
    rest = torch.ones(count, dtype=torch.bool)
    for name, places in (("train", train), ("val", val), ("test", test)):
        if places is None:
            continue
        places = torch.as_tensor(places, dtype=torch.long)
        outside = places[(places < 0) | (places >= count)]
        if len(outside):
            raise ValueError(
                f"{name} names structure {int(outside[0])} of {count}; the first is 0"
            )
        if len(places.unique()) < len(places) or not rest[places].all():
            raise ValueError(f"{name} names a structure twice, or one named before")
        rest[places] = False
    if not len(train):
        raise ValueError("got no structure to train on")
    if test is None:
        test = rest.nonzero().squeeze(1)
    return Split(train, val, torch.as_tensor(test, dtype=torch.long))


def read_indices(path: str | Path, key: str | None = None) -> Tensor:
    """Places of structures from a file.

    Args:
        path: text with whole numbers between spaces, commas or line ends, such as the
            ``index_train_01.csv`` of rMD17, or an array of numpy, ``.npy`` or ``.npz``.
        key: the array of an ``.npz``; needed where it holds several.

    Raises:
        ValueError: if it holds anything else.
    """
    path = Path(path)
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            names = list(arrays.files)
            if key is None and len(names) == 1:
                key = names[0]
            if key not in names:
                raise ValueError(f"{path} holds {names}, name one of them, got {key!r}")
            values = arrays[key]
    elif path.suffix == ".npy":
        values = np.load(path)
    else:
        words = path.read_text(encoding="utf-8").replace(",", " ").split()
        try:
            values = np.array([int(word) for word in words], dtype=np.int64)
        except ValueError as error:
            raise ValueError(f"{path} does not hold whole numbers: {error}") from None
    if values.dtype.kind not in "iu":
        raise ValueError(f"{path} holds {values.dtype}, expected whole numbers")
    return torch.from_numpy(values.astype(np.int64).reshape(-1))


def _sizes(count: int, *asked: Size) -> list[int]:
    """How many structures each part gets."""
    if sum(size is None for size in asked) > 1:
        raise ValueError(f"got {asked} for train, val and test: only one may be None")
    used = sum(_size(size, count) for size in asked if size is not None)
    sizes = [count - used if size is None else _size(size, count) for size in asked]
    if used > count or sizes[0] <= 0:
        raise ValueError(
            f"got {count} structures, and {asked} of them for train, val and test; "
            "expected at least one to train on, and no more than there are"
        )
    return sizes


def _size(size: int | float, count: int) -> int:
    if isinstance(size, float) and 0 <= size < 1:
        return math.floor(size * max(count, 0))
    if size != int(size) or size < 0:
        raise ValueError(f"got {size}, expected a number of structures or a part of 1")
    return int(size)
