"""New memory and addresses of rows."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.kernels.c.memory import address, contiguous_rows, new_rows


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
    for kept in (x, x[:, 1:], x[::2], x[:, :1], x[0].expand(3, 4)):
        assert contiguous_rows(kept) is kept
    turned = contiguous_rows(x.t())
    assert turned.stride(-1) == 1
    assert torch.equal(turned, x.t())


def test_addresses() -> None:
    x = torch.zeros(3, 4)
    assert address(x[:, 1:]) == (x.data_ptr() + 4, 4)
    assert address(None) == (None, 0)
