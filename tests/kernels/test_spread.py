"""Rows that edges share are those of ``index_select``, with all derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.kernels import spread, spread_rows

AT = torch.tensor([2, 0, 0, 3, 2, 2])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Results of any size pay; what ran."""
    found: list[str] = []
    for function in (spread._Spread, spread._Join):
        forward = function.forward

        def counted(*given: object, name: str = function.__name__, f=forward) -> Tensor:
            found.append(name)
            return f(*given)

        monkeypatch.setattr(function, "forward", staticmethod(counted))
    monkeypatch.setattr(spread, "_SMALLEST", 1)
    return found


def _rows(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(4, 3, dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_value(dtype: torch.dtype, calls: list[str]) -> None:
    rows = _rows(dtype)
    assert torch.equal(spread_rows(rows, AT), rows.index_select(0, AT))
    assert spread_rows(rows, AT[:0]).shape == (0, 3)
    assert calls == ["_Spread"]


def test_derivatives_of_any_order(calls: list[str]) -> None:
    rows = _rows()
    assert torch.autograd.gradcheck(lambda x: spread_rows(x, AT), rows)
    assert torch.autograd.gradgradcheck(lambda x: spread_rows(x, AT).sin(), rows)
    assert {"_Spread", "_Join"} == set(calls)


def test_transforms_see_plain_torch(calls: list[str]) -> None:
    rows = _rows().detach()
    jacobian = torch.func.jacrev(lambda x: spread_rows(x, AT))(rows)
    assert jacobian.shape == (6, 3, 4, 3)
    assert torch.equal(jacobian.sum((2, 3)), torch.ones_like(rows)[AT])
    assert calls == []
    leaf = rows.requires_grad_()
    out = spread_rows(leaf, AT)
    (found,) = torch.autograd.grad(
        out,
        leaf,
        torch.eye(out.numel(), dtype=out.dtype).view(-1, *out.shape),
        None,
        is_grads_batched=True,
    )
    assert torch.equal(found.view_as(jacobian), jacobian)
    assert calls == ["_Spread"]


def test_small_results_are_left_to_torch() -> None:
    node = spread_rows(_rows(), AT).grad_fn
    assert type(node).__name__ == "IndexSelectBackward0"


def test_a_row_that_is_not_there(calls: list[str]) -> None:
    with pytest.raises(IndexError):
        spread_rows(_rows(), AT + 2)
