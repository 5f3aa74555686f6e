"""What tells when, and whether, weights were made."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor


def numbers_of(version: str) -> tuple[int, ...]:
    """The first two numbers of a version."""
    found = re.match(r"(\d+)\.(\d+)", str(version))
    if found is None:
        raise ValueError(f"expected a version such as '0.16', got {version!r}")
    return int(found[1]), int(found[2])


def was_trained(frequency: Tensor) -> bool:
    """Whether frequencies are others than those at the start."""
    start = torch.arange(1, len(frequency) + 1).to(frequency) * math.pi
    return not torch.allclose(frequency, start, rtol=1e-5)
