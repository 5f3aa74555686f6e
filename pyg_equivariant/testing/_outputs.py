"""Calling a function that is being tested, and comparing what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor


def call(function: Callable[..., Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The outputs; random numbers drawn on the way are the same in every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = function(*inputs)
    return tuple(out) if isinstance(out, (tuple, list)) else (out,)


def relative_deviation(found: Tensor, expected: Tensor) -> float:
    """Largest deviation, relative to the largest number that is expected."""
    if found.shape != expected.shape:
        raise AssertionError(
            f"the shape changed from {tuple(expected.shape)} to {tuple(found.shape)}"
        )
    if not found.numel():
        return 0.0
    found, expected = found.detach().double(), expected.detach().double()
    difference = (found - expected).abs().max()
    return float(difference / expected.abs().max().clamp(min=1e-12))


def largest(values: Iterable[float]) -> float:
    """The maximum; unlike that of Python, NaN if any value is."""
    return float(torch.tensor([*values], dtype=torch.float64).max())
