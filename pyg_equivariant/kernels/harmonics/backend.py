"""Harmonics and their derivatives by compiled C on the CPU, or else in plain torch."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..compiled.build import BuildError, build, compiler_or_warning, warn_once
from ..compiled.memory import REAL, new_rows
from .reference import (
    gradient_reference,
    harmonics_reference,
    second_reference,
)
from .source import c_source

_PER_THREAD = 1 << 20  # numbers: 0.3 ms of work, well above the cost of a barrier
LARGEST = 12  # the highest degree with a kernel: text grows like its square


def parse(degrees: str) -> tuple[int, ...]:
    """Degrees from the text that an operator holds."""
    return tuple(map(int, degrees.split()))


@lru_cache(maxsize=256)
def _kernels(
    degrees: str, normalize: bool, normalization: str, dtype: torch.dtype
) -> Any:
    """The compiled library, or ``None`` without one."""
    ls = parse(degrees)
    if dtype not in REAL or not 0 < max(ls) <= LARGEST or not compiler_or_warning():
        return None
    try:
        library = build(c_source(ls, normalize, normalization, REAL[dtype]))
    except BuildError as error:
        warn_once(f"{error}; plain torch runs instead")
        return None
    integers: list[Any] = [ctypes.c_int, ctypes.c_int64]
    pointer, step = ctypes.c_void_p, ctypes.c_int64
    library.value.argtypes = [*integers, pointer, pointer]
    library.gradient.argtypes = [*integers, pointer, pointer, step, pointer]
    library.second.argtypes = [
        *integers,
        *(pointer, pointer, step, pointer),
        *(pointer, pointer),
    ]
    for run in (library.value, library.gradient, library.second):
        run.restype = None
    return library


@lru_cache(maxsize=256)
def dim_of(degrees: str) -> int:
    """The number of harmonics of one vector."""
    return sum(2 * l + 1 for l in parse(degrees))


def _threads(count: int, degrees: str) -> int:
    wanted = count * dim_of(degrees) // _PER_THREAD
    return max(1, min(torch.get_num_threads(), wanted))


def _rows(grad: Tensor, dim: int) -> Tensor:
    """The same numbers, rows consecutive and apart."""
    apart = grad.stride(1) == 1 and grad.stride(0) >= dim
    return grad if apart else grad.contiguous()


def run_value(
    vectors: Tensor, degrees: str, normalize: bool, normalization: str
) -> Tensor:
    """What :func:`harmonics_reference` specifies."""
    library = None
    if vectors.device.type == "cpu":
        library = _kernels(degrees, normalize, normalization, vectors.dtype)
    if library is None:
        form = parse(degrees), normalize, normalization
        return harmonics_reference(vectors, form).contiguous()
    count, vectors = vectors.shape[0], vectors.contiguous()
    out = new_rows(count, dim_of(degrees), vectors)
    library.value(_threads(count, degrees), count, vectors.data_ptr(), out.data_ptr())
    return out


def run_gradient(
    vectors: Tensor, grad: Tensor, degrees: str, normalize: bool, normalization: str
) -> Tensor:
    """What :func:`gradient_reference` specifies."""
    library = None
    if vectors.device.type == "cpu":
        library = _kernels(degrees, normalize, normalization, vectors.dtype)
    if library is None:
        form = parse(degrees), normalize, normalization
        return gradient_reference(vectors, grad, form)
    count, vectors = vectors.shape[0], vectors.contiguous()
    grad = _rows(grad, dim_of(degrees))
    out = vectors.new_empty(count, 3)
    library.gradient(
        *(_threads(count, degrees), count, vectors.data_ptr(), grad.data_ptr()),
        *(grad.stride(0), out.data_ptr()),
    )
    return out


def run_second(
    vectors: Tensor,
    grad: Tensor,
    along: Tensor,
    degrees: str,
    normalize: bool,
    normalization: str,
) -> tuple[Tensor, Tensor]:
    """What :func:`second_reference` specifies."""
    library = None
    if vectors.device.type == "cpu":
        library = _kernels(degrees, normalize, normalization, vectors.dtype)
    if library is None:
        form = parse(degrees), normalize, normalization
        return second_reference(vectors, grad, along, form)
    count, dim = vectors.shape[0], dim_of(degrees)
    vectors, along, grad = vectors.contiguous(), along.contiguous(), _rows(grad, dim)
    by_grad, by_vectors = new_rows(count, dim, vectors), vectors.new_empty(count, 3)
    library.second(
        *(_threads(count, degrees), count, vectors.data_ptr(), grad.data_ptr()),
        *(grad.stride(0), along.data_ptr(), by_grad.data_ptr(), by_vectors.data_ptr()),
    )
    return by_grad, by_vectors
