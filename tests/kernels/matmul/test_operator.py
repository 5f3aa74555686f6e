"""Products by the compiled kernel are those of torch, to second derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.kernels import dispatch, matmul
from pyg_equivariant.kernels.c.build import BuildError, compiler
from pyg_equivariant.kernels.matmul import cpu, operator

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")

SIZES = [
    (1, 1, 1),
    (12, 128, 32),
    (13, 1, 33),
    (5, 129, 70),
    (200, 7, 8),
    (8, 400, 16),
    (250, 300, 65),
]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The kernel runs for any size on any processor; what it was called with."""
    calls: list[tuple[int, ...]] = []
    kernel = cpu._kernel

    def counted(dtype: torch.dtype) -> object:
        run = kernel(dtype)

        def call(threads: int, *rest: int) -> None:
            calls.append(rest[:3])
            run(threads, *rest)

        return call

    monkeypatch.setattr(cpu, "_kernel", counted)
    monkeypatch.setattr(dispatch, "_neglects_processor", lambda: True)
    monkeypatch.setattr(operator, "_SMALLEST", 1)
    monkeypatch.setattr(operator, "_NARROWEST", 1)
    return calls


def _random(*size: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*size, dtype=dtype)


def _close(found: Tensor, expected: Tensor) -> None:
    tolerance = 1e-12 if found.dtype == torch.float64 else 1e-5
    scale = expected.abs().max().item() if expected.numel() else 1.0
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * (scale + 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES)
def test_value_and_derivatives(
    size: tuple[int, int, int], dtype: torch.dtype, compiled: list[tuple[int, ...]]
) -> None:
    torch.manual_seed(0)
    m, k, n = size
    given = [_random(*s, dtype=dtype) for s in ((m, k), (k, n), (n,))]
    results = []
    for product in (matmul, lambda a, b, bias: a @ b + bias):
        inputs = [t.clone().requires_grad_() for t in given]
        out = product(*inputs)
        g = torch.linspace(-1, 1, out.numel(), dtype=dtype).view_as(out)
        g.requires_grad_()
        first = torch.autograd.grad(out, inputs, g, create_graph=True)
        scalar = sum((x * x).sum() for x in first[:2])
        second = torch.autograd.grad(scalar, [*inputs[:2], g])
        results.append([out, *first, *second])
    assert len(compiled) == 3 + 4
    for found, expected in zip(*results, strict=True):
        _close(found, expected)


def test_strides_and_leading_dimensions(compiled: list[tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    a, b, bias = _random(40, 9), _random(5, 40), _random(10)
    cases = [
        (a.t(), b.t(), None),
        (a.t()[::2, 3:30], b.t()[3:30, ::2], bias[:3]),
        (_random(3, 4, 9), _random(9, 10), bias),
        (_random(9).expand(6, 9), _random(9, 1).expand(9, 10), bias[:1].expand(10)),
        (_random(3, 0, 9), _random(9, 10), bias),
        (_random(4, 0), _random(0, 10), bias),
    ]
    for x, y, z in cases:
        expected = x @ y if z is None else x @ y + z
        _close(matmul(x, y, z), expected)
    assert compiled


def test_equal_bits_for_any_number_of_threads(compiled: list[tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    a, b = _random(500, 70), _random(500, 40)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append((matmul(a.t(), b), matmul(a, a[:70].t())))
    finally:
        torch.set_num_threads(before)
    for found in results[1:]:
        assert all(map(torch.equal, found, results[0]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_lower_precision_and_autocast_are_those_of_torch(
    dtype: torch.dtype, compiled: list[tuple[int, ...]]
) -> None:
    a, b = torch.ones(20, 9).to(dtype), torch.ones(9, 10).to(dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.float32):
        assert matmul(a, b).dtype == (a @ b).dtype
    assert not compiled


def test_transforms_see_torch(compiled: list[tuple[int, ...]]) -> None:
    a, b = _random(3, 20, 9), _random(9, 10)
    _close(torch.func.vmap(matmul, in_dims=(0, None))(a, b), a @ b)
    _, tangent = torch.func.jvp(lambda b: matmul(a, b), (b,), (b,))
    _close(tangent, a @ b)
    assert not compiled


def test_wrong_shapes_raise(compiled: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="9"):
        matmul(_random(20, 8), _random(9, 10))
    with pytest.raises(ValueError, match="7"):
        matmul(_random(20, 9), _random(9, 10), _random(7))
    assert not compiled


def test_where_the_kernel_cannot_be_built_torch_multiplies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(dtype: torch.dtype) -> object:
        raise BuildError("the compiler refuses a matrix")

    monkeypatch.setattr(dispatch, "_neglects_processor", lambda: True)
    monkeypatch.setattr(cpu, "_kernel", refuse)
    a, b = _random(512, 128), _random(128, 128)
    with pytest.warns(UserWarning, match="refuses a matrix; plain torch"):
        found = matmul(a, b)
    assert torch.equal(found, a @ b)
    monkeypatch.setattr(operator, "kernel_for", lambda *tensors: "plain")
    assert torch.equal(matmul(a, b), a @ b)


def test_the_kernel_takes_matrices_that_fit() -> None:
    a, b = _random(4, 3), _random(3, 5)
    with pytest.raises(ValueError, match=r"got \(4, 3\) .* and \(2, 5\)"):
        cpu.multiply(a, b[:2], None)
    with pytest.raises(ValueError, match=r"float64 and .*float32"):
        cpu.multiply(a, b.float(), None)
    with pytest.raises(ValueError, match=r"a bias \(5,\)"):
        cpu.multiply(a, b, b[0, :4])
