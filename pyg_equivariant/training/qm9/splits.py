"""The ways in which papers divide QM9 into training, validation and test sets."""

from __future__ import annotations

import numpy as np
import torch

from ..splits import Split

NUM_MOLECULES = 130_831
SPLITS = "cormorant, dimenet, equiformer or random:SEED"


def split_molecules(name: str, num_molecules: int = NUM_MOLECULES) -> Split:
    """Divide the molecules as a published split does.

    A data set of another size than QM9's is divided in the same proportions.

    Args:
        name: ``"cormorant"`` (also EGNN's and SEGNN's: 100,000 to train, 17,748 to
            validate, 13,083 to test); ``"dimenet"`` and ``"equiformer"`` (110,000,
            10,000, 10,831, each in an order of its own); ``"random:SEED"``, which is
            any other order of 110,000, 10,000 and 10,831.
        num_molecules: how many there are.

    Raises:
        ValueError: for an unknown name.
    """
    if name == "cormorant":
        order = np.random.RandomState(0).permutation(num_molecules)
        num_train, num_val = 100_000, 17_748
    elif name == "dimenet":
        order = np.random.RandomState(42).permutation(num_molecules)
        num_train, num_val = 110_000, 10_000
    elif name == "equiformer":
        order = np.random.default_rng(1).permutation(num_molecules)
        num_train, num_val = 110_000, 10_000
    else:
        order = np.random.default_rng(_seed(name)).permutation(num_molecules)
        num_train, num_val = 110_000, 10_000
    first = num_train * num_molecules // NUM_MOLECULES
    second = (num_train + num_val) * num_molecules // NUM_MOLECULES
    indices = torch.from_numpy(order)
    return Split(indices[:first], indices[first:second], indices[second:])


def _seed(name: str) -> int:
    kind, _, seed = name.partition(":")
    if kind != "random" or not seed.isdecimal():
        raise ValueError(
            f"got split {name!r}, expected {SPLITS} with a whole number, such as "
            "random:1"
        )
    return int(seed)
