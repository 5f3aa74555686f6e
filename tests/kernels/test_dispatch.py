"""Which kernel serves a call, and what happens where none does."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from pyg_equivariant.kernels import dispatch
from pyg_equivariant.kernels.c.build import BuildError, compiler
from pyg_equivariant.kernels.dispatch import (
    backend,
    check_backend,
    fast_or_plain,
    is_plain_call,
    kernel_for,
)
from pyg_equivariant.kernels.environment import said

needs_compiler = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
X = torch.zeros(3)


@pytest.fixture(autouse=True)
def warned_anew() -> Iterator[None]:
    said.clear()
    yield
    said.clear()


@needs_compiler
def test_floating_point_on_the_cpu_is_served_by_c() -> None:
    assert backend(X) == backend(X, None, X.bfloat16()) == "c"
    assert backend(X, kernels=("triton",)) == "plain"
    assert backend(X, X.int()) == "plain"


def test_other_and_mixed_devices_are_plain() -> None:
    assert backend(X.to("meta")) == "plain"
    assert backend(X, X.to("meta")) == "plain"


@needs_compiler
def test_inside_operators_the_dtype_counts() -> None:
    assert kernel_for(X, None) == kernel_for(X.double()) == "c"
    for other in (X.bfloat16(), X.double(), X.to("meta"), X.to_sparse()):
        assert kernel_for(X, other) == "plain"
    assert kernel_for(X.half()) == "plain"


class Own(Tensor):
    """A type of tensors that is not torch's."""


def test_transforms_and_modes_see_plain_torch() -> None:
    seen: list[tuple[str, bool]] = []

    def look(x: Tensor) -> Tensor:
        seen.append((backend(x), is_plain_call(x)))
        return x.sin()

    torch.func.vmap(look)(X)
    torch.func.grad(lambda x: look(x).sum())(X)
    torch.func.jvp(look, (X,), (X,))
    assert {name for name, _ in seen} == {"plain"}
    assert not any(plain for _, plain in seen)
    with FlopCounterMode(display=False):
        assert not is_plain_call(X)
    assert not is_plain_call(X.as_subclass(Own))
    assert is_plain_call(X, None, torch.nn.Parameter(X))


@needs_compiler
@pytest.mark.parametrize("anew", [True, False])
def test_compiled_in_one_graph_without_a_warning(anew: bool) -> None:
    """Also where the compiler is looked for while tracing."""
    code = f"""
import warnings
import torch
from pyg_equivariant.kernels import dispatch

def function(x):
    return x + 1 if dispatch.backend(x, kernels=("c", "triton")) == "c" else x - 1

{"" if anew else "dispatch.has_c()"}
compiled = torch.compile(function, fullgraph=True, backend="eager")
with warnings.catch_warnings():
    warnings.simplefilter("error")
    assert compiled(torch.zeros(2))[0] == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_a_compiler_it_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "compiler", lambda: None)
    monkeypatch.setattr(dispatch, "_built_ahead", lambda: False)
    with pytest.warns(UserWarning, match="no C compiler was found"):
        assert backend(X) == "plain"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kernel_for(X) == "plain"
    with pytest.raises(RuntimeError, match="backend='c' needs a C compiler"):
        check_backend("c", X)


def test_without_triton_it_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "has_triton", lambda: True)
    assert dispatch._kernel_on("cuda", ("c", "triton")) == "triton"
    assert dispatch._kernel_on("cuda", ("c",)) == "plain"
    monkeypatch.setattr(dispatch, "has_triton", lambda: False)
    with pytest.warns(UserWarning, match="Triton was not found"):
        assert dispatch._kernel_on("cuda", ("c", "triton")) == "plain"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dispatch._kernel_on("cuda", ("triton",)) == "plain"


def test_a_backend_that_does_not_fit_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "compiler", lambda: ("cc",))
    check_backend("c", X)
    for other in (X.int(), X.to("meta")):
        with pytest.raises(ValueError, match=rf"float32 or float64 .* {other.device}"):
            check_backend("c", other)
    monkeypatch.setattr(dispatch, "has_triton", lambda: True)
    monkeypatch.setattr(dispatch, "interpreting", lambda: False)
    with pytest.raises(ValueError, match=r"takes CUDA tensors .* got them on cpu"):
        check_backend("triton", X)
    monkeypatch.setattr(dispatch, "interpreting", lambda: True)
    check_backend("triton", X)
    monkeypatch.setattr(dispatch, "has_triton", lambda: False)
    with pytest.raises(RuntimeError, match="not installed"):
        check_backend("triton", X)


def test_a_kernel_that_cannot_be_built_is_replaced_with_one_warning() -> None:
    def fast(x: int) -> int:
        raise BuildError("the compiler is on strike")

    def wrong(x: int) -> int:
        raise ValueError("not this way")

    with pytest.warns(UserWarning, match="on strike; plain torch runs instead"):
        assert fast_or_plain(fast, lambda x: 2 * x, 3) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fast_or_plain(fast, lambda x: 2 * x, 3) == 6
    with pytest.raises(ValueError, match="not this way"):
        fast_or_plain(wrong, lambda x: x, 3)


def test_an_order_of_edges_is_not_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replays would follow it whatever the edges are by then."""
    monkeypatch.setattr(dispatch, "has_triton", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    kernels = "c", "triton"
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    assert dispatch._kernel_on("cuda", kernels) == "triton"
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with pytest.raises(RuntimeError, match=r"captured.*conv\.fuse = False"):
        dispatch._kernel_on("cuda", kernels)
    assert dispatch._kernel_on("cuda", ("c",)) == "plain"
    assert not dispatch.recording("cpu")
    monkeypatch.setattr(dispatch, "has_triton", lambda: False)
    with pytest.warns(UserWarning, match="Triton was not found"):
        assert dispatch._kernel_on("cuda", kernels) == "plain"
