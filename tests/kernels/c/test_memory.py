"""New memory and addresses of rows."""

from __future__ import annotations

import ctypes
import mmap
import sys

import pytest
import torch

from pyg_equivariant.kernels.c import memory
from pyg_equivariant.kernels.c.memory import (
    address,
    contiguous_rows,
    new_rows,
    num_parts,
)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (3, 4), (4096, 700)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_new_rows_are_ours_to_write(size: tuple[int, int], dtype: torch.dtype) -> None:
    out = new_rows(*size, torch.zeros(1, dtype=dtype))
    assert out.shape == size
    assert out.dtype == dtype
    assert out.is_contiguous()
    assert torch.equal(out.fill_(2), torch.full(size, 2, dtype=dtype))


def test_rows_are_consecutive_and_copied_only_if_not() -> None:
    x = torch.arange(12.0).view(3, 4)
    for kept in (x, x[:, 1:], x[::2], x.t()[:, :1], x[0].expand(3, 4)):
        assert contiguous_rows(kept) is kept
    for turned in (x.t(), x.t()[:1], x[:, ::2]):
        copied = contiguous_rows(turned)
        assert copied.stride(-1) == 1
        assert torch.equal(copied, turned)


def test_addresses() -> None:
    x = torch.zeros(3, 4)
    assert address(x[:, 1:]) == (x.data_ptr() + 4, 4)
    assert address(None) == (None, 0)


def test_large_pages_are_asked_for_within_the_new_memory_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int, int]] = []

    def advise(start: ctypes.c_void_p, length: ctypes.c_size_t, advice: int) -> None:
        assert start.value is not None
        asked.append((start.value, length.value, advice))

    monkeypatch.setattr(memory, "_madvise", lambda: advise)
    for dtype in (torch.float32, torch.float64):
        out = new_rows(1 << 12, 1 << 10, torch.zeros(1, dtype=dtype))
        (start, length, advice), _ = asked.pop(), asked.clear()
        first = out.data_ptr()
        assert start % mmap.PAGESIZE == 0
        assert first <= start < first + mmap.PAGESIZE
        assert start + length == first + out.numel() * out.element_size()
        assert advice == getattr(mmap, "MADV_HUGEPAGE", 14)
        new_rows(10, 10, out)
        assert not asked


@pytest.mark.skipif(sys.platform != "linux", reason="pages of 2 MB are Linux's")
def test_the_system_takes_the_advice() -> None:
    page = mmap.PAGESIZE
    block = mmap.mmap(-1, 2 * page, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.addressof(ctypes.c_char.from_buffer(block))
    advise = memory._madvise()
    dont_need = ctypes.c_int(mmap.MADV_DONTNEED)
    block[page] = 1
    assert advise(ctypes.c_void_p(start), ctypes.c_size_t(page), dont_need) == 0
    assert block[page] == 1
    after = ctypes.c_void_p(start + page)
    assert advise(after, ctypes.c_size_t(page), dont_need) == 0
    assert block[page] == 0


def test_parts_depend_on_the_rows_alone_and_only_grow() -> None:
    rows = [0, 1, 255, *range(256, 1 << 15, 64), 1 << 20, 1 << 22, 1 << 40]
    parts = [num_parts(count) for count in rows]
    pairs = zip(rows, parts, strict=True)
    assert parts == sorted(parts)
    assert parts[:3] == [1, 1, 1]
    assert all(count // found >= 256 for count, found in pairs if found > 1)
    assert parts[-1] <= 512
