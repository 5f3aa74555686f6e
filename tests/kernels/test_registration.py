"""Operators under both kinds of batches: of torch.func, and of gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from pyg_equivariant.kernels import convolution  # noqa: F401  registers an operator
from pyg_equivariant.kernels.registration import register_operator

samples: list[torch.Size] = []


def _run(x: Tensor, y: Tensor | None, n: int) -> tuple[Tensor, Tensor]:
    samples.append(x.shape)
    assert x.data_ptr()  # as C would ask
    return n * x * x, (x if y is None else x @ y).clone()


def _backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
    x, y = ctx.saved_tensors
    first = twofold(x, y, 2 * ctx.n)[0]
    grad_x = first * grads[0] / x
    if y is None:
        return grad_x + grads[1], None, None
    return grad_x + grads[1] @ y.mT, x.mT @ grads[1], None


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.n = inputs
    ctx.save_for_backward(*tensors)


def _fake(x: Tensor, y: Tensor | None, n: int) -> tuple[Tensor, Tensor]:
    columns = x.shape[1] if y is None else y.shape[1]
    return torch.empty_like(x), x.new_empty(x.shape[0], columns)


twofold = register_operator(
    "toy_twofold",
    "(Tensor x, Tensor? y, SymInt n) -> (Tensor, Tensor)",
    _run,
    _fake,
    _backward,
    _save,
)


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor]:
    samples.clear()
    x = torch.rand(5, 3, 4, dtype=torch.float64) + 1
    return x, torch.rand(4, 2, dtype=torch.float64)


def test_once_for_every_sample(inputs: tuple[Tensor, Tensor]) -> None:
    x, y = inputs
    expected = 3 * x * x, x @ y
    for dim in (0, 1, 2):
        moved = x.movedim(0, dim)
        found = vmap(lambda x: twofold(x, y, 3), in_dims=dim)(moved)
        torch.testing.assert_close(found, expected)
    assert samples == [(3, 4)] * 15
    found = vmap(lambda x: twofold(x, None, 3))(x)
    torch.testing.assert_close(found, (3 * x * x, x))
    pairs = vmap(vmap(lambda x: twofold(x, y, 3)))(x[None].expand(2, -1, -1, -1))
    torch.testing.assert_close(pairs[1][1], expected[1])


def test_what_no_batch_enters_runs_once(inputs: tuple[Tensor, Tensor]) -> None:
    x, y = inputs
    found = vmap(lambda z: z * twofold(x[0], y, 3)[0])(torch.ones(6))
    assert found.shape == (6, 3, 4)
    assert samples == [(3, 4)]


@pytest.mark.parametrize("kind", ["is_grads_batched", "vmap"])
def test_gradients_in_batches(inputs: tuple[Tensor, Tensor], kind: str) -> None:
    x, y = inputs[0][0].requires_grad_(), inputs[1].requires_grad_()
    outputs = twofold(x, y, 3)
    batches = [torch.rand(6, *out.shape, dtype=out.dtype) for out in outputs]

    def gradients(*grads: Tensor, **options: bool) -> tuple[Tensor, ...]:
        given = outputs, (x, y), grads
        return torch.autograd.grad(*given, create_graph=True, **options)

    if kind == "vmap":
        found = vmap(gradients)(*batches)
    else:
        found = gradients(*batches, is_grads_batched=True)
    rows = [gradients(*grads) for grads in zip(*batches, strict=True)]
    expected = [torch.stack(row) for row in zip(*rows, strict=True)]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-14, atol=1e-14)
    totals = [sum(t.sin().sum() for t in grads) for grads in (found, expected)]
    results = [torch.autograd.grad(t, (x, y), retain_graph=True) for t in totals]
    torch.testing.assert_close(*results, rtol=1e-14, atol=1e-14)


def test_lists_of_tensors_are_refused() -> None:
    with pytest.raises(ValueError, match="toy_list: batches of lists"):
        register_operator("toy_list", "(Tensor x) -> Tensor[]", *[_run] * 4)


@pytest.mark.skipif(not hasattr(torch.Tag, "cudagraph_unsafe"), reason="older torch")
def test_cuda_graphs_leave_them_out() -> None:
    for name in ("toy_twofold", "convolution"):
        operator = getattr(torch.ops.pyg_equivariant, name).default
        assert torch.Tag.cudagraph_unsafe in operator.tags
