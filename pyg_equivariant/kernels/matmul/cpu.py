"""Matrix products by compiled C."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..c.build import library
from ..c.memory import REAL, declare, new_rows, num_threads


def multiply(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    """The product ``a @ b + bias`` of matrices ``(m, k)`` and ``(k, n)``.

    Raises:
        BuildError: without a compiler.
        ValueError: if shapes or dtypes do not fit.
    """
    (m, k), n = a.shape, b.shape[1]
    if len(b) != k or b.dtype != a.dtype:
        raise ValueError(
            f"expected matrices (m, k) and (k, n) of one dtype, got {tuple(a.shape)} "
            f"of {a.dtype} and {tuple(b.shape)} of {b.dtype}"
        )
    if bias is not None and (bias.shape != (n,) or bias.dtype != a.dtype):
        raise ValueError(
            f"expected a bias ({n},) of {a.dtype}, got {tuple(bias.shape)} of "
            f"{bias.dtype}"
        )
    b = b if b.stride(1) == 1 else b.contiguous()
    bias = None if bias is None else bias.contiguous()
    c = new_rows(m, n, a)
    _kernel(a.dtype)(
        num_threads(),
        *(m, k, n),
        *(a.data_ptr(), *a.stride()),
        *(b.data_ptr(), b.stride(0)),
        None if bias is None else bias.data_ptr(),
        c.data_ptr(),
    )
    return c


@cache
def _kernel(dtype: torch.dtype) -> Any:
    built = library(Path(__file__).with_name("cpu.c"), REAL[dtype])
    return declare(built, run="int size size size * size size * size * *").run
